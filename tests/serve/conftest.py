"""What the serving tests share: bundles, pictures, and a server in this process."""

import io
import itertools
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import StriateError
from striate.models import build
from striate.serve.apps.factory import start_tagging_server
from striate.serve.client.client import Client
from striate.serve.common.limits import Limits
from striate.serve.common.metadata import APP_KEY
from striate.serve.identities.store import FACES
from striate.serve.predictors import load_tagging
from striate.serve.protos.striate.v1 import photo_tagging_pb2, photo_tagging_pb2_grpc
from striate.serve.server.server import ModelServer
from striate.serve.sql.database import connect

DIGITS: tuple[dict[str, Any], ...] = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


def _png(width: int = 28, height: int = 28, seed: int = 0) -> bytes:
    """A grey PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _blank_png(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that decodes to any number of pixels."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Makes a grey PNG of noise: ``png(width, height, seed)``."""
    return _png


@pytest.fixture(scope="session")
def broken() -> dict[str, bytes]:
    """Payloads that are no readable picture of an acceptable size, by what is wrong."""
    return {
        "no image": b"GIF89a, not wanted",
        "truncated": _png()[:100],
        "over the pixels": _blank_png(8001, 8001),
        "a bomb": _blank_png(30000, 30000),
    }


@pytest.fixture(scope="session")
def write_bundle() -> Callable[..., Bundle]:
    """Writes a digits bundle with random weights: ``write_bundle(path, seed, name)``."""

    def write(path: Path, seed: int = 0, name: str = "lenet5_modern") -> Bundle:
        architecture = Architecture(name=name)
        torch.manual_seed(seed)
        spec = BundleSpec(
            architecture=architecture,
            task="classification",
            inputs={
                "input": TensorSpec(
                    dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity"
                )
            },
            outputs={"output": TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit")},
            preprocessing=DIGITS,
            labels=tuple("0123456789"),
        )
        return Bundle.write(path, spec, build(architecture).state_dict())

    return write


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    """A digits bundle with random weights."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "digits")


@pytest.fixture(scope="session")
def server(bundle: Bundle) -> Iterator[ModelServer]:
    """A server of the bundle in this process, with small limits."""
    limits = Limits(image_bytes=200_000, top_k=100)
    running = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "7"), limits=limits)
    yield running
    running.stop(grace_s=1)


@pytest.fixture(scope="session")
def unused_port() -> Callable[[], int]:
    """Gives a port that nothing listens on."""

    def choose() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return choose


_BREATH_S = 0.002
"""Between calls while a test waits for a number of them."""
_PAUSE_S = 0.02
"""Between calls else: replicas that start, for which a test waits then, share the cores."""


class Traffic:
    """Steady calls from several callers until it is left.

    Attributes:
        calls: answered.
        failed: status and details of those that were not.
        versions: of the model in the answers, in their order.
        longest_s: the longest call that was answered.
    """

    def __init__(
        self,
        address: str,
        app: str,
        images: Sequence[bytes],
        retry: bool,
        reconnect: bool,
        pause_s: float,
    ) -> None:
        self.calls = 0
        self.failed: list[str] = []
        self.versions: list[str] = []
        self.longest_s = 0.0
        self._to = (address, app)
        self._images = images
        self._retry = retry
        self._reconnect = reconnect
        self._pause_s = pause_s
        self._end = threading.Event()
        self._awaited = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, callers: int) -> None:
        """Begin to call."""
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the calls in flight."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def until(self, calls: int, timeout_s: float = 120) -> None:
        """Wait for so many answers more."""
        goal, deadline = self.calls + calls, time.monotonic() + timeout_s
        self._awaited.set()
        while self.calls < goal:
            assert time.monotonic() < deadline, f"only {self.calls} calls were answered"
            time.sleep(0.02)
        self._awaited.clear()

    def _call(self) -> None:
        ask = self._caller()
        for image in itertools.cycle(self._images):
            if self._end.is_set():
                break
            began_s = time.monotonic()
            try:
                version = ask.version(image)
            except (StriateError, grpc.RpcError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                if self._reconnect:
                    ask.close()
                    ask = self._caller()
                continue
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
            self.versions.append(version)
            self.calls += 1  # a lost update would only make a test wait longer
            time.sleep(_BREATH_S)
            self._awaited.wait(self._pause_s)
        ask.close()

    def _caller(self) -> "_Retrying | _Bare":
        return _Retrying(*self._to) if self._retry else _Bare(*self._to)


class _Retrying:
    """A caller with Striate's client."""

    def __init__(self, address: str, app: str) -> None:
        self._client = Client(address, app, deadline_s=60)

    def version(self, image: bytes) -> str:
        return self._client.tag(image, top_k=1).version

    def close(self) -> None:
        self._client.close()


class _Bare:
    """A caller that tries nothing again, on a connection of its own."""

    def __init__(self, address: str, app: str) -> None:
        self._metadata = ((APP_KEY, app),)
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._tag: Any = photo_tagging_pb2_grpc.PhotoTaggingStub(self._channel).Tag  # type: ignore[no-untyped-call]

    def version(self, image: bytes) -> str:
        request = photo_tagging_pb2.TagRequest(image=image, top_k=1)
        answer = self._tag(request, metadata=self._metadata, timeout=60)
        return str(answer.model.version)

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="session")
def traffic(png: Callable[..., bytes]) -> Callable[..., AbstractContextManager[Traffic]]:
    """Makes steady traffic: ``with traffic(address, app, callers=4, retry=False) as found:``.

    ``large=True``: pictures of 0.6 MB keep nearly every caller's call in flight at a replica, which
    works on it far longer than the caller did: load that does not depend on who is how quick.

    With ``reconnect=True`` a caller whose call failed makes the next one on a new connection: in
    the instant in which a connection ends, gRPC still puts calls on it, and a caller that repeats
    at once loses several to one and the same fault.
    """

    @contextmanager
    def run(
        address: str,
        app: str,
        *,
        callers: int = 4,
        retry: bool = False,
        reconnect: bool = False,
        large: bool = False,
    ) -> Iterator[Traffic]:
        side = 800 if large else 28
        images = [png(side, side, seed=seed) for seed in range(8)]
        pause_s = 0.0 if large else _PAUSE_S
        found = Traffic(address, app, images, retry, reconnect, pause_s)
        found.start(callers)
        try:
            yield found
        finally:
            found.stop()

    return run


@pytest.fixture(scope="session")
def listeners() -> Callable[[Iterable[str]], list[int]]:
    """Gives the ids of the processes that listen at addresses."""

    def find(addresses: Iterable[str]) -> list[int]:
        ports = {int(address.rpartition(":")[2]) for address in addresses}
        listening = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1] in ports
        }
        return sorted(pid for pid in listening if pid is not None)

    return find


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server's database, ended with the session."""
    binaries = _postgresql_binaries()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server: install Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="st-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = next((name for name in ("postgres", "nobody") if _is_user(name)), None)
        if owner is None or shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no other user to run it")
        account = pwd.getpwnam(owner)
        as_user = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
        as_user += ["--clear-groups", "--"]
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, port = folder / "data", _free_port()
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    initdb = [*as_user, str(binaries / "initdb"), "-D", str(data), "-U", "striate", "-A", "trust"]
    _call(initdb, folder)
    _call([*control, "-l", str(folder / "log"), "-o", options, "start"], folder)
    try:
        yield f"postgresql://striate@127.0.0.1:{port}/postgres"
    finally:
        _call([*control, "-m", "immediate", "stop"], folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_database(postgresql: str) -> str:
    """The URL of an empty database of that server."""
    name = f"faces_{secrets.token_hex(6)}"
    engine = connect(postgresql, 10, FACES)
    with engine.connect() as connection:
        outside = connection.execution_options(isolation_level="AUTOCOMMIT")
        outside.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgresql.replace("/postgres", f"/{name}")


def _postgresql_binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").is_file()), None)


def _is_user(name: str) -> bool:
    return any(account.pw_name == name for account in pwd.getpwall())


def _call(command: list[str], folder: Path) -> None:
    log = folder / "command.log"
    with log.open("ab") as out:
        done = subprocess.run(command, stdout=out, stderr=out, cwd=folder, timeout=120)
    assert done.returncode == 0, log.read_text(errors="replace")[-2000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
