"""Which items of a corpus go into which shard: a function of the source alone."""

import hashlib
import itertools

import numpy as np
from pydantic import BaseModel, ConfigDict

from striate.data.shards.manifest import FORMAT_VERSION, Columns
from striate.data.shards.schema import OpenCorpus

_MEGABYTE = 1_000_000


class ShardPlan(BaseModel):
    """The items ``start`` to ``stop`` of a split, which become the shard `file`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    split: str
    start: int
    stop: int


def plan_shards(opened: OpenCorpus, shard_mb: float) -> list[ShardPlan]:
    """Cut each split into shards of about `shard_mb` megabytes: a function of the source alone."""
    plan = []
    for split, sizes in opened.item_bytes.items():
        starts = np.cumsum(sizes) - sizes
        shard_of = (starts // max(1, round(shard_mb * _MEGABYTE))).astype(np.int64)
        cuts = [0, *(np.flatnonzero(np.diff(shard_of)) + 1).tolist(), len(sizes)]
        for index, (start, stop) in enumerate(itertools.pairwise(cuts)):
            file = f"{split}-{index:05d}.arrow"
            plan.append(ShardPlan(file=file, split=split, start=start, stop=stop))
    return plan


def plan_sha256(
    corpus: str, source_sha256: str, columns: Columns, labels: tuple[str, ...], shard_mb: float
) -> str:
    """What makes two ingests the same: only then may one go on where the other stopped."""
    parts = (FORMAT_VERSION, corpus, source_sha256, columns.model_dump_json(), labels, shard_mb)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
