"""The pipelines for clips: C3D's conventions, every choice a function of the place in the order."""

from pathlib import Path

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError
from striate.data.corpora.sports import write_sports
from striate.data.corpora.sports1m import open_sports1m
from striate.data.ingest.ingest import ingest
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.clips import TrainClips, decode_clip
from striate.data.pipelines.registry import pipeline_of
from striate.data.shards.schema import Sample
from striate.data.storage import Source
from striate.data.stream.spec import Share, StreamSpec
from striate.data.stream.stream import Stream
from striate.data.transforms.video.reader import describe

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "source"
    write_sports(folder, 10)
    return folder


@pytest.fixture(scope="module")
def stored(source: Path) -> list[Stored]:
    samples = open_sports1m(Source.of(source)).read("train", 0, 8)
    return [
        Stored(s.item, s.item % 5, s.payload, s.label, s.key)
        for s in samples
        if isinstance(s, Sample)
    ]


def places(count: int, seed: int = 3, epoch: int = 0) -> Places:
    return Places(seed, np.full(count, epoch), np.arange(count) * 7)


def pixels(clips: torch.Tensor) -> torch.Tensor:
    """Back to what was decoded: (n, frames, height, width, 3)."""
    return (clips + 128).round().to(torch.uint8).permute(0, 2, 3, 4, 1)


def test_training_clips_are_crops_of_consecutive_frames(stored: list[Stored]) -> None:
    given = pipeline_of("clips-train", {"flip": 0.0}, training=True)(stored, places(len(stored)))
    clips = given["clips"]
    assert (clips.shape, clips.dtype) == ((8, 3, 16, 112, 112), torch.float32)
    assert given["labels"].dtype == torch.int64
    sample, clip = stored[2], pixels(clips)[2].numpy()
    info = describe(sample.payload)
    for start in range(info.frames - 15):
        frames = decode_clip(sample.payload, start / 25)
        for top, left in np.ndindex(17, 60):
            if np.array_equal(clip[0], frames[0, top : top + 112, left : left + 112]):
                crop = frames[:, top : top + 112, left : left + 112]
                if np.array_equal(clip, crop):  # the same crop in all 16 frames
                    return
    raise AssertionError("the clip is no crop of the video")


def test_a_clip_depends_on_its_place_alone(stored: list[Stored]) -> None:
    train = pipeline_of("clips-train", {}, training=True)
    whole = train(stored, places(8))
    at = places(8)
    for part in (slice(0, 3), slice(3, 8), slice(6, 7)):
        mine = Places(at.seed, at.epochs[part], at.positions[part])
        again = train(stored[part], mine)
        assert all(torch.equal(again[name], whole[name][part]) for name in whole)
    for other in (places(8, seed=4), places(8, epoch=1)):
        assert not torch.equal(train(stored, other)["clips"], whole["clips"])


def test_half_of_the_training_clips_are_mirrored(stored: list[Stored]) -> None:
    at = places(8)
    asis = TrainClips(flip=0)(stored, at)["clips"]
    mirrored = TrainClips(flip=1)(stored, at)["clips"]
    assert torch.equal(mirrored, asis.flip(-1))
    many = Places(0, np.zeros(40, np.int64), np.arange(40))
    some = [stored[0]] * 40
    given, plain = TrainClips()(some, many)["clips"], TrainClips(flip=0)(some, many)["clips"]
    same = sum(torch.equal(one, other) for one, other in zip(given, plain, strict=True))
    assert 10 <= same <= 30


def test_the_windows_cover_the_video_and_clips_stay_in_it(stored: list[Stored]) -> None:
    at = Places(0, np.zeros(200, np.int64), np.arange(200))
    train = TrainClips()
    from striate.data.transforms.random import uniforms
    from striate.data.transforms.video.reader import open_video

    draws = uniforms(at.seed, at.epochs, at.positions, 6)
    with open_video(stored[0].payload) as video:
        starts = [train._start_s(video, draws[:, index]) for index in range(200)]
        last = video.seconds - 16 / 25
    assert 0 <= min(starts) < 0.2 * last
    assert 0.8 * last < max(starts) <= last + 1e-9


def test_ten_test_clips_are_the_same_always_and_cropped_in_the_centre(
    stored: list[Stored],
) -> None:
    test = pipeline_of("clips-test", {}, training=False)
    assert test.units_per_row == 10
    units = [Stored(4, unit, stored[4].payload, stored[4].label) for unit in range(10)]
    given = test(units, places(10))
    assert given["clips"].shape == (10, 3, 16, 112, 112)
    assert given["video"].tolist() == [4] * 10
    assert len({clip.numpy().tobytes() for clip in given["clips"]}) > 5
    prepared = test.prepare(units[0])  # type: ignore[attr-defined]
    again = test([unit.with_prepared(prepared) for unit in reversed(units)], places(10, seed=9))
    assert torch.equal(again["clips"], given["clips"].flip(0))
    info = describe(stored[4].payload)
    centre = [
        decode_clip(stored[4].payload, start / 25)[0, 8:120, 29:141]
        for start in range(info.frames - 15)
    ]
    first = pixels(given["clips"])[0, 0].numpy()
    assert any(np.array_equal(first, picture) for picture in centre)


def test_pixels_are_normalised_as_asked(stored: list[Stored]) -> None:
    plain = TrainClips()(stored[:2], places(2))["clips"]
    scaled = TrainClips(mean=(0, 128, 255), std=(255, 64, 1))(stored[:2], places(2))["clips"]
    assert torch.allclose(scaled[:, 0], (plain[:, 0] + 128) / 255)
    assert torch.allclose(scaled[:, 1], plain[:, 1] / 64)
    assert torch.allclose(scaled[:, 2], plain[:, 2] - 127)


def test_differences_are_those_of_the_frames(stored: list[Stored]) -> None:
    plain = TrainClips(flip=0)(stored[:2], places(2))["clips"]
    given = TrainClips(flip=0, differences=True)(stored[:2], places(2))["clips"]
    assert given.shape == plain.shape
    assert torch.equal(given[:, :, :-1], plain[:, :, 1:] - plain[:, :, :-1])
    assert torch.equal(given[:, :, -1], given[:, :, -2])


def test_of_several_labels_each_has_its_turn(stored: list[Stored]) -> None:
    both = Stored(0, 0, stored[0].payload, (4, 7))
    at = Places(1, np.zeros(24, np.int64), np.arange(24))
    given = TrainClips(crop=16, max_labels=3)([both] * 24, at)
    assert set(given["labels"].tolist()) == {4, 7}
    assert given["all_labels"].tolist() == [[4, 7, -1]] * 24
    with pytest.raises(DataError, match="2 labels"):
        TrainClips(max_labels=1)([both], places(1))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"flips": 1}, "flips"), ({"flip": 2}, "flip"), ({"crop": 129}, "no crop of 129 pixels")],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        pipeline_of("clips-train", arguments, training=True)


def test_a_damaged_video_is_named(stored: list[Stored]) -> None:
    broken = Stored(0, 0, bytes(stored[0].payload)[:2000], (1,), "the id")
    for name in ("clips-train", "clips-test"):
        with pytest.raises(DamagedSample, match="the id"):
            pipeline_of(name, {}, training=True)([stored[1], broken], places(2))


def test_a_stream_of_clips_goes_on_where_it_stopped(source: Path, tmp_path: Path) -> None:
    ingest("sports", source, tmp_path / "shards", shard_mb=0.05)
    train = pipeline_of("clips-train", {}, training=True)
    shards = tmp_path / "shards"
    with Stream(shards, StreamSpec("train", 6, seed=5, pipeline=train, threads=2)) as stream:
        batches = [next(stream) for _ in range(8)]
    units = [
        (row, unit)
        for batch in batches
        for row, unit in zip(batch.rows.tolist(), batch.units.tolist(), strict=True)
    ]
    assert len(set(units[:40])) == 40  # five clips of each of eight videos, once an epoch
    parts = []
    for rank in range(2):
        with Stream(
            shards, StreamSpec("train", 6, seed=5, pipeline=train), Share(rank, 2), cursor=24
        ) as stream:
            parts.append(next(stream))
    both = torch.empty_like(batches[4].tensors["clips"])
    both[0::2], both[1::2] = (part.tensors["clips"] for part in parts)
    assert torch.equal(both, batches[4].tensors["clips"])
