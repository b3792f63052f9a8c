"""`striate demo` does the whole way for real, reports it, and leaves nothing running."""

import ipaddress
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from striate.local.processes import members
from striate.local.state import load

pytestmark = pytest.mark.e2e

# LeCun's ANNA team measured a loss of 0.4 points (IEEE TNN 3(3), 1992; as recalled); the
# demo may lose 1.5.
CHIP_LOSS = 0.015


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A short path: Ray's sockets must fit in 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Listening:
    """Looks, while it is entered, where the processes of a home listen."""

    def __init__(self, home: Path) -> None:
        self.found: set[tuple[str, str]] = set()
        self._home = home
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Listening":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(2.0):  # sockets that listen stay; a look costs a while
            self.found |= _listening(_processes_of(self._home))


def _processes_of(home: Path) -> list[psutil.Process]:
    """The platform's with all that came of it, and the commands that use it."""
    state = load(home) if home.is_dir() else None
    users = [one for one in psutil.process_iter() if _uses(one, home)]
    return [*(members(state) if state else []), *users]


def _uses(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("STRIATE_HOME") == str(home)
    except (psutil.Error, OSError):
        return False


def _listening(processes: list[psutil.Process]) -> set[tuple[str, str]]:
    """Names of processes with the addresses that they listen on; one look at all sockets."""
    addresses: dict[int | None, set[str]] = {}
    for socket in psutil.net_connections("tcp"):
        if socket.laddr and socket.status == psutil.CONN_LISTEN:
            addresses.setdefault(socket.pid, set()).add(socket.laddr.ip)
    found = set()
    for process in processes:
        with suppress(psutil.Error):
            found |= {(process.name(), ip) for ip in addresses.get(process.pid, ())}
    return found


@pytest.fixture(scope="module")
def listening(home: Path) -> Listening:
    return Listening(home)


@pytest.fixture(scope="module")
def report(
    home: Path, newcomer: Callable[[Path], dict[str, str]], listening: Listening
) -> dict[str, object]:
    with listening:
        done = subprocess.run(
            [sys.executable, "-m", "striate.cli", "demo", "--json"],
            env=newcomer(home),
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    document: dict[str, object] = json.loads(done.stdout)
    return document


def test_every_socket_of_the_whole_way_is_on_loopback(
    report: dict[str, object], listening: Listening
) -> None:
    """Of `up`, `train`, `deploy`, and what they start: Ray, its workers, replicas, MLflow."""
    names = {name for name, _ in listening.found}
    assert any(name.startswith("ray::ServeRepli") for name in names), names
    assert any("Train" in name for name in names), names
    outside = [(name, ip) for name, ip in listening.found if not _is_loopback(ip)]
    assert not outside


def _is_loopback(ip: str) -> bool:
    return ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback


def test_the_summary_holds_what_a_newcomer_wants_to_know(report: dict[str, object]) -> None:
    asked_for = "accuracy run_id model_uri requests p50_ms p99_ms chip_accuracy seconds"
    assert set(asked_for.split()) | {"chip_characters_per_s"} <= set(report)


def test_the_model_reads_the_held_out_digits(report: dict[str, object]) -> None:
    assert isinstance(report["accuracy"], float) and report["accuracy"] >= 0.99
    assert report["served_accuracy"] == pytest.approx(report["accuracy"], abs=1e-9)


def test_every_held_out_digit_was_asked_for_over_grpc(report: dict[str, object]) -> None:
    assert report["requests"] == 360
    assert isinstance(report["p50_ms"], float) and isinstance(report["p99_ms"], float)
    assert 0 < report["p50_ms"] <= report["p99_ms"]


def test_the_chip_loses_little_accuracy(report: dict[str, object]) -> None:
    assert isinstance(report["chip_accuracy"], float)
    assert isinstance(report["chip_float_accuracy"], float)
    assert report["chip_accuracy"] >= report["chip_float_accuracy"] - CHIP_LOSS
    assert isinstance(report["chip_characters_per_s"], float)
    assert report["chip_characters_per_s"] >= 1000  # 1 ms a character, all costs in


def test_nothing_that_it_brought_up_still_runs(report: dict[str, object], home: Path) -> None:
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in word for word in process.info["cmdline"] or ())
    ]
    assert not left
