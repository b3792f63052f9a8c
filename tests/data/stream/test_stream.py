"""The stream: one sequence of global batches, whoever reads it, from wherever."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError, UnknownName, UsageError
from striate.data.shards.manifest import Manifest
from striate.data.stream.batch_threads import Workers
from striate.data.stream.decoding import Decoded
from striate.data.stream.spec import Share, StreamSpec
from striate.data.stream.stream import Batch, Stream, evaluation_batches

pytestmark = pytest.mark.unit

STEPS = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


def batches(
    shards: Path, count: int, *, rank: int = 0, world: int = 1, cursor: int = 0, **more: Any
) -> list[Batch]:
    spec = StreamSpec("train", 100, seed=5, augment="affine", preprocessing=STEPS, **more)
    with Stream(shards, spec, Share(rank, world), cursor=cursor) as stream:
        return [next(stream) for _ in range(count)]


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.labels, other.labels)
        and torch.equal(one.rows, other.rows)
        and (one.cursor, one.epoch) == (other.cursor, other.epoch)
    )


def test_a_batch_is_what_a_model_takes(many_shards: Path) -> None:
    batch = batches(many_shards, 1)[0]
    assert batch.images.shape == (100, 1, 32, 32)
    assert (batch.images.dtype, batch.labels.dtype) == (torch.float32, torch.int64)
    assert batch.images.min().item() == pytest.approx(-0.1)
    assert 1.0 < batch.images.max().item() <= 1.1751
    assert (batch.cursor, batch.epoch, batch.global_size) == (100, 0, 100)


@pytest.mark.parametrize("world", [2, 3, 7])
def test_any_world_sees_the_same_global_batches(many_shards: Path, world: int) -> None:
    """20 batches of 100 cross the end of the epoch at 1,437; every pixel is compared."""
    alone = batches(many_shards, 20)
    ranks = [batches(many_shards, 20, rank=rank, world=world) for rank in range(world)]
    for step, whole in enumerate(alone):
        for rank in range(world):
            part = ranks[rank][step]
            assert torch.equal(part.images, whole.images[rank::world])
            assert torch.equal(part.labels, whole.labels[rank::world])
            assert torch.equal(part.rows, whole.rows[rank::world])
            assert part.cursor == whole.cursor


@pytest.mark.parametrize("more", [{"threads": 0}, {"threads": 3}, {"threads": 1, "prefetch": 5}])
def test_threads_change_nothing(many_shards: Path, more: dict[str, int]) -> None:
    for one, other in zip(batches(many_shards, 8), batches(many_shards, 8, **more), strict=True):
        assert same(one, other)


def test_resuming_gives_the_tail(many_shards: Path) -> None:
    whole = batches(many_shards, 20)
    tail = batches(many_shards, 5, cursor=whole[14].cursor)
    assert all(same(one, other) for one, other in zip(whole[15:], tail, strict=True))


def test_an_epoch_holds_every_row_once_with_its_label(many_shards: Path) -> None:
    seen = torch.cat([batch.rows for batch in batches(many_shards, 15)])[:1437]
    assert sorted(seen.tolist()) == list(range(1437))
    labels = torch.cat(
        [b.labels for b in evaluation_batches(many_shards, StreamSpec("train", 512))]
    )
    for batch in batches(many_shards, 3):
        assert torch.equal(labels[batch.rows], batch.labels)


def test_the_next_epoch_is_distorted_in_another_way(many_shards: Path) -> None:
    pictures: dict[int, list[torch.Tensor]] = {}
    for batch in batches(many_shards, 29):
        for row, image in zip(batch.rows.tolist(), batch.images, strict=True):
            pictures.setdefault(row, []).append(image)
    twice = [two for two in pictures.values() if len(two) >= 2]
    assert len(twice) > 1400
    assert not any(torch.equal(two[0], two[1]) for two in twice)


def test_the_cursor_is_that_of_the_last_batch_taken(many_shards: Path) -> None:
    with Stream(many_shards, StreamSpec("train", 10, seed=0, prefetch=4), cursor=30) as stream:
        assert stream.cursor == 30
        assert next(stream).cursor == stream.cursor == 40
        assert stream.wait_s > 0


def test_an_error_in_a_thread_reaches_the_consumer_and_threads_end(
    many_shards: Path, tmp_path: Path
) -> None:
    before = threading.active_count()
    for entry in Manifest.load(many_shards).shards:
        content = (many_shards / entry.file).read_bytes()
        (tmp_path / entry.file).write_bytes(content[:-1] + b"!")
    (tmp_path / "manifest.json").write_bytes((many_shards / "manifest.json").read_bytes())
    stream = Stream(tmp_path, StreamSpec("train", 10, seed=0, threads=2))
    assert threading.active_count() == before + 2
    with pytest.raises(DataError, match="damaged"):
        next(stream)
    stream.close()
    assert threading.active_count() == before


def test_the_training_keeps_its_own_threads(many_shards: Path) -> None:
    before = torch.get_num_threads()
    inherited: list[int] = []
    try:
        torch.set_num_threads(2)
        with Stream(many_shards, StreamSpec("train", 10, seed=0, threads=2)) as stream:
            next(stream)
            other = threading.Thread(target=lambda: inherited.append(torch.get_num_threads()))
            other.start()
            other.join()
            assert torch.get_num_threads() == 2
        assert inherited == [2]
    finally:
        torch.set_num_threads(before)


def test_each_worker_thread_does_arithmetic_alone() -> None:
    """However often it is asked: torch gives a thread the process's number on its first use."""
    before = torch.get_num_threads()
    workers = Workers(2)
    try:
        torch.set_num_threads(2)
        seen: list[int] = []

        def work(part: slice) -> Decoded:
            torch.ones(100_000).sum()
            seen.append(torch.get_num_threads())
            return Decoded({"images": torch.zeros(1)})

        for _ in range(4):
            workers.begin(2, [slice(0, 1), slice(1, 2)], work).result()
        assert seen == [1] * 8
    finally:
        workers.close()
        torch.set_num_threads(before)


@pytest.mark.parametrize("world", [1, 2, 5, 64])
def test_evaluation_sees_every_row_exactly_once(many_shards: Path, world: int) -> None:
    seen = np.concatenate(
        [
            batch.rows.numpy()
            for rank in range(world)
            for batch in evaluation_batches(
                many_shards, StreamSpec("test", 61, preprocessing=STEPS), Share(rank, world)
            )
        ]
    )
    assert sorted(seen.tolist()) == list(range(360))
    first = next(evaluation_batches(many_shards, StreamSpec("test", 61, preprocessing=STEPS)))
    assert first.rows.tolist() == list(range(61))
    assert first.images.shape == (61, 1, 32, 32)


def test_what_cannot_be_streamed_is_said_at_once(many_shards: Path) -> None:
    with pytest.raises(UnknownName, match="affine"):
        Stream(many_shards, StreamSpec("train", 1, seed=0, augment="afine"))
    with pytest.raises(UnknownName, match="train"):
        Stream(many_shards, StreamSpec("trian", 1, seed=0))
    with pytest.raises(RecipeError, match="scale"):
        Stream(many_shards, StreamSpec("train", 1, seed=0, preprocessing=[{"op": "scal"}]))
    with pytest.raises(RecipeError, match="28×28 pixels, and the preprocessing wants 1 of 32×32"):
        resize = {"op": "resize", "height": 32, "width": 32}
        Stream(many_shards, StreamSpec("train", 1, seed=0, preprocessing=[resize]))
    with pytest.raises(UsageError, match="rank 2"):
        Stream(many_shards, StreamSpec("train", 1, seed=0), Share(2, 2))
    with pytest.raises(UsageError, match="0 samples"):
        Stream(many_shards, StreamSpec("train", 0, seed=0))
    with pytest.raises(UsageError, match="cursor"):
        Stream(many_shards, StreamSpec("train", 1, seed=0), cursor=-1)
