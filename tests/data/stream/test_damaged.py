"""Damaged samples: named, counted, and stood in for, the same by everyone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.arrays import Integers
from striate.core.errors import DataError
from striate.data.pipelines.base import Places
from striate.data.stream.decoding import Damage, Decoded, decode_whole, places_at
from striate.data.stream.order import Order
from striate.data.stream.spec import ALONE, Share, StreamSpec
from striate.data.stream.stream import Batch, Stream, evaluation_batches

pytestmark = pytest.mark.unit

ROWS = (30, 25, 40)
BROKEN = (3, 31, 32, 33, 90)


class InMemory:
    """A decoder of ids that are their own rows, some of them damaged."""

    def __init__(self, damaged: set[int]) -> None:
        self.damaged = damaged

    def decode(self, ids: Integers, places: Places) -> Decoded:
        bad = [index for index, row in enumerate(ids.tolist()) if row in self.damaged]
        good = np.delete(ids, bad)
        drawn = np.delete(places.positions, bad)
        tensors = {"rows": torch.from_numpy(good), "drawn": torch.from_numpy(drawn)}
        found = tuple(Damage(int(ids[index]), f"s{ids[index]}", "broken") for index in bad)
        return Decoded(tensors if len(good) else {}, found, tuple(bad))

    def close(self) -> None:
        return


def seen_by(order: Order, damaged: set[int], cursor: int, batch: int, world: int) -> list[int]:
    """A global batch's rows, made by `world` ranks and put together again."""
    whole = np.empty(batch, np.int64)
    for rank in range(min(world, batch)):
        mine = slice(rank, None, world)
        epochs, positions = order.positions(cursor, batch)
        cursors = np.arange(cursor, cursor + batch)[mine]
        ids, places = order.rows(cursor, batch)[mine], Places(order.seed, epochs, positions)
        made = decode_whole(InMemory(damaged), order, cursors, ids, places_at(places, mine), 99)
        whole[mine] = made.tensors["rows"].numpy()
        assert made.tensors["drawn"].numpy().tolist() == positions[mine].tolist()
    return [int(row) for row in whole]


@given(
    shards=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(lambda s: sum(s) > 3),
    seed=st.integers(0, 2**63 - 1),
    worlds=st.lists(st.integers(1, 64), min_size=4, max_size=12),
    batch=st.integers(1, 40),
    data=st.data(),
)
def test_every_good_sample_once_and_the_same_stand_ins_whatever_the_world(
    shards: list[int], seed: int, worlds: list[int], batch: int, data: st.DataObject
) -> None:
    total = sum(shards)
    damaged = data.draw(st.sets(st.integers(0, total - 1), max_size=total - 2))
    order = Order(shards, seed, window=7)
    seen: list[int] = []
    for world in worlds:  # every step another world, each after a restart
        seen += seen_by(Order(shards, seed, window=7), damaged, len(seen), batch, world)
    undisturbed = order.rows(0, len(seen)).tolist()
    for cursor, row in enumerate(undisturbed):
        if row not in damaged:
            assert seen[cursor] == row
        else:
            following = (one for one in order.successors(cursor) if one not in damaged)
            assert seen[cursor] == next(following)


def run(
    shards: Path, pipeline: Any, count: int, share: Share = ALONE, cursor: int = 0, **more: Any
) -> list[Batch]:
    arguments = {"batch_size": 20, "seed": 4, "max_damaged": 9, "window": 50} | more
    spec = StreamSpec("train", pipeline=pipeline, **arguments)
    with Stream(shards, spec, share, cursor=cursor) as stream:
        return [next(stream) for _ in range(count)]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, write_shards: Any) -> Path:
    return Path(write_shards(tmp_path_factory.mktemp("damaged") / "shards", ROWS, broken=BROKEN))


def test_they_are_named_and_counted_and_nobody_sees_them(damaged: Path, telling: Any) -> None:
    with Stream(
        damaged, StreamSpec("train", 19, seed=0, pipeline=telling(), max_damaged=5, threads=2)
    ) as stream:
        seen = torch.cat([next(stream).rows for _ in range(5)]).tolist()
        assert stream.damaged == {f"sample-{row}": "the picture is broken" for row in BROKEN}
    assert len(seen) == 95
    assert set(seen) == set(range(95)) - set(BROKEN)


@pytest.mark.parametrize(("threads", "world"), [(0, 1), (3, 1), (1, 3), (1, 20)])
def test_threads_and_worlds_and_restarts_change_nothing(
    damaged: Path, telling: Any, threads: int, world: int
) -> None:
    alone = run(damaged, telling(), 8)
    for rank in range(world):
        parts = run(damaged, telling(), 4, Share(rank, world), 80, threads=threads)
        for whole, part in zip(alone[4:], parts, strict=True):
            for name, tensor in part.tensors.items():
                assert torch.equal(tensor, whole.tensors[name][rank::world]), name


def test_a_stand_in_is_distorted_as_its_place_says(damaged: Path, telling: Any) -> None:
    """So the two copies of a sample in a batch are two different pictures."""
    batches = run(damaged, telling(), 5)
    pictures = torch.cat([batch.images for batch in batches])
    assert len(torch.unique(pictures, dim=0)) == len(pictures)


def test_beyond_the_limit_there_is_one_clear_error(damaged: Path, telling: Any) -> None:
    with pytest.raises(DataError, match=r"sample-\d+ and 4 more cannot be used") as caught:
        run(damaged, telling(), 20, max_damaged=4)
    assert "data.max_damaged" in caught.value.remedy
    with pytest.raises(DataError, match=r"The sample sample-\d+ cannot be used: the picture is"):
        run(damaged, telling(), 5, max_damaged=0)


def test_when_nothing_is_good_it_ends(tmp_path: Path, write_shards: Any, telling: Any) -> None:
    shards = write_shards(tmp_path, (6,), broken=range(6))
    with pytest.raises(DataError, match="cannot be used"):
        run(shards, telling(), 1, batch_size=2, max_damaged=5)


@pytest.mark.parametrize(("world", "threads"), [(1, 0), (1, 2), (3, 2)])
def test_evaluation_leaves_them_out(damaged: Path, telling: Any, world: int, threads: int) -> None:
    seen, named = [], set()
    for rank in range(world):
        for batch in evaluation_batches(
            damaged,
            StreamSpec("train", 16, pipeline=telling(), threads=threads, max_damaged=5),
            Share(rank, world),
        ):
            assert len(batch.labels) == len(batch.rows)
            assert torch.equal(batch.labels, batch.rows % 10)
            seen += batch.rows.tolist()
            named |= {one.key for one in batch.damaged}
    assert sorted(seen) == sorted(set(range(95)) - set(BROKEN))
    assert named == {f"sample-{row}" for row in BROKEN}
