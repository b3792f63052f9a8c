"""An index over two Ray nodes whose actors and whose node are killed while it is searched."""

import subprocess
import sys
from pathlib import Path

import pytest

from striate.serve.identities.errors import IndexBuilding, IndexUnavailable
from striate.serve.identities.model_index import IndexProgress
from striate.serve.identities.sharded_index import ShardedIndex

SCRIPT = Path(__file__).with_name("two_nodes.py")
HELD = {
    "same as one index",
    "copies apart",
    "an acknowledged face is found at once",
    "no room is said at the start",
    "one that is shared answers",
    "forgotten by every copy",
    "whole while an actor dies",
    "whole while a node dies",
    "said to be partial",
    "and right in what it has",
    "of the other share alone",
    "another model is refused",
    "no share at all is an error",
}


@pytest.mark.cluster
def test_an_answer_is_whole_or_says_that_it_is_not(tmp_path: Path) -> None:
    """In a process of its own: the session's Ray has one node."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = set((tmp_path / "held.txt").read_text().splitlines())
    assert said == {f"{what}: True" for what in HELD}, done.stderr[-3000:]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("missing", "failed", "whole", "says"),
    [
        ([1], [1], False, "5 of 9 faces"),  # of the share that is there and the one that is not
        ([1], [1], True, ""),  # as of one that died: partial
        ([0, 1], [1], True, "5 of 9 faces"),
        ([1], [], False, ""),
        ([0, 1], [], False, "No part"),
    ],
)
def test_a_share_that_is_being_built_is_no_partial_answer(
    missing: list[int], failed: list[int], whole: bool, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ShardedIndex([["a"], ["b", "c"]])
    told = [[IndexProgress(True, 4, 4)], [IndexProgress(False, 1, 5), None]]
    monkeypatch.setattr(index, "progress", lambda *limits: told)
    if whole:
        index._check([], {})
    building = {shard: IndexBuilding.of(1, 5) for shard in failed}
    if not says:
        index._check(missing, building)
        return
    with pytest.raises(IndexUnavailable, match=says):
        index._check(missing, building)
