"""Rows of several units: the clips of a video, the frames of an utterance."""

import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import DataError
from striate.data.pipelines.base import DamagedSample
from striate.data.stream.order import Order
from striate.data.stream.reader import SplitReader
from striate.data.stream.row_cache import PreparedRows, weight
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream, evaluation_batches

pytestmark = pytest.mark.unit

ROWS = (4, 1, 5, 2)
UNITS = (3, 1, 7, 2, 5, 40, 1, 1, 9, 2, 6, 4)
PAIRS = [(row, unit) for row, count in enumerate(UNITS) for unit in range(count)]


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory, write_shards: Any) -> Path:
    return Path(write_shards(tmp_path_factory.mktemp("units") / "shards", ROWS, units=UNITS))


@given(
    seed=st.integers(0, 2**63 - 1),
    window=st.integers(1, 100),
    worlds=st.lists(st.integers(1, 64), min_size=1, max_size=20),
    batch=st.integers(1, 30),
)
def test_every_unit_once_an_epoch_whatever_the_world(
    utterances: Path, seed: int, window: int, worlds: list[int], batch: int
) -> None:
    reader = _reader(utterances)
    total = reader.units
    seen: list[tuple[int, int]] = []
    while len(seen) < total:
        for world in worlds:
            order = Order(reader.shard_units, seed, window)
            ids = order.rows(len(seen), batch)
            whole = [(-1, -1)] * batch
            for rank in range(world):
                stored = reader.stored(ids[rank::world])
                whole[rank::world] = [(sample.row, sample.unit) for sample in stored]
            seen += whole
    assert sorted(seen[:total]) == PAIRS


_READERS: dict[Path, SplitReader] = {}


def _reader(shards: Path) -> SplitReader:
    if shards not in _READERS:
        _READERS[shards] = SplitReader(shards, "train", None)
    return _READERS[shards]


def test_the_stream_gives_each_unit_once(utterances: Path, preparing: Any) -> None:
    with Stream(utterances, StreamSpec("train", 27, seed=1, pipeline=preparing())) as stream:
        assert stream.rows_per_epoch == sum(UNITS) == 81
        batches = [next(stream) for _ in range(3)]
    seen = [
        pair
        for batch in batches
        for pair in zip(batch.rows.tolist(), batch.units.tolist(), strict=True)
    ]
    assert sorted(seen) == PAIRS
    for batch in batches:
        expected = batch.rows + batch.units / 1000
        assert torch.allclose(batch.tensors["features"], expected[:, None].expand(-1, 4))


@pytest.mark.parametrize("more", [{"threads": 0}, {"threads": 3}])
def test_resuming_gives_the_tail(utterances: Path, preparing: Any, more: dict[str, Any]) -> None:
    spec = StreamSpec("train", 10, seed=1, window=16, pipeline=preparing())
    with Stream(utterances, spec) as stream:
        whole = [next(stream) for _ in range(20)]
    spec = replace(spec, pipeline=preparing(), **more)
    with Stream(utterances, spec, cursor=120) as stream:
        for expected in whole[12:]:
            batch = next(stream)
            assert all(torch.equal(batch.tensors[k], v) for k, v in expected.tensors.items())


def test_a_row_is_prepared_once_however_many_units_it_has(utterances: Path, preparing: Any) -> None:
    pipeline = preparing()
    with Stream(utterances, StreamSpec("train", 9, seed=2, pipeline=pipeline, threads=3)) as stream:
        for _ in range(9):
            next(stream)
    assert sorted(pipeline.prepared) == list(range(12))


def test_five_clips_of_each_video(tmp_path: Path, write_shards: Any, telling: Any) -> None:
    shards = write_shards(tmp_path, (3, 5))
    with Stream(shards, StreamSpec("train", 40, seed=3, pipeline=telling(5))) as stream:
        batch = next(stream)
    assert sorted(zip(batch.rows.tolist(), batch.units.tolist(), strict=True)) == [
        (row, unit) for row in range(8) for unit in range(5)
    ]
    assert torch.equal(batch.rows, batch.tensors["numbers"])
    assert len(torch.unique(batch.images, dim=0)) == 40  # every clip drew for itself
    tested = list(evaluation_batches(shards, StreamSpec("train", 16, pipeline=telling(5))))
    assert torch.cat([batch.units for batch in tested]).tolist() == list(range(5)) * 8


def test_a_damaged_row_loses_all_its_units(
    tmp_path: Path, write_shards: Any, preparing: Any
) -> None:
    shards = write_shards(tmp_path, ROWS, units=UNITS, broken=(5,))
    with Stream(
        shards, StreamSpec("train", 27, seed=1, pipeline=preparing(), max_damaged=1, threads=2)
    ) as stream:
        seen = [next(stream) for _ in range(3)]
        assert list(stream.damaged) == ["sample-5"]
    pairs = {
        pair
        for batch in seen
        for pair in zip(batch.rows.tolist(), batch.units.tolist(), strict=True)
    }
    assert pairs == {pair for pair in PAIRS if pair[0] != 5}


def test_shards_without_units_are_refused(
    tmp_path: Path, write_shards: Any, preparing: Any
) -> None:
    with pytest.raises(DataError, match="no column of units"):
        Stream(write_shards(tmp_path, (3,)), StreamSpec("train", 1, seed=0, pipeline=preparing()))


def test_prepared_rows_stay_within_their_memory() -> None:
    cache = PreparedRows(limit_bytes=10_000)
    for row in [*range(50), *range(45, 50)]:
        assert cache.get(row, partial(np.full, 250, row))[0] == row  # 2,000 bytes each
        assert cache.bytes <= 10_000
    assert cache.made == 50
    cache.get(0, lambda: np.zeros(250))
    assert cache.made == 51
    assert weight((np.zeros(3), torch.zeros(2))) == 32


def test_two_threads_prepare_a_row_once_and_share_its_failure() -> None:
    cache, calls, together = PreparedRows(), [], threading.Barrier(4)

    def fail() -> None:
        calls.append(1)
        time.sleep(0.01)
        raise DamagedSample("utterance", "cut short")

    failures = []

    def ask() -> None:
        together.wait()
        try:
            cache.get(7, fail)
        except DamagedSample as error:
            failures.append(error.reason)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), failures) == (1, ["cut short"] * 4)
