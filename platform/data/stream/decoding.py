"""Decoding: samples of the order to tensors, here or on another node, damaged ones named.

A `Decoder` knows nothing of batches, ranks or cursors. `decode_whole` puts others in the place of
damaged samples, and it is here alone that this is decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.pipelines.base import DamagedSample, Pipeline, Places, Preparing, Stored
from striate.data.pipelines.companions import NeedsCompanions
from striate.data.pipelines.raw import RawImages
from striate.data.stream.order import Order
from striate.data.stream.reader import SplitReader
from striate.data.stream.row_cache import PreparedRows


@dataclass(frozen=True)
class Damage:
    """A sample that could not be used: its row, its name, and why."""

    row: int
    key: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """What came of some samples.

    Attributes:
        tensors: name → tensor with one entry for each sample that is not missing, in order: what
            the pipeline gives, and ``rows`` and ``units``, which say whose; empty when all are
            missing.
        damaged: what was met and cannot be used.
        missing: which samples have no entry, counted from the first of the call.
    """

    tensors: dict[str, Tensor]
    damaged: tuple[Damage, ...] = ()
    missing: tuple[int, ...] = ()


class Decoder(Protocol):
    """Makes tensors of samples; safe to call from several threads."""

    def decode(self, ids: Integers, places: Places) -> Decoded:
        """Decode (n,) ids of the order, which stand at (n,) `places`.

        Raises:
            DataError: a shard is missing or damaged.
        """

    def close(self) -> None:
        """Let go of what it holds."""


class LocalDecoder:
    """Decodes in the thread that calls it.

    Args:
        reader: where samples lie.
        pipeline: what makes tensors of them.
    """

    def __init__(self, reader: SplitReader, pipeline: Pipeline) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._prepared = PreparedRows()

    def decode(self, ids: Integers, places: Places) -> Decoded:
        if isinstance(self._pipeline, RawImages):
            tensors = self._pipeline.of_arrays(*self._reader.take(ids), places)
            return Decoded({**tensors, "rows": torch.from_numpy(ids)})
        stored = self._accompanied(ids, self._reader.stored(ids), places)
        try:
            return Decoded(self._tensors(stored, places))
        except DamagedSample:
            return self._one_by_one(stored, places)

    def close(self) -> None:
        return

    def _tensors(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        tensors = self._pipeline(self._ready(stored), places)
        rows = torch.tensor([sample.row for sample in stored])
        return {**tensors, "rows": rows, "units": torch.tensor([one.unit for one in stored])}

    def _one_by_one(self, stored: Sequence[Stored], places: Places) -> Decoded:
        good: list[dict[str, Tensor]] = []
        damaged, missing = [], []
        for index, sample in enumerate(stored):
            try:
                place = places_at(places, slice(index, index + 1))
                good.append(self._tensors([sample], place))
            except DamagedSample as error:
                missing.append(index)
                damaged.append(Damage(sample.row, error.key or sample.key, error.reason))
        tensors = {name: torch.cat([one[name] for one in good]) for name in good[0]} if good else {}
        return Decoded(tensors, tuple(damaged), tuple(missing))

    def _accompanied(self, ids: Integers, stored: list[Stored], places: Places) -> Sequence[Stored]:
        """The samples with the other rows that they need, where the pipeline wants such."""
        if not isinstance(self._pipeline, NeedsCompanions):
            return stored
        chosen = self._pipeline.choose_companions(ids, places, self._reader.label_index)
        others = self._reader.stored(chosen.reshape(-1))
        each = chosen.shape[1]
        return [
            replace(one, companions=tuple(others[at * each : (at + 1) * each]))
            for at, one in enumerate(stored)
        ]

    def _ready(self, stored: Sequence[Stored]) -> Sequence[Stored]:
        """The samples with their rows prepared, where the pipeline wants that."""
        pipeline = self._pipeline
        if not isinstance(pipeline, Preparing):
            return stored

        def ready(one: Stored) -> Stored:
            made = self._prepared.get(one.row, partial(pipeline.prepare, one))
            return one.with_prepared(made, tuple(ready(other) for other in one.companions))

        return [ready(sample) for sample in stored]


def decode_whole(
    decoder: Decoder, order: Order, cursors: Integers, ids: Integers, places: Places, limit: int
) -> Decoded:
    """Decode samples, and put the next good ones of the order in the place of damaged ones.

    Which sample stands in depends on the order and on what is damaged, not on how batches are cut,
    who asks, or when. It is distorted as its new place says.

    Args:
        decoder: makes the tensors.
        order: where stand-ins come from.
        cursors: (n,) cursor of each sample.
        ids: (n,) its id.
        places: where each stands.
        limit: damaged rows after which to give up.

    Raises:
        DataError: more rows than `limit` are damaged, or a shard is.
    """
    decoded = decoder.decode(ids, places)
    if not decoded.missing:
        return decoded
    met = {damage.row: damage for damage in decoded.damaged}
    check_damage(met, limit)
    found = []
    for index in decoded.missing:
        place = places_at(places, slice(index, index + 1))
        successors = order.successors(int(cursors[index]))
        found.append(_stand_in(decoder, successors, place, met, limit))
    return Decoded(_merged(len(ids), decoded, found), tuple(met.values()))


def check_damage(met: dict[int, Damage], limit: int) -> None:
    """Give up when too much is damaged.

    Raises:
        DataError: it holds more rows than `limit`; the message names the latest.
    """
    if len(met) <= limit:
        return
    last = list(met.values())[-1]
    others = f" and {len(met) - 1} more" if len(met) > 1 else ""
    raise DataError(
        f"The sample {last.key or last.row}{others} cannot be used: {last.reason}.",
        f"The recipe's limit is {limit}: mend the corpus, or raise data.max_damaged.",
    )


def places_at(places: Places, chosen: slice) -> Places:
    """Some of the places."""
    return Places(places.seed, places.epochs[chosen], places.positions[chosen])


def _stand_in(
    decoder: Decoder, successors: Iterator[int], place: Places, met: dict[int, Damage], limit: int
) -> dict[str, Tensor]:
    """The first good one of the successors, decoded; damaged ones are added to `met`."""
    while True:
        chosen = next(successors)
        decoded = decoder.decode(np.array([chosen], np.int64), place)
        if not decoded.missing:
            return decoded.tensors
        met.update((damage.row, damage) for damage in decoded.damaged)
        check_damage(met, limit)


def _merged(size: int, good: Decoded, found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The good samples' tensors and the stand-ins' in one, each at its index."""
    bad = list(good.missing)
    there = np.delete(np.arange(size), bad)
    merged = {}
    for name, first in found[0].items():
        whole = first.new_empty((size, *first.shape[1:]))
        if good.tensors:
            whole[there] = good.tensors[name]
        whole[bad] = torch.cat([one[name] for one in found])
        merged[name] = whole
    return merged
