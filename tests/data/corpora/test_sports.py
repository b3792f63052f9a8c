"""Generated clips: the class is the motion, and the same size and seed give the same clips."""

from pathlib import Path

import av
import numpy as np
import pytest

from striate.core.errors import UsageError
from striate.data.corpora.sports import MOTIONS, RATE_HZ, _still, sports_clip, write_sports
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.sports_scene import Pose
from striate.data.shards.schema import Sample
from striate.data.storage import Source

pytestmark = pytest.mark.unit

CLIPS = 10
TIMES = np.arange(75) / RATE_HZ


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sports") / "source"
    write_sports(folder, CLIPS)
    return folder


def pose(name: str, seed: int) -> tuple[Pose, Pose]:
    """A thing that stands still, and the same with a motion."""
    random = np.random.default_rng(seed)
    still = _still(TIMES, random)
    return still, MOTIONS[name](still, TIMES, random)


def test_it_is_written_as_sports1m_is(source: Path) -> None:
    names = {str(path.relative_to(source)) for path in source.iterdir()}
    assert names == {"labels.txt", "original", "videos"}
    corpus = open_sports1m(Source.of(source))
    assert corpus.labels == tuple(MOTIONS)
    sizes = {split: len(items) for split, items in corpus.item_bytes.items()}
    assert sizes == {"train": 8, "test": 2}
    for split, count in sizes.items():
        assert all(isinstance(item, Sample) for item in corpus.read(split, 0, count))


def test_the_files_are_h264_with_b_frames_and_keyframes_every_two_seconds(source: Path) -> None:
    path = min((source / "videos").iterdir())
    with av.open(str(path), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.has_b_frames > 0) == ("h264", True)
        base = float(stream.time_base or 0)
        keys = [packet.pts for packet in container.demux(stream) if packet.is_keyframe]
    assert [base * at for at in keys if at is not None] == [0.0, 2.0]


def test_the_same_size_and_seed_give_the_same_clips(source: Path, tmp_path: Path) -> None:
    write_sports(tmp_path / "again", CLIPS)
    write_sports(tmp_path / "more", CLIPS + 1)
    write_sports(tmp_path / "other", CLIPS, seed=1)
    for path in source.rglob("*.mp4"):
        content = path.read_bytes()
        assert (tmp_path / "again" / path.relative_to(source)).read_bytes() == content
        assert (tmp_path / "more" / path.relative_to(source)).read_bytes() == content
        assert not (tmp_path / "other" / path.relative_to(source)).exists()


def test_every_class_comes_equally_often_and_some_clips_have_two() -> None:
    labels = [sports_clip(index)[0] for index in range(120)]
    counts = np.bincount([label for some in labels for label in some], minlength=len(MOTIONS))
    assert counts.min() >= 12
    assert 5 <= sum(len(some) == 2 for some in labels) <= 30
    assert all(len(set(some)) == len(some) for some in labels)


@pytest.mark.parametrize("seed", range(5))
def test_the_motions_are_what_they_are_called(seed: int) -> None:
    for name, axis, sign in (("rise", "y", -1), ("fall", "y", 1)):
        _, moved = pose(name, seed)
        assert (np.diff(getattr(moved, axis)) * sign > 0).all()
        assert np.ptp(moved.x) == np.ptp(moved.turn) == np.ptp(moved.size) == 0
    assert abs(np.diff(pose("cross", seed)[1].x).sum()) > 60
    assert np.ptp(pose("spin", seed)[1].turn) > np.pi
    assert (np.diff(pose("approach", seed)[1].size) > 0).all()
    assert (np.diff(pose("recede", seed)[1].size) < 0).all()
    for name in ("swing", "bounce", "orbit", "pulse"):
        still, moved = pose(name, seed)
        assert max(abs(moved.x - still.x).max(), abs(moved.y - still.y).max()) <= 18
        back = np.diff(np.sign(np.diff(moved.size if name == "pulse" else moved.x + moved.y)))
        assert np.count_nonzero(back) >= 3  # it turns back again and again


@pytest.mark.parametrize("name", MOTIONS)
def test_a_motion_shows_within_any_16_frames(name: str) -> None:
    for seed in range(20):
        _, moved = pose(name, seed)
        for start in range(0, len(TIMES) - 16, 5):
            part = slice(start, start + 16)
            shown = (
                max(np.ptp(moved.x[part]), np.ptp(moved.y[part])) / 8,
                np.ptp(moved.turn[part]),
                np.ptp(np.log(moved.size[part])) * 5,
            )
            assert max(shown) > 0.9, (seed, start, shown)


def test_too_few_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 clips are too few"):
        write_sports(tmp_path / "one", 1)
    assert not (tmp_path / "one").exists()
