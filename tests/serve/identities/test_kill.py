"""A process that enrols, merges, forgets and reindexes is killed at random moments, many times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).with_name("killed.py")


def _kill(url: str, folder: Path, kills: int, seed: int) -> dict[str, int]:
    """The script holds the store against what was acknowledged, after each kill."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), url, str(folder), str(kills), str(seed)],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(tmp_path: Path) -> None:
    counts = _kill(str(tmp_path / "faces.db"), tmp_path, kills=30, seed=1)
    assert all(counts.values()), counts  # each verb was acknowledged at least once


def test_nothing_acknowledged_is_lost_with_postgresql(
    tmp_path: Path, postgresql_database: str
) -> None:
    counts = _kill(postgresql_database, tmp_path, kills=15, seed=2)
    assert sum(counts.values()), counts
