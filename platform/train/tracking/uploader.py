"""The driver's side of the metric log: showing it, and shipping it to MLflow.

A record carries its own time, so sending a batch twice changes nothing in MLflow: what is not
acknowledged is sent again, with growing pauses, for as long as the run lasts. What is left then is
shipped when the run is published, or by `striate runs sync RUN`. How far a log was acknowledged
stands in a file beside it, so that neither sends the whole of a long run again.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from striate.core.errors import StriateError
from striate.core.files import temporary_beside
from striate.core.periodic import call_every
from striate.core.retry import Backoff
from striate.core.tracking import connect, explain_unavailable
from striate.train.tracking.metric_log import MetricLogReader, MetricRecord

BATCH = 1000
"""Metrics in one request: MLflow's own limit."""
LONGEST_PAUSE_S = 10.0
SHIPPED_SUFFIX = ".shipped"


def follow(
    path: Path, handle: Callable[[list[MetricRecord]], None], every_s: float = 0.2
) -> AbstractContextManager[None]:
    """Call a function with new records of a file, from a thread, while the block runs.

    Its end waits until what is left was handed over.
    """
    reader = MetricLogReader(path)

    def pass_on() -> None:
        if records := reader.read():
            handle(records)

    # A storage that does not answer is asked again.
    return call_every(every_s, pass_on, name="striate-follower", ignored=(OSError,), at_ends=True)


class Uploader:
    """Ships metric logs to an MLflow run from a thread.

    Args:
        run_id: the run.
        tracking_uri: of its server.
        metric_logs: tells the files that are appended to while this works; they may not exist yet.
        every_s: seconds between two looks at the metric logs.
    """

    def __init__(
        self,
        run_id: str,
        tracking_uri: str,
        metric_logs: Callable[[], Sequence[Path]],
        every_s: float = 1.0,
    ) -> None:
        self._run_id = run_id
        self._tracking_uri = tracking_uri
        self._metric_logs = metric_logs
        self._outboxes: dict[Path, Outbox] = {}
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="striate-shipper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        backoff, failures = Backoff(self._every_s, max(self._every_s, LONGEST_PAUSE_S)), 0
        while not self._done.wait(backoff.pause_s(failures + 1)):
            failures = 0 if self._ship_all() else failures + 1

    def _ship_all(self) -> bool:
        try:
            paths = self._metric_logs()
        except OSError:
            return False  # the folder does not answer for now
        shipped = [self._ship(path) for path in paths]
        return all(shipped)

    def _ship(self, path: Path) -> bool:
        """Whether MLflow took it; what it refuses is tried again too, for it may be mended.

        So is a metric log that cannot be read for now.
        """
        try:
            if path not in self._outboxes:
                self._outboxes[path] = Outbox(path, self._run_id, self._tracking_uri)
            self._outboxes[path].ship(self._done.is_set)
        except (StriateError, OSError):
            return False
        return True

    def close(self) -> None:
        """End after the request under way; `upload_all` ships what is left."""
        self._done.set()
        self._thread.join()


class Outbox:
    """One metric log on its way to one run; what was acknowledged before is not sent again.

    Args:
        path: the metric log; it may not exist yet.
        run_id: the run.
        tracking_uri: of its server.
    """

    def __init__(self, path: Path, run_id: str, tracking_uri: str) -> None:
        self._run_id = run_id
        self._tracking_uri = tracking_uri
        self._shipped = path.with_suffix(SHIPPED_SUFFIX)
        self._acknowledged = self._former(path)
        self._reader = MetricLogReader(path)
        self._reader.read(until=self._acknowledged)  # it knows these, so that none is doubled
        self._waiting: list[MetricRecord] = []

    def ship(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Send what the metric log has got since the last call.

        Args:
            stopped: asked between two requests; the rest then waits for the next call.

        Raises:
            TrackingUnavailable: MLflow does not answer; the rest waits for the next call.
        """
        self._waiting += [r for r in self._reader.read() if r.kind == "metric"]
        while self._waiting and not stopped():
            send(self._run_id, self._tracking_uri, self._waiting[:BATCH])
            del self._waiting[:BATCH]
        if not self._waiting and self._reader.offset != self._acknowledged:
            self._acknowledge(self._reader.offset)

    def _former(self, path: Path) -> int:
        """Bytes of the metric log that this very server has acknowledged."""
        try:
            document = json.loads(self._shipped.read_text(encoding="utf-8"))
            offset = int(document["offset"])
            known = document["tracking_uri"] == self._tracking_uri
            return offset if known and offset <= path.stat().st_size else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _acknowledge(self, offset: int) -> None:
        """Remember it; if that fails, these records are sent once more some day."""
        self._acknowledged = offset
        document = {"tracking_uri": self._tracking_uri, "offset": offset}
        temporary = temporary_beside(self._shipped)
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(document), encoding="utf-8")
            temporary.replace(self._shipped)


def upload_all(run_id: str, tracking_uri: str, metric_logs: Sequence[Path]) -> None:
    """Ship what is left of metric logs; what MLflow has already stays as it is.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    for path in metric_logs:
        Outbox(path, run_id, tracking_uri).ship()


def send(run_id: str, tracking_uri: str, records: Sequence[MetricRecord]) -> None:
    """Send up to 1,000 metrics to a run; sending them again changes nothing.

    Raises:
        TrackingUnavailable: MLflow does not answer, or has a fault for now.
        TrackingRefused: MLflow refuses.
    """
    from mlflow.entities import Metric

    client = connect(tracking_uri)
    metrics = [Metric(r.key, r.value, r.time_ms, r.step) for r in records]
    with explain_unavailable(tracking_uri):
        client.log_batch(run_id, metrics=metrics, synchronous=True)
