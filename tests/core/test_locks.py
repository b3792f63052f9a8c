"""File locks: alone or shared, at once or within a time, and free when their holder ends."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from striate.core.locks import hold_lock, lock, try_lock

pytestmark = pytest.mark.unit

_HOLDER = """
import sys
from pathlib import Path
from striate.core.locks import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _other_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("first", "second", "granted"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_only_shared_locks_go_together(
    tmp_path: Path, first: bool, second: bool, granted: bool
) -> None:
    path = tmp_path / "it"
    path.touch()
    with path.open("rb") as one, path.open("rb") as other:
        assert try_lock(one, shared=first)
        assert try_lock(other, shared=second) is granted
    with path.open("rb") as later:
        assert try_lock(later)


def test_a_descriptor_can_be_locked(tmp_path: Path) -> None:
    with (tmp_path / "it").open("wb") as one, (tmp_path / "it").open("rb") as other:
        assert try_lock(one.fileno())
        assert not try_lock(other.fileno())


def test_who_waits_gets_it_when_the_holder_ends_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "it"
    held = threading.Event()

    def wait_for_it() -> None:
        with hold_lock(path):
            held.set()

    with _other_process(path) as holder:
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not held.wait(0.1)
        holder.kill()
        assert held.wait(20)
        waiting.join()


def test_patience_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "it"
    with hold_lock(path):
        for within_s in (0.0, 0.15):
            began = time.monotonic()
            with pytest.raises(TimeoutError), hold_lock(path, within_s=within_s):
                pytest.fail("held twice")
            assert within_s <= time.monotonic() - began < within_s + 5


def test_patience_is_rewarded(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.touch()
    with path.open("rb") as mine, path.open("rb") as theirs:
        lock(theirs)
        freeing = threading.Timer(0.15, theirs.close)
        freeing.start()
        lock(mine, within_s=20)
        assert theirs.closed
        freeing.join()


def test_the_file_stays_and_so_does_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("content")
    with hold_lock(path):
        pass
    assert path.read_text() == "content"


def test_nobody_else_locks_files() -> None:
    root = Path(__file__).resolve().parents[2]
    locking = [
        path.name
        for path in (root / "platform").rglob("*.py")
        if "flock(" in path.read_text(encoding="utf-8")
    ]
    assert locking == ["locks.py"]
