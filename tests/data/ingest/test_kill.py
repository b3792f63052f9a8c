"""An ingest killed at random moments, again and again, ends as one that was left alone."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import pytest

from striate.data.ingest.ingest import ingest
from striate.data.shards.verify import verify
from striate.data.storage import Source

pytestmark = pytest.mark.unit

SHARD_MB = 0.03
KILLS = 4
INGEST = f"""
import sys
from striate.data.ingest.ingest import ingest
ingest("digits", sys.argv[1], sys.argv[2], shard_mb={SHARD_MB},
       progress=lambda done, total: print(done, flush=True))
"""


class Server(Protocol):
    """What these tests need of the S3 server."""

    def bucket(self) -> str: ...


def content(place: Path | str) -> dict[str, bytes]:
    """Every file of a folder or prefix, hidden ones too."""
    source = Source.of(place)
    return {e.path: source.read(e.path) for e in source.list("", recursive=True) if not e.is_dir}


@pytest.fixture(scope="module")
def undisturbed(digits_source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an ingest that was left alone."""
    target = tmp_path_factory.mktemp("undisturbed") / "shards"
    assert ingest("digits", digits_source, target, shard_mb=SHARD_MB).shards > 40
    return content(target)


def run_and_kill(source: Path, target: str, rows: random.Random) -> tuple[int, int]:
    """Start an ingest and kill it some time after some shard.

    Returns:
        The shards that it found finished, and those that it had finished when it was killed.
    """
    with subprocess.Popen(
        [sys.executable, "-c", INGEST, str(source), target], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = int(process.stdout.readline())
        for _ in range(rows.randint(0, 12)):
            process.stdout.readline()
        time.sleep(rows.uniform(0, 0.03))  # anywhere in the writing of a shard
        process.send_signal(signal.SIGKILL)
        last = [int(line) for line in process.stdout.read().split()]
        return found, max([found, *last])


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_killed_at_random_moments(
    where: str,
    digits_source: Path,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    target = str(tmp_path / "shards")
    if where == "bucket":
        server: Server = request.getfixturevalue("s3")
        place, _, query = server.bucket().partition("?")
        target = f"{place}/shards?{query}"
    finished = 0
    for kill in range(KILLS):
        found, done = run_and_kill(digits_source, target, random.Random(seed + kill))
        assert found >= finished, "a finished shard was lost"
        finished = done
        for name, data in content(target).items() if finished else ():
            if name.endswith(".arrow") and ".tmp-" not in name:
                assert data == undisturbed[name], "a half-written shard is seen"
    assert finished
    report = ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert report.kept >= finished
    assert content(target) == undisturbed
    assert verify(target).splits == {"train": 1437, "test": 360}
