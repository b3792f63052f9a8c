"""`down` finds everything that came of a platform, and nothing else. With plain processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from striate.core.errors import PlatformError
from striate.local import processes
from striate.local.platform import down
from striate.local.state import PlatformProcess, PlatformState, load, save

pytestmark = pytest.mark.unit

STATE = PlatformState(id="test-mark")
# A leader whose child outlives it: the child's parent is then process 1.
ORPHANING = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
# The same, and the child leaves the session too.
ESCAPING = ORPHANING.replace("'60'])", "'60'], start_new_session=True)")
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(0, flush=True); time.sleep(60)"
)


class Launcher:
    """Starts parts whose program is a line of Python, and ends what a failed test left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[int] = []

    def __call__(self, code: str, name: str = "ray", mark: str = STATE.id) -> PlatformProcess:
        environment = {**os.environ, processes.MARK: mark}
        log = self.folder / f"{name}.log"
        part = processes.start(name, [sys.executable, "-c", code], environment, log)
        self.started.append(part.pid)
        return part

    def printed_pid(self, part: PlatformProcess) -> int:
        """The process id that a part prints first."""
        wait_until(lambda: Path(part.log).read_text().endswith("\n"))
        pid = int(Path(part.log).read_text().split()[0])
        self.started.append(pid)
        return pid


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    for pid in filter(None, launcher.started):
        if gone(pid):
            continue
        os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], deadline_s: float = 20) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


SLEEP = "import time; time.sleep(60)"


def test_a_part_is_known_by_id_and_creation_time(launch: Launcher) -> None:
    part = launch(SLEEP)
    assert processes.is_alive(part)
    assert not processes.is_alive(part.model_copy(update={"created_s": part.created_s - 60}))
    processes.end(STATE.with_part(part), [part])
    assert not processes.is_alive(part)


def test_a_process_id_given_to_another_is_left_alone(launch: Launcher, tmp_path: Path) -> None:
    stranger = launch(SLEEP, mark="somebody-else")
    recorded = stranger.model_copy(update={"created_s": stranger.created_s - 3600})
    save(tmp_path, STATE.with_part(recorded))
    assert down(tmp_path) == []
    assert processes.is_alive(stranger)
    assert load(tmp_path) is None


@pytest.mark.parametrize("code", [ORPHANING, ESCAPING], ids=["re-parented", "own session"])
def test_a_child_that_lost_its_parent_is_ended(launch: Launcher, code: str) -> None:
    part = launch(code)
    child = launch.printed_pid(part)
    wait_until(lambda: gone(part.pid))
    assert not gone(child)
    processes.end(STATE.with_part(part), [part])
    assert gone(child)


def test_what_ignores_the_request_is_made_to_end(
    launch: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE_S", 0.1)
    monkeypatch.setattr(processes, "_TERM_S", 0.1)
    part = launch(STUBBORN)
    launch.printed_pid(part)
    processes.end(STATE.with_part(part), [part])
    assert gone(part.pid)


def test_ending_one_part_spares_the_others(launch: Launcher) -> None:
    one, other = launch(SLEEP, "mlflow"), launch(SLEEP, "edge")
    state = STATE.with_part(one).with_part(other)
    processes.end(state, [one])
    assert not processes.is_alive(one)
    assert processes.is_alive(other)


def test_another_platform_is_spared(launch: Launcher) -> None:
    ours, theirs = launch(SLEEP), launch(SLEEP, "mlflow", mark="another-mark")
    ended = processes.end(STATE.with_part(ours), [ours])
    assert [process.pid for process in ended] == [ours.pid]
    assert processes.is_alive(theirs)


def test_a_process_that_was_never_recorded_is_found_by_its_mark(
    launch: Launcher, tmp_path: Path
) -> None:
    recorded, stray = launch(SLEEP), launch(SLEEP, "mlflow")
    processes.end_strays(STATE.with_part(recorded))
    assert gone(stray.pid)
    assert processes.is_alive(recorded)
    again = launch(SLEEP, "mlflow")
    save(tmp_path, STATE)
    assert len(down(tmp_path)) == 1
    assert gone(recorded.pid)
    assert gone(again.pid)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "platform.json").write_text("{}")
    with pytest.raises(PlatformError, match=r"platform\.json is damaged"):
        down(tmp_path)


def test_nothing_up_is_nothing_to_end(tmp_path: Path) -> None:
    assert down(tmp_path) == []
    assert down(tmp_path / "never") == []
    assert not (tmp_path / "never").exists()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="no-such-program"):
        processes.start("ray", ["no-such-program"], {}, tmp_path / "log")


def test_two_at_a_time_exclude_each_other(tmp_path: Path) -> None:
    from striate.local.state import exclusive

    hold = (
        "import sys; from pathlib import Path; from striate.local.state import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(PlatformError, match="Another"), exclusive(tmp_path, wait_s=0.2):
        pass
    holder.communicate()
    with exclusive(tmp_path, wait_s=5):
        pass
