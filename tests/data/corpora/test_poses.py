"""Windows with poses: half of them faces, read as they were written, and more added to them."""

from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError, UsageError
from striate.data.corpora.poses import (
    LIST,
    SIDE,
    Window,
    append_windows,
    draw_faceless,
    draw_window,
    open_poses,
    write_poses,
)
from striate.data.shards.schema import Sample
from striate.data.storage import Source

pytestmark = pytest.mark.unit

SIZE = 60


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_poses(tmp_path / "source", SIZE)
    return tmp_path / "source"


def samples(folder: Path) -> dict[str, list[Sample]]:
    corpus = open_poses(Source.of(folder))
    found: dict[str, list[Sample]] = {}
    for split, sizes in corpus.item_bytes.items():
        for one in corpus.read(split, 0, len(sizes)):
            assert isinstance(one, Sample)
            found.setdefault(split, []).append(one)
    return found


def test_half_of_the_windows_are_faces_in_both_splits(source: Path) -> None:
    found = samples(source)
    assert {split: len(those) for split, those in found.items()} == {"train": 48, "test": 12}
    for those in found.values():
        labels = [one.label for one in those]
        assert sum(labels) * 2 == len(labels)  # type: ignore[arg-type]
    first = found["test"][0]
    drawn = draw_window(0)
    assert np.array_equal(np.frombuffer(first.payload, np.uint8), drawn.pixels.ravel())
    assert first.fields["yaw_deg"] == pytest.approx(drawn.yaw_deg, abs=0.01)


def test_faces_turn_over_the_whole_range() -> None:
    faces = [draw_window(number) for number in range(0, 120, 2)]
    assert all(one.is_face and one.pixels.shape == (SIDE, SIDE) for one in faces)
    yaw, roll = (np.array([one[at] for one in faces]) for at in (1, 2))
    assert yaw.min() < -70 and yaw.max() > 70 and np.abs(yaw).max() <= 90
    assert roll.min() < -35 and roll.max() > 35 and np.abs(roll).max() <= 45


def test_windows_are_added_to_those_that_there_are(source: Path) -> None:
    added = Window(np.full((SIDE, SIDE), 7, np.uint8))
    assert append_windows(source, iter([(added, "train")] * 3)) == 3
    found = samples(source)["train"]
    assert len(found) == 51
    assert found[-1].payload == added.pixels.tobytes()
    assert (found[-1].label, found[-1].fields["yaw_deg"]) == (0, 0.0)


def test_images_without_faces_are_functions_of_their_number() -> None:
    assert np.array_equal(draw_faceless(4), draw_faceless(4))
    assert draw_faceless(6, 50, 70).shape == (50, 70, 3)
    assert draw_faceless(3).shape == (96, 128, 3)


def test_a_malformed_list_is_said(source: Path) -> None:
    text = (source / LIST).read_text()
    (source / LIST).write_text(text.replace(",face,", ",fase,", 1))
    with pytest.raises(DataError, match=f"{LIST} line 2 is malformed"):
        open_poses(Source.of(source))
    (source / LIST).write_text("path,label\n")
    with pytest.raises(DataError, match="lacks columns"):
        open_poses(Source.of(source))
    with pytest.raises(UsageError, match="21 windows"):
        write_poses(source, 21)
