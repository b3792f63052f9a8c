"""A process that ends while a checkpoint is written waits for it, and ends as it wanted to."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

# The main thread ends while the store is inside of `save`.
ENDS = """
import sys, threading
from pathlib import Path
from striate.train.checkpoint.async_writer import Saver
from striate.train.checkpoint.store import Checkpoint

begun = threading.Event()

class Slow:
    def save(self, checkpoint):
        begun.set()
        threading.main_thread().join()
        Path(sys.argv[1]).write_text(str(checkpoint.step))

saver = Saver(Slow(), lambda: None, lambda *_: None)
assert saver.claim()
saver.submit(Checkpoint(7, {}, {}))
begun.wait()
sys.exit(3)
"""


def test_what_is_being_written_when_the_process_ends_is_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "step"
    ended = subprocess.run([sys.executable, "-c", ENDS, str(file)], timeout=60, check=False)
    assert ended.returncode == 3
    assert file.read_text() == "7"
