"""One driver a run: who may take a lease, when, and what it tells of a driver that went."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.core.errors import TrainingFailed, UsageError
from striate.train.run import lease
from striate.train.run.lease import EXPIRES_S, LeaseHolder, hold_lease, is_interrupted

pytestmark = pytest.mark.unit

HOLD = (
    "import sys; from pathlib import Path; from striate.train.run.lease import hold_lease\n"
    "with hold_lease(Path(sys.argv[1]), 'r'): print('held', flush=True); sys.stdin.read()\n"
)


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lease until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = start_holder(tmp_path)
    yield process
    process.kill()
    process.wait()


def age(folder: Path, seconds: float) -> None:
    """Let the last heartbeat be so old."""
    (path,) = folder.glob("lease-*.json")
    then = time.time() - seconds
    os.utime(path, (then, then))


def write_foreign(folder: Path, seconds: float, number: int = 1) -> None:
    """A lease that a process of another machine holds."""
    there = LeaseHolder(host="far", machine="another", pid=os.getpid(), started_ticks=1)
    (folder / f"lease-{number}.json").write_text(there.model_dump_json())
    age(folder, seconds)


def test_a_running_run_is_refused_by_one_sentence(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    age(tmp_path, 10 * EXPIRES_S)  # stopped, say: on this machine its process counts
    with pytest.raises(UsageError, match="4c64 is running: process") as caught:
        hold_lease(tmp_path, "4c64").__enter__()
    assert f"kill {holder.pid}" in caught.value.remedy
    assert not is_interrupted(tmp_path)


def test_a_killed_driver_is_followed_at_once(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    while not is_interrupted(tmp_path):  # a zombie until it is waited for
        time.sleep(0.01)
    with hold_lease(tmp_path, "r"):
        assert not is_interrupted(tmp_path)
    assert is_interrupted(tmp_path), "nobody drives it, whatever MLflow was told"
    assert len(list(tmp_path.iterdir())) == 1, "no lease of former drivers is left"


def test_a_process_id_that_was_given_again_is_nobody(tmp_path: Path) -> None:
    before = LeaseHolder.here().model_copy(update={"started_ticks": 1})
    (tmp_path / "lease-1.json").write_text(before.model_dump_json())
    assert is_interrupted(tmp_path)
    with hold_lease(tmp_path, "r"):
        pass


def test_one_process_drives_a_run_once(tmp_path: Path) -> None:
    with (
        hold_lease(tmp_path, "r"),
        pytest.raises(UsageError, match="is running"),
        hold_lease(tmp_path, "r"),
    ):
        pass
    with hold_lease(tmp_path, "r"):
        pass


def test_another_machine_holds_while_its_heart_beats(tmp_path: Path) -> None:
    write_foreign(tmp_path, EXPIRES_S - 20)
    with pytest.raises(UsageError, match=r"on far drives it, last seen 4\d s ago"):
        hold_lease(tmp_path, "r").__enter__()
    age(tmp_path, EXPIRES_S + 5)
    assert is_interrupted(tmp_path)
    with hold_lease(tmp_path, "r"):
        assert [path.name for path in tmp_path.iterdir()] == ["lease-2.json"]


def test_a_lease_that_is_just_being_written_is_held(tmp_path: Path) -> None:
    (tmp_path / "lease-1.json").touch()
    with pytest.raises(UsageError, match="just being taken"):
        hold_lease(tmp_path, "r").__enter__()
    age(tmp_path, EXPIRES_S + 5)
    with hold_lease(tmp_path, "r"):
        pass


def test_of_many_who_follow_a_dead_driver_one_does(tmp_path: Path) -> None:
    for number in range(1, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_foreign(folder, EXPIRES_S + 5)
        start = threading.Barrier(6)
        held: list[object] = []
        refused: list[object] = []

        def follow(
            folder: Path = folder,
            start: threading.Barrier = start,
            held: list[object] = held,
            refused: list[object] = refused,
        ) -> None:
            start.wait()
            try:
                held.append(lease._claim(folder, "r", 0.0))
            except UsageError as error:
                refused.append(error)

        threads = [threading.Thread(target=follow) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(held), len(refused)) == (1, 5)


def test_who_was_slow_to_follow_does_not_hold_beside_who_came_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is about to write the next number, others take it, give it back, and go on."""
    write_foreign(tmp_path, EXPIRES_S + 5)
    write, since = lease._write, list[lease.Lease]()

    def write_late(path: Path) -> None:
        monkeypatch.setattr(lease, "_write", write)
        with hold_lease(tmp_path, "r"):
            pass
        since.append(lease._claim(tmp_path, "r", 0.0))  # and removes the number before its own
        write(path)

    monkeypatch.setattr(lease, "_write", write_late)
    with pytest.raises(UsageError, match="is running"):
        lease._claim(tmp_path, "r", 0.0)
    assert since[0].beat(), "the one that came since still holds it"
    assert [path.name for path in tmp_path.iterdir()] == ["lease-3.json"]


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    threading.Timer(0.2, holder.stdin.close).start()
    with hold_lease(tmp_path, "r", wait_s=60.0):
        pass


def test_a_holder_learns_that_it_was_silent_for_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.01)
    told = threading.Event()
    with hold_lease(tmp_path, "r", on_lost=told.set) as mine:
        assert mine.beat()
        mine.check()
        (tmp_path / "lease-2.json").write_text(LeaseHolder.here().model_dump_json())
        assert told.wait(10.0)
        with pytest.raises(TrainingFailed, match="taken over"):
            mine.check()


def test_a_folder_that_nobody_held_tells_nothing(tmp_path: Path) -> None:
    assert not is_interrupted(tmp_path)
    assert not is_interrupted(tmp_path / "absent")
