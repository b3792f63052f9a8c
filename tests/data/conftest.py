"""Shards of the digits, small enough to be many."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from striate.data.corpora.digits import write_digits
from striate.data.ingest.ingest import ingest

SHARD_MB = 0.1
_READY_S = 60

# A loaded machine is no failure.
settings.register_profile("data", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("data")


@pytest.fixture(scope="session")
def digits_source(made_once: Callable[..., Path]) -> Path:
    """The digits in MNIST's layout; not to be changed."""
    return made_once("digits-source", lambda folder: write_digits(folder / "source")) / "source"


@pytest.fixture(scope="session")
def many_shards(digits_source: Path, made_once: Callable[..., Path]) -> Path:
    """The digits in a dozen shards for training; not to be changed."""

    def make(folder: Path) -> None:
        ingest("digits", digits_source, folder / "shards", shard_mb=SHARD_MB)

    return made_once("digits-many", make) / "shards"


@pytest.fixture(autouse=True)
def _in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit tests ingest here, even when another test has connected this process to a cluster."""
    if request.node.get_closest_marker("unit"):
        monkeypatch.setattr("ray.is_initialized", lambda: False)


@dataclass(frozen=True)
class S3:
    """A real S3 server of this session's own."""

    port: int

    def bucket(self) -> str:
        """The URI of a new, empty bucket; its query holds the endpoint and the keys."""
        name = f"b{uuid.uuid4().hex[:12]}"
        self.request(f"/{name}", "PUT")
        return self.uri(name)

    def uri(self, bucket: str, prefix: str = "") -> str:
        """An address in the server."""
        keys = "access_key=testing&secret_key=testing&region=us-east-1"
        return f"s3://{bucket}{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http&{keys}"

    def refuse(self, refusing: bool) -> None:
        """Refuse every credential from now on, or none."""
        self.request("/moto-api/reset-auth", "POST", b"0" if refusing else b"1000000000")

    def request(self, path: str, method: str, body: bytes = b"") -> bytes:
        """A plain HTTP request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "text/plain"}
        )
        request.method = method
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


def under(uri: str, prefix: str) -> str:
    """A place in the bucket of a URI."""
    place, _, query = uri.partition("?")
    return f"{place}/{prefix}?{query}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[S3]:
    """moto's S3 server as a process of its own."""
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(unused_port)],
        env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000000"},
        stdout=log,
        stderr=log,
    )
    server = S3(unused_port)
    try:
        _wait_for(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.fixture(scope="session")
def unused_port() -> int:
    """A TCP port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: S3, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            server.request("/moto-api/data.json", "GET")
            return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "the S3 server has ended"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.05)
