"""What runs beside the tests that share a platform: its output and its failure are told."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

BESIDE = Path(__file__).parents[1] / ".ci" / "beside.py"


def beside(first: str, second: str) -> "subprocess.Popen[str]":
    python = [sys.executable, "-c"]
    return subprocess.Popen(
        [sys.executable, str(BESIDE), *python, first, "--", *python, second],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "code"), [(0, 0, 0), (3, 0, 3), (0, 4, 4), (3, 4, 3), (-9, 0, 247)]
)
def test_both_are_waited_for_and_a_failure_of_either_is_one(
    first: int, second: int, code: int
) -> None:
    end = "import os, sys; print({!r}, flush=True); os.kill(os.getpid(), {}); sys.exit({})"
    ran = beside(end.format("one", -min(first, 0), first), end.format("two", 0, second))
    said, _ = ran.communicate(timeout=60)
    assert said.split()[-2:] == ["one", "two"]
    assert ran.returncode % 256 == code


def test_ctrl_c_reaches_both_and_what_they_say_then_is_shown(tmp_path: Path) -> None:
    begun = [tmp_path / "first", tmp_path / "second"]
    for one in begun:
        os.mkfifo(one)
    waits = "\n".join((
        "import signal, sys",
        "try:",
        "    open({!r}, 'w').close()",
        "    signal.pause()",
        "except KeyboardInterrupt:",
        "    print('told', flush=True)",
        "    sys.exit(5)",
    ))  # fmt: skip
    ran = beside(*(waits.format(str(one)) for one in begun))
    for one in begun:
        one.read_text()  # it is there
    os.killpg(ran.pid, signal.SIGINT)
    said, _ = ran.communicate(timeout=60)
    assert (ran.returncode, said.count("told")) == (5, 2)
