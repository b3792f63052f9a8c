"""A server that answers something else than yes: one sentence for every call that is made to it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from striate.core import tracking
from striate.core.errors import StriateError, TrackingFault, TrackingRefused, UnknownName
from striate.core.registry import fetch, list_versions, promote
from striate.core.settings import Settings
from striate.train.launch.publish import publish
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec
from striate.train.tracking.metric_log import MetricLog, MetricRecord
from striate.train.tracking.mlflow_run import close_run, open_parent, open_run, reopen_run
from striate.train.tracking.runs import find_run, list_runs
from striate.train.tracking.uploader import send

pytestmark = pytest.mark.unit

RUN_ID = "4c645a1f43f34764a5a1f28e4af3fae5"
DELETED = f"The run {RUN_ID} must be in the 'active' state. Current state is deleted."


class Answering:
    """An MLflow that answers every call the same way, but is in good health."""

    def __init__(self) -> None:
        self.status, self.body, self.calls = 200, b"{}", 0
        self.faults_left: int | None = None  # None: as many as are asked for
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, body = 200, b"OK"
                if not self.path.endswith("/health"):
                    status, body = outer.next_answer()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def next_answer(self) -> tuple[int, bytes]:
        self.calls += 1
        if self.faults_left is None:
            return self.status, self.body
        self.faults_left -= 1
        return (self.status, self.body) if self.faults_left >= 0 else (200, b"{}")

    def refuse(self, status: int, body: str) -> None:
        self.status, self.body = status, body.encode()


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(tracking, "FAULT_WITHIN_S", 0.0)
    answering = Answering()
    yield answering
    answering.server.shutdown()
    answering.server.server_close()


METRIC = MetricRecord(key="train/loss", step=1, value=1.0, time_ms=1)
CALLS: dict[str, Callable[[str, Path], object]] = {
    "open_run": lambda uri, _: open_run(uri, resolve("lenet5-digits"), {}),
    "open_parent": lambda uri, _: open_parent(uri, resolve("lenet5-digits"), "sweep", {}),
    "reopen_run": lambda uri, _: reopen_run(uri, RUN_ID),
    "close_run": lambda uri, _: close_run(uri, RUN_ID, "FINISHED"),
    "send": lambda uri, _: send(RUN_ID, uri, [METRIC]),
    "list_runs": lambda uri, _: list_runs(uri),
    "find_run": lambda uri, _: find_run(uri, RUN_ID),
    "list_versions": lambda uri, _: list_versions(uri),
    "promote": lambda uri, _: promote("m", 1, "champion", uri),
    "fetch": lambda uri, home: fetch("models:/m@champion", Settings(home=home, tracking_uri=uri)),
    "publish": lambda uri, home: publish(run_at(home, uri), within_s=0.0),
}


def run_at(home: Path, uri: str) -> Run:
    """A run that ended, with a metric that is not shipped."""
    spec = RunSpec(
        run_id=RUN_ID, tracking_uri=uri, experiment_id="0", recipe=resolve("lenet5-digits"),
        shards=str(home / "shards"), manifest_sha256="", labels=("0", "1"), train_rows=100,
        created_unix_s=0.0,
    )  # fmt: skip
    run = Run(spec, RunFolder(Settings(home=home).runs_folder / RUN_ID))
    run.folder.write_spec(spec)
    MetricLog(run.folder.metric_log).append([METRIC])
    return run


def mlflows(code: str, message: str) -> str:
    return json.dumps({"error_code": code, "message": message})


ANSWERS = [
    (400, mlflows("INVALID_PARAMETER_VALUE", DELETED), TrackingRefused, "restore it"),
    (404, mlflows("RESOURCE_DOES_NOT_EXIST", "No such run"), TrackingRefused, "restore it"),
    (403, mlflows("PERMISSION_DENIED", "Permission denied"), TrackingRefused, "TOKEN"),
    (401, "<html><h1>401</h1></html>", TrackingRefused, "TOKEN"),
    (404, "<html><h1>404</h1></html>", TrackingRefused, "restore it"),
    (413, "<html>413 Request Entity Too Large</html>", TrackingRefused, "size"),
    (500, mlflows("INTERNAL_ERROR", "database is locked"), TrackingFault, "log"),
    (503, "<html>no upstream</html>", TrackingFault, "log"),
    (429, "slow down", TrackingFault, "log"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("status", "body", "kind", "remedy"), ANSWERS)
def test_every_call_says_in_one_sentence_what_was_answered(
    mlflow: Answering,
    tmp_path: Path,
    call: str,
    status: int,
    body: str,
    kind: type[StriateError],
    remedy: str,
) -> None:
    mlflow.refuse(status, body)
    with pytest.raises(StriateError) as caught:
        CALLS[call](mlflow.uri, tmp_path)
    assert mlflow.calls
    error = caught.value
    assert "does not answer" not in str(error)
    assert "\n" not in str(error) and "<" not in str(error) and len(error.message) < 400
    if isinstance(error, UnknownName):  # a call that asks for one thing says that it is not there
        assert status == 404 and call in {"reopen_run", "find_run"}
        return
    assert type(error) is kind
    assert str(status) in error.message
    if call == "publish":
        assert "are kept in" in error.message and f"striate runs sync {RUN_ID}" in error.remedy
    if call != "publish" or kind is TrackingRefused:
        assert remedy in error.remedy


def test_the_servers_own_words_are_told(mlflow: Answering) -> None:
    mlflow.refuse(400, mlflows("INVALID_PARAMETER_VALUE", DELETED))
    with pytest.raises(TrackingRefused, match="must be in the 'active' state"):
        reopen_run(mlflow.uri, RUN_ID)


def test_a_fault_at_the_start_is_waited_for_and_said_once(mlflow: Answering) -> None:
    mlflow.refuse(503, "no upstream")
    mlflow.faults_left = 2
    said: list[str] = []

    def ask() -> None:
        reopen = tracking.connect(mlflow.uri)
        reopen.set_tag(RUN_ID, "a", "b")

    tracking.patiently(mlflow.uri, ask, said.append, within_s=30.0)
    assert mlflow.calls == 3
    (sentence,) = said
    assert "(503)" in sentence and "asked again" in sentence


def test_a_refusal_at_the_start_is_not_waited_for(mlflow: Answering) -> None:
    mlflow.refuse(403, "")
    with pytest.raises(TrackingRefused):
        tracking.patiently(
            mlflow.uri, lambda: tracking.connect(mlflow.uri).set_tag(RUN_ID, "a", "b"), within_s=30
        )
    assert mlflow.calls == 1
