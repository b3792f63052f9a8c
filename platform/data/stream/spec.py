"""What a stream of batches is, and which share of each batch one process has: two values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from striate.core.errors import UsageError
from striate.data.pipelines.base import Pipeline


@dataclass(frozen=True)
class Share:
    """One process's share of every global batch: the positions rank, rank + world_size, … of it.

    Sizes may so differ by one between ranks.

    Attributes:
        rank: of this process, from 0.
        world_size: number of processes.

    Raises:
        UsageError: a rank outside the world.
    """

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise UsageError(
                f"There is no rank {self.rank} in a world of {self.world_size}.",
                "Ranks count from 0.",
            )

    @property
    def positions(self) -> slice:
        """The share's positions in anything that is shared."""
        return slice(self.rank, None, self.world_size)

    def size(self, whole: int) -> int:
        """How many of so many positions the share has."""
        return len(range(whole)[self.positions])


ALONE = Share()
"""The share of the only process: all of it."""


@dataclass(frozen=True)
class StreamSpec:
    """What batches of a split are made of and how; not which process makes which share.

    An evaluation goes through the split once and in order: `seed`, `augment`, `window`,
    `prefetch`, `decode` and `decoders` are for training.

    Attributes:
        split: name of the split.
        batch_size: samples in a global batch.
        seed: seed of the order and of the augmentation.
        augment: name in `AUGMENTATIONS`, or None; for raw images without a `pipeline`.
        preprocessing: the model's steps; see `striate.data.transforms.image.preprocess`; likewise.
        pipeline: what makes tensors of samples; see `striate.data.pipelines.registry`.
        threads: worker threads; with 0 batches are made when they are asked for.
        prefetch: batches made ahead; of raw images, by each thread.
        window: units shuffled among each other; see `Order`. None: `default_window`.
        max_damaged: damaged rows that one process gets over.
        decode: ``local``, or ``remote``: on other nodes of the cluster, see
            `striate.data.stream.remote_decoders`; threads then only wait.
        decoders: processes that decode remotely for one process.

    Raises:
        UsageError: a batch below 1.
    """

    split: str
    batch_size: int
    seed: int = 0
    augment: str | None = None
    preprocessing: Sequence[Mapping[str, Any]] = ()
    pipeline: Pipeline | None = None
    threads: int = 1
    prefetch: int = 2
    window: int | None = None
    max_damaged: int = 0
    decode: Literal["local", "remote"] = "local"
    decoders: int = 2

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(
                f"A batch of {self.batch_size} samples cannot be made.", "Give at least 1."
            )
