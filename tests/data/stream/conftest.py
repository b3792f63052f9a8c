"""Shards whose samples say who they are, and a pipeline that reads it out of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.shards.manifest import MANIFEST_FILE, Columns, Manifest
from striate.data.shards.schema import (
    LabelColumn,
    PayloadColumn,
    Sample,
)
from striate.data.shards.shard import write_shard
from striate.data.storage import Target
from striate.data.transforms.random import uniforms

BROKEN = b"\xff" * 8
CLASSES = 10

WriteShards = Callable[..., Path]


@dataclass(frozen=True)
class Telling:
    """Tensors that say which sample they were made of, and what it drew.

    Attributes:
        units_per_row: as a pipeline has it.
        threads: names of the threads that it was called from, for a test to look at.
    """

    units_per_row: int | None = 1
    threads: set[str] = field(default_factory=set)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        numbers = [number_of(sample) for sample in stored]
        draws = uniforms(places.seed, places.epochs, places.positions, 3).T
        labels = torch.tensor([int(np.asarray(sample.label)) for sample in stored])
        return {
            "images": torch.from_numpy(draws.astype(np.float32)),
            "numbers": torch.tensor(numbers, dtype=torch.int64),
            "labels": labels,
        }


@dataclass(frozen=True)
class Preparing:
    """The same for rows that are decoded once and cut into many units."""

    units_per_row: int | None = None
    prepared: list[int] = field(default_factory=list)

    def prepare(self, stored: Stored) -> Tensor:
        self.prepared.append(stored.row)
        return torch.full((4,), number_of(stored))

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        features = torch.stack([sample.prepared + sample.unit / 1000 for sample in stored])
        return {"features": features, "labels": torch.zeros(len(stored), dtype=torch.int64)}


def number_of(stored: Stored) -> int:
    if bytes(stored.payload[:8]) == BROKEN:
        raise DamagedSample(stored.key, "the picture is broken")
    return int.from_bytes(stored.payload[:8], "little")


@pytest.fixture(scope="session")
def telling() -> type[Telling]:
    return Telling


@pytest.fixture(scope="session")
def preparing() -> type[Preparing]:
    return Preparing


@pytest.fixture(scope="session")
def write_shards() -> WriteShards:
    """Write ``train`` shards: `rows` of each, `broken` rows damaged, `units` of each row."""

    def write(
        folder: Path,
        rows: Sequence[int],
        *,
        broken: Sequence[int] = (),
        units: Sequence[int] | None = None,
        size: int = 8,
    ) -> Path:
        columns = Columns(
            payload=PayloadColumn(kind="image"),
            label=LabelColumn(),
            fields={} if units is None else {"units": "int32"},
        )
        entries, first = [], 0
        for index, count in enumerate(rows):
            samples = [
                Sample(
                    item=row,
                    payload=(BROKEN if row in broken else row.to_bytes(8, "little")).ljust(size),
                    label=row % CLASSES,
                    key=f"sample-{row}",
                    fields={} if units is None else {"units": units[row]},
                )
                for row in range(first, first + count)
            ]
            file = f"train-{index:05d}.arrow"
            target = Target.of(folder)
            entries.append(write_shard(target, file, "train", columns, CLASSES, samples))
            first += count
        manifest = Manifest(
            corpus="telling",
            columns=columns,
            splits={"train": first},
            labels=tuple("0123456789"),
            shards=tuple(entries),
            source_sha256="0" * 64,
            shard_mb=1.0,
        )
        (folder / MANIFEST_FILE).write_text(manifest.to_json())
        return folder

    return write
