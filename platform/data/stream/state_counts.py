"""How often each state comes in labelled speech, counted over a split."""

from pathlib import Path

import numpy as np

from striate.core.errors import DataError
from striate.data.shards.folder import ShardFolder
from striate.data.stream.reader import SplitReader
from striate.data.transforms.audio.state_priors import StatePriors


def count_states(target: Path | str | ShardFolder, split: str, states: int) -> StatePriors:
    """Count the frame labels of a split; payloads are not looked at.

    Raises:
        DataError: a shard is missing or damaged, or the rows have no frame labels.
        UnknownName: no such split.
    """
    reader = SplitReader(target, split, None)
    if reader.manifest.columns.label.kind != "frames":
        raise DataError(f"The shards in {reader.folder.place} have no frame labels.")
    counts = np.zeros(states, np.int64)
    for index in range(len(reader.entries)):
        shard = reader.shard(index)
        for row in range(reader.shard_rows[index]):
            counts += np.bincount(np.asarray(shard.label(row)), minlength=states)
    return StatePriors(tuple(counts.tolist()))
