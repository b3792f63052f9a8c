"""Pairs: who is paired with whom follows from the place in the order and from the labels alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import DataError, RecipeError, UnknownName
from striate.data.pipelines.base import Places
from striate.data.pipelines.companions import LabelIndex, NeedsCompanions
from striate.data.pipelines.pairs import ImagePairs, image_pairs
from striate.data.pipelines.raw import RawImages
from striate.data.stream.batch import Batch
from striate.data.stream.decoding import LocalDecoder
from striate.data.stream.evaluation import evaluation_batches
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import Share, StreamSpec
from striate.data.stream.stream import Stream

pytestmark = pytest.mark.unit

PAIRS = image_pairs({"augment": "affine"}, training=True)


def places_of(seed: int, epoch: int, positions: Sequence[int]) -> Places:
    return Places(seed, np.full(len(positions), epoch, np.int64), np.array(positions, np.int64))


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_companion_is_of_the_class_that_was_asked_for(labels: list[int], draw: float) -> None:
    classes = np.array(labels, np.int64)
    index, rows = LabelIndex.of(classes), np.arange(len(labels))
    draws = np.full(len(labels), draw)
    same, other = index.draw_same(rows, draws), index.draw_other(rows, draws)
    assert (classes[same] == classes).all()
    alone = np.bincount(classes)[classes] == 1
    assert ((same != rows) | alone).all()
    if len(set(labels)) > 1:
        assert (classes[other] != classes).all()


def test_every_companion_is_as_likely() -> None:
    index = LabelIndex.of(np.array([0, 1, 0, 0, 1, 2]))
    draws = (np.arange(600) + 0.5) / 600
    rows = np.zeros(600, np.int64)
    assert np.bincount(index.draw_same(rows, draws), minlength=6).tolist() == [0, 0, 300, 300, 0, 0]
    others = np.bincount(index.draw_other(rows, draws), minlength=6)
    assert others.tolist() == [0, 200, 0, 0, 200, 200]


def test_pairs_depend_on_seed_epoch_and_position_and_on_nothing_else(digits_shards: Path) -> None:
    assert isinstance(PAIRS, NeedsCompanions)
    reader = SplitReader(digits_shards, "train")
    decoder = LocalDecoder(reader, PAIRS)
    ids, positions = np.arange(40, 80, dtype=np.int64), list(range(7, 47))
    whole = decoder.decode(ids, places_of(3, 2, positions)).tensors
    parts = [
        decoder.decode(ids[cut], places_of(3, 2, positions[cut])).tensors
        for cut in (slice(0, 1), slice(1, 23), slice(23, 40))
    ]
    for name, tensor in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), tensor), name
    for seed, epoch, shift in ((4, 2, 0), (3, 3, 0), (3, 2, 1)):
        moved = [position + shift for position in positions]
        other = decoder.decode(ids, places_of(seed, epoch, moved)).tensors
        assert not torch.equal(other["other_rows"], whole["other_rows"])


def test_half_of_the_pairs_are_of_one_class_and_labels_say_which(digits_shards: Path) -> None:
    spec = StreamSpec("train", 256, pipeline=ImagePairs(RAW), threads=0)
    batches = list(evaluation_batches(digits_shards, spec))
    rows, others, same = (
        torch.cat([batch.tensors[name] for batch in batches]).numpy()
        for name in ("rows", "other_rows", "labels")
    )
    images, labels = SplitReader(digits_shards, "train").take(np.arange(len(rows)))
    assert (rows != others).all()
    assert ((labels[rows] == labels[others]) == same.astype(bool)).all()
    assert 0.47 < same.mean() < 0.53
    first = batches[0]
    assert torch.equal(first.images, torch.from_numpy(images[first.rows.numpy()]).float())
    seconds = first.tensors["others"], first.tensors["other_rows"].numpy()
    assert torch.equal(seconds[0], torch.from_numpy(images[seconds[1]]).float())


RAW = RawImages((1, 28, 28))


@pytest.mark.parametrize("threads", [0, 2])
def test_workers_share_the_pairs_of_one(digits_shards: Path, threads: int) -> None:
    def batches(rank: int, world: int, cursor: int = 0) -> list[Batch]:
        spec = StreamSpec("train", 30, seed=5, pipeline=PAIRS, threads=threads)
        with Stream(digits_shards, spec, Share(rank, world), cursor=cursor) as stream:
            return [next(stream) for _ in range(3)]

    alone, shared = batches(0, 1), [batches(rank, 3) for rank in range(3)]
    for at, batch in enumerate(alone):
        for name, tensor in batch.tensors.items():
            for rank in range(3):
                assert torch.equal(shared[rank][at].tensors[name], tensor[rank::3]), name
    resumed = batches(0, 1, cursor=30)[0]
    assert all(torch.equal(resumed.tensors[k], v) for k, v in alone[1].tensors.items())


def test_rows_without_a_class_each_cannot_be_paired(
    digits_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SplitReader(digits_shards, "test")
    columns = reader.manifest.columns
    label = columns.label.model_copy(update={"kind": "multi"})
    manifest = reader.manifest.model_copy(
        update={"columns": columns.model_copy(update={"label": label})}
    )
    monkeypatch.setattr(reader, "manifest", manifest)
    with pytest.raises(DataError, match="have no class each"):
        _ = reader.label_index


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(RecipeError, match=r"no argument size.*It knows shape, augment"):
        image_pairs({"size": 3}, training=True)
    with pytest.raises(UnknownName, match="'afine'"):
        image_pairs({"augment": "afine"}, training=True)
    assert image_pairs({"augment": "affine"}, training=False).images.augment is None
