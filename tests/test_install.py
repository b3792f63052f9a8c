"""What `make setup` shows of pip: a few lines of what it does, and its own words when it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from striate.core.wheel import write_wheel

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.unit


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    metadata = "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n\n"
    return write_wheel(tmp_path, "pebble", "1.0", "01", {"pebble.py": b""}, metadata)


def _install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "install.py"), "pebbles", "--no-index", *arguments],
        capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_each_stage_is_a_line_where_no_terminal_is(wheel: Path, tmp_path: Path) -> None:
    done = _install("--no-deps", "--target", str(tmp_path / "site"), str(wheel))
    assert done.returncode == 0
    assert (tmp_path / "site" / "pebble.py").is_file()
    said = [line.rpartition(" (")[0] or line for line in done.stdout.splitlines()]
    assert said[0] == "Installing pebbles …"
    assert said[-2:] == ["  installing 1 package", "  installed 1 package"]
    assert len(said) <= 4
    assert done.stderr == ""


def test_what_pip_says_is_shown_when_it_fails() -> None:
    done = _install("no-such-pebble")
    assert done.returncode != 0
    assert "pip failed" in done.stdout
    assert "No matching distribution found for no-such-pebble" in done.stderr
