"""What Pillow warns of while a run trains stands in the run's log, and nowhere else."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.train.loop.library_warnings import MOST, note_warnings
from striate.train.tracking.metric_log import MetricLogReader

pytestmark = pytest.mark.unit


def test_a_warning_of_pillow_is_noted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image larger than Pillow's limit, opened three times."""
    image = tmp_path / "image.png"
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(image)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    log = tmp_path / "spool.jsonl"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with note_warnings(log):
            for _ in range(3):
                Image.open(image).close()
    (note,) = MetricLogReader(log).read()
    assert note.kind == "note"
    assert "Pillow warns" in note.text and "100 pixels" in note.text


def test_other_warnings_go_their_way(tmp_path: Path) -> None:
    log = tmp_path / "spool.jsonl"
    with (
        pytest.warns(UserWarning, match="of somebody else") as caught,
        note_warnings(log),
    ):
        warnings.warn("of somebody else", stacklevel=1)
    assert len(caught) == 1
    assert not log.exists()


def test_a_flood_of_warnings_does_not_fill_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    log = tmp_path / "spool.jsonl"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with note_warnings(log):
            for width in range(80, 80 + 2 * MOST):
                path = tmp_path / "image.png"
                Image.fromarray(np.zeros((80, width), np.uint8)).save(path)
                Image.open(path).close()
    assert len(MetricLogReader(log).read()) == MOST
