"""The local platform for real: up, again up, a part killed, down, and what goes wrong."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from striate.local import processes
from striate.local.state import PlatformState, load

pytestmark = pytest.mark.e2e
STRIATE_PARTS = {"ray", "mlflow", "edge", "chip:anna-talk"}


def _state(platform: Any) -> PlatformState:
    state = load(platform.home)
    assert state is not None
    return state


def _until(condition: Callable[[], Any], deadline_s: float = 60) -> Any:
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)
    return value


def test_status_says_that_all_is_healthy(platform: Any) -> None:
    found = json.loads(platform.run("status", "--json").stdout)
    assert found["up"]
    assert {part["name"] for part in found["parts"]} == STRIATE_PARTS
    assert all(part["healthy"] and part["memory_bytes"] > 1e6 for part in found["parts"])
    assert found["resources"]["chip_anna_talk"] == 1
    assert found["resources"]["CPU"] >= 4
    assert found["addresses"]["tracking_uri"] == platform.settings.tracking_uri


def test_up_again_changes_nothing(platform: Any) -> None:
    before = _state(platform)
    platform.run("up", "--chip", "anna-talk", "--json")
    assert _state(platform) == before


def test_up_again_with_another_port_is_refused(platform: Any) -> None:
    done = platform.run("up", "--mlflow-port", "1", check=False)
    assert done.returncode == 6
    assert platform.settings.tracking_uri in done.stderr
    assert "striate down" in done.stderr


def test_up_again_with_another_size_is_refused(platform: Any) -> None:
    done = platform.run("up", "--cpus", "99", "--chip", "anna-talk=7", check=False)
    assert done.returncode == 6
    assert "not 99" in done.stderr
    assert "1 of the chip anna-talk, not 7" in done.stderr


def test_every_socket_is_on_loopback(platform: Any) -> None:
    members = processes.members(_state(platform))
    listening = {
        connection.laddr.ip
        for process in members
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(members) > 5
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_ray_wants_the_token(platform: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{platform.settings.ray_dashboard}/api/v0/nodes", timeout=10)
    assert caught.value.code in {401, 403}


def _alive(state: PlatformState, name: str) -> bool:
    part = state.part(name)
    return part is not None and processes.is_alive(part)


def test_a_killed_part_is_started_again_where_it_was(platform: Any) -> None:
    before = _state(platform)
    for name in ("mlflow", "edge"):
        part = before.part(name)
        assert part is not None
        os.killpg(part.pid, signal.SIGKILL)
    for name in ("mlflow", "edge"):
        _until(lambda: not _alive(before, name))  # noqa: B023
    broken = platform.run("status", "--json", check=False)
    assert broken.returncode == 1
    unhealthy = {p["name"] for p in json.loads(broken.stdout)["parts"] if not p["healthy"]}
    assert unhealthy == {"mlflow", "edge"}
    told = platform.run("doctor", "--json", check=False)
    assert told.returncode == 1
    failed = {c["name"]: c for c in json.loads(told.stdout)["checks"] if c["result"] == "fail"}
    assert set(failed) == {"mlflow", "edge"}
    assert "striate up" in failed["mlflow"]["remedy"]
    platform.run("up", "--chip", "anna-talk")
    after = _state(platform)
    assert after.addresses == before.addresses
    assert after.part("ray") == before.part("ray")
    assert after.part("mlflow") != before.part("mlflow")
    platform.run("status")


@pytest.fixture
def other_home() -> Iterator[Path]:
    """A second home with a short path; whatever a failed test left up in it is ended."""
    from striate.local.platform import down

    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    down(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _environment(platform: Any, home: Path) -> dict[str, str]:
    addresses = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "STRIATE_RAY_DASHBOARD")
    without = {*addresses, "STRIATE_GRPC_ADDRESS"}
    kept = {name: value for name, value in platform.environment.items() if name not in without}
    return {**kept, "STRIATE_HOME": str(home)}


def _launch(platform: Any, home: Path, *args: str) -> subprocess.Popen[str]:
    script = platform.run.__func__.__globals__["STRIATE"]
    return subprocess.Popen(
        [script, *args], env=_environment(platform, home), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_ups_make_one_platform_and_down_spares_another_ray(
    platform: Any, other_home: Path
) -> None:
    """The session's platform is the other Ray of the same user."""
    both = [_launch(platform, other_home, "up", "--json") for _ in range(2)]
    printed = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert printed[0]["parts"] == printed[1]["parts"]
    assert printed[0]["addresses"] != _state(platform).addresses
    state = load(other_home)
    assert state is not None
    assert len(processes.members(state)) > 5
    down = _launch(platform, other_home, "down")
    assert "ray" in down.communicate(timeout=60)[0]
    assert processes.members(state) == []
    again = _launch(platform, other_home, "down")
    assert "Nothing was up" in again.communicate(timeout=60)[0]
    assert _launch(platform, other_home, "status").wait(60) == 1
    assert json.loads(platform.run("status", "--json").stdout)["up"]


def test_an_up_that_is_killed_midway_leaves_nothing_that_down_misses(
    platform: Any, other_home: Path
) -> None:
    killed = _launch(platform, other_home, "up")
    state = _until(lambda: (found := load(other_home)) and found.parts and found)
    _until(lambda: len(processes.members(state)) > 3)
    killed.kill()
    killed.wait()
    assert processes.members(state)
    assert _launch(platform, other_home, "down").wait(60) == 0
    assert processes.members(state) == []


def test_a_taken_port_is_named_with_its_holder(platform: Any, other_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = _launch(platform, other_home, "up", "--edge-port", str(port))
        said = up.communicate(timeout=60)[1]
    assert up.returncode == 6
    assert f"The port {port} for edge is taken" in said
    assert f"process {os.getpid()}" in said
    assert "another port" in said
    assert load(other_home) is None


def test_a_part_that_does_not_come_up_takes_the_others_down(
    platform: Any, other_home: Path
) -> None:
    (other_home / "mlflow.db").write_bytes(b"this is no database" * 100)
    up = _launch(platform, other_home, "up")
    said = up.communicate(timeout=120)[1]
    assert up.returncode == 6
    assert "mlflow" in said
    assert "not a database" in said
    assert str(other_home / "logs" / "mlflow.log") in said.replace("\n", "")
    assert "Traceback" not in said
    assert load(other_home) is None
    assert _of_home(other_home) == []


def _of_home(home: Path) -> list[int]:
    """Processes that were started for a home, which nothing records any more."""
    found = psutil.process_iter(["environ", "status"])
    return [
        process.pid
        for process in found
        if (process.info["environ"] or {}).get("STRIATE_HOME") == str(home)
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_an_unknown_chip_is_met_with_the_nearest(platform: Any, other_home: Path) -> None:
    up = _launch(platform, other_home, "up", "--chip", "ana-talk")
    said = up.communicate(timeout=60)[1]
    assert up.returncode == 2
    assert "anna-talk" in said
    assert load(other_home) is None
