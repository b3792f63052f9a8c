"""The client of a cluster's job server, against heads that refuse, vanish, or are none."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from striate.core import ray_private
from striate.core.errors import PlatformError, UnknownName, UsageError
from striate.core.settings import Settings
from striate.train.launch import ray_jobs, submit
from striate.train.launch.ray_jobs import JobServer, SubmittedJob
from striate.train.recipes.resolve import resolve

pytestmark = pytest.mark.unit


@contextmanager
def head(status: int, body: str) -> Iterator[str]:
    """A web server that answers every request alike, and records what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    seen: list[str | None] = []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, "Unauthorized: Missing authentication token", "asks for a token"),
        (403, "Forbidden: Invalid authentication token", "refuses the token"),
        (404, "no such page", "does not take the request"),
        (200, "<html>an unrelated server</html>", "does not"),
    ],
)
def test_a_head_that_refuses_is_one_sentence(status: int, body: str, says: str) -> None:
    with head(status, body) as address, pytest.raises(PlatformError) as caught:
        JobServer(address, "secret-token")
    assert says in caught.value.message and address in caught.value.message
    assert "\n" not in str(caught.value) and "secret-token" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("address", ["head", "ftp://head", "http://", "http://head:port"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        JobServer(address)


def test_a_head_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(PlatformError, match="does not answer"):
        JobServer("http://127.0.0.1:1")


class Broken:
    """A job's log whose connection breaks after a few pieces, as often as it is told."""

    def __init__(self, pieces: list[str], breaks_after: list[int]) -> None:
        self.pieces = pieces
        self.breaks_after = breaks_after

    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        async def chunks() -> AsyncIterator[str]:
            least = self.breaks_after.pop(0) if self.breaks_after else len(self.pieces)
            for piece in self.pieces[:least]:
                yield piece
            if least < len(self.pieces):
                raise RuntimeError("the connection closed unexpectedly")

        return chunks()


def test_a_log_whose_connection_breaks_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = object.__new__(JobServer)
    server.address = "http://head:8265"
    server._client = Broken(["a\nb", "c\n", "d\n", "e"], [1, 2, 3])
    ended = SubmittedJob(
        job_id="x", recipe="r", status="SUCCEEDED", message="", started_unix_s=0, seconds=1
    )
    monkeypatch.setattr(server, "job", lambda job_id: ended)
    monkeypatch.setattr(
        ray_jobs, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda s: None)
    )
    assert list(server.follow("x")) == ["a", "bc", "d", "e"]


def test_a_job_is_found_by_a_part_of_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    server = object.__new__(JobServer)
    job = SubmittedJob(
        job_id="", recipe="r", status="RUNNING", message="", started_unix_s=0, seconds=None
    )
    known = [job.model_copy(update={"job_id": name}) for name in ("lenet-12", "lenet-123", "c3d-9")]
    monkeypatch.setattr(server, "jobs", lambda: known)
    assert server.job("lenet-12").job_id == "lenet-12"
    assert server.job("c3d").job_id == "c3d-9"
    with pytest.raises(UnknownName):
        server.job("lenet")


def test_a_near_cluster_gets_this_home_and_a_far_one_what_it_can_reach(tmp_path: Path) -> None:
    here = Settings(home=tmp_path, tracking_uri="http://127.0.0.1:5000")
    near = submit.job_environment(here, True, [])
    assert near["STRIATE_HOME"] == str(tmp_path)
    assert near["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    far = submit.job_environment(here, False, ["STRIATE_HOME=/shared", "A=b=c"])
    assert far.get("MLFLOW_TRACKING_URI") is None
    assert (far["STRIATE_HOME"], far["A"]) == ("/shared", "b=c")
    everywhere = Settings(home=tmp_path, tracking_uri="https://mlflow.example.org")
    assert "MLFLOW_TRACKING_URI" in submit.job_environment(everywhere, False, [])
    with pytest.raises(UsageError, match="no variable"):
        submit.job_environment(here, True, ["STRIATE_HOME"])


def test_shards_of_a_job_are_named_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = resolve("lenet5-digits", ["data.shards=some/shards"], shards_here=False)
    assert submit.make_absolute(recipe).data.shards == str(tmp_path / "some" / "shards")
    bucket = resolve("lenet5-digits", ["data.shards=s3://bucket/shards"], shards_here=False)
    assert submit.make_absolute(bucket) == bucket


@pytest.mark.parametrize(
    ("overrides", "arguments", "held"),
    [
        (["scaling.workers=0", "scaling.cpus_per_worker=3"], [], (3, 0)),
        (["scaling.workers=0", "scaling.gpu=true"], [], (1, 1)),
        (["scaling.workers=2"], [], (0, 0)),
        (["scaling.workers=0"], ["--sweep", "seed=0,1"], (0, 0)),
    ],
)
def test_a_job_that_trains_in_its_own_process_holds_what_that_takes(
    overrides: list[str], arguments: list[str], held: tuple[int, int], tmp_path: Path
) -> None:
    """Workers and trials are placed by themselves; the process that only watches takes nothing."""
    sent: list[tuple[Any, ...]] = []
    server = cast("JobServer", SimpleNamespace(submit=lambda *given: sent.append(given)))
    recipe = resolve("lenet5-digits", overrides)
    job_id = submit.submit(server, recipe.name, recipe, arguments, {"A": "b"}, tmp_path)
    ((name, command, about, runtime, *resources),) = sent
    assert name == job_id and job_id.startswith("lenet5-digits-")
    assert tuple(resources) == held
    assert command.startswith("python -m striate.cli train recipe.json")
    assert about == {"striate.recipe": "lenet5-digits"}
    assert runtime["env_vars"]["A"] == "b" and len(runtime["py_modules"]) == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:8265", True),
        ("http://[::1]:8265", True),
        ("http://localhost:8265", True),
        ("https://head.example.org", False),
        ("http://10.0.0.1:8265", False),
    ],
)
def test_this_users_own_token_is_shown_to_this_machine_alone(
    address: str, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from striate.local import token

    path = tmp_path / "auth_token"
    path.write_text("own")
    monkeypatch.setattr(token, "default_path", lambda: path)
    assert token.for_head({}, address) == ("own" if shown else None)
    assert token.for_head({"RAY_AUTH_TOKEN": "given"}, address) == "given"


def test_a_ray_that_gives_a_stopped_job_no_time_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would end a run without its last checkpoint."""
    from ray.dashboard.modules.job import job_supervisor

    monkeypatch.delattr(job_supervisor, "JobSupervisor")
    ray_private.find_changes.cache_clear()
    server = cast(JobServer, SimpleNamespace(address="http://127.0.0.1:1"))
    try:
        with pytest.raises(PlatformError, match=r"JobSupervisor.* last checkpoint: it is gone"):
            submit.submit(server, "digits", resolve("lenet5-digits"), (), {}, tmp_path)
    finally:
        ray_private.find_changes.cache_clear()
    assert list(tmp_path.iterdir()) == []
