"""The driver's side of the spool: showing it, and shipping it to MLflow.

A record carries its own time, so sending a batch twice changes nothing in MLflow: what is not
acknowledged is sent again, with growing pauses, for as long as the run lasts. What is left then is
shipped when the run is published, or by `striate runs sync RUN`.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from striate.core.errors import TrackingUnavailable
from striate.core.tracking import connect, said_when_unavailable
from striate.train.spool import Record, SpoolReader

BATCH = 1000
"""Metrics in one request: MLflow's own limit."""


class Follower:
    """Calls a function with new records of a file, from a thread, until it is closed."""

    def __init__(
        self, path: Path, handle: Callable[[list[Record]], None], every_s: float = 0.2
    ) -> None:
        self._reader = SpoolReader(path)
        self._handle = handle
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="striate-follower", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(self._every_s):
            self._pass_on()
        self._pass_on()

    def _pass_on(self) -> None:
        records = self._reader.read()
        if records:
            self._handle(records)

    def close(self) -> None:
        """Hand over what is left, and end."""
        self._done.set()
        self._thread.join()


class Shipper:
    """Ships spools to an MLflow run from a thread.

    Args:
        run_id: the run.
        tracking_uri: of its server.
        spools: tells the files that are appended to while this works; they may not exist yet.
        every_s: seconds between two looks at the spools.
    """

    def __init__(
        self,
        run_id: str,
        tracking_uri: str,
        spools: Callable[[], Sequence[Path]],
        every_s: float = 1.0,
    ) -> None:
        self._run_id = run_id
        self._tracking_uri = tracking_uri
        self._spools = spools
        self._readers: dict[Path, SpoolReader] = {}
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="striate-shipper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        waiting: list[Record] = []
        pause_s = self._every_s
        while not self._done.wait(pause_s):
            for path in self._spools():
                self._readers.setdefault(path, SpoolReader(path))
            waiting.extend(_metrics(self._readers.values()))
            try:
                while waiting and not self._done.is_set():
                    send(self._run_id, self._tracking_uri, waiting[:BATCH])
                    del waiting[:BATCH]
                pause_s = self._every_s
            except TrackingUnavailable:
                pause_s = min(2 * pause_s, 10.0)

    def close(self) -> None:
        """End after the request under way; `ship_all` ships what is left."""
        self._done.set()
        self._thread.join()


def ship_all(run_id: str, tracking_uri: str, spools: Sequence[Path]) -> None:
    """Ship whole spools; what MLflow has already stays as it is.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    waiting = _metrics([SpoolReader(path) for path in spools])
    for start in range(0, len(waiting), BATCH):
        send(run_id, tracking_uri, waiting[start : start + BATCH])


def _metrics(readers: Iterable[SpoolReader]) -> list[Record]:
    return [r for reader in readers for r in reader.read() if r.kind == "metric"]


def send(run_id: str, tracking_uri: str, records: Sequence[Record]) -> None:
    """Send up to 1,000 metrics to a run; sending them again changes nothing.

    Raises:
        TrackingUnavailable: MLflow does not answer, or refuses for now.
    """
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    client = connect(tracking_uri)
    metrics = [Metric(r.key, r.value, r.time_ms, r.step) for r in records]
    with said_when_unavailable(tracking_uri):
        try:
            client.log_batch(run_id, metrics=metrics, synchronous=True)
        except MlflowException as error:
            if error.get_http_status_code() >= 500:
                raise ConnectionError(str(error)) from error
            raise
