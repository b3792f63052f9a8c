"""The pipeline `sounds`: one image of energies a sound, whatever its length."""

import io

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.sounds import sounds

pytestmark = pytest.mark.unit

RATE = 16_000


def stored(samples: np.ndarray, label: int = 0) -> Stored:
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format="WAV")
    return Stored(0, 0, out.getvalue(), label, "a.wav")


def tone(hz: float, seconds: float, gain: float = 0.5) -> np.ndarray:
    return gain * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def places(*positions: int) -> Places:
    return Places(0, np.zeros(len(positions), np.int64), np.array(positions, np.int64))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("seconds", [0.03, 0.4, 1.0, 3.0])
def test_every_length_gives_one_shape(seconds: float, training: bool) -> None:
    made = sounds({"bands": 32, "columns": 20}, training)(
        [stored(tone(440, seconds), 3)], places(0)
    )
    assert made["features"].shape == (1, 1, 32, 20)
    assert made["features"].isfinite().all()
    assert made["labels"].tolist() == [3]


def test_the_spectrum_counts_and_the_loudness_does_not() -> None:
    pipeline = sounds({}, False)
    low, quiet, high = (
        pipeline([stored(tone(hz, 1.0, gain))], places(0))["features"]
        for hz, gain in ((300, 0.8), (300, 0.2), (3000, 0.8))
    )
    assert low.mean((1, 3)).argmax() < high.mean((1, 3)).argmax()
    assert (low - quiet).abs().mean() < 0.2 * (low - high).abs().mean()


def test_a_stretch_is_drawn_in_training_alone() -> None:
    sound = stored(np.concatenate([tone(300, 2.0), tone(3000, 2.0)]))
    one, other = sounds({}, True), sounds({}, False)
    drawn = one([sound] * 8, places(*range(8)))["features"]
    assert len({tuple(image.flatten().tolist()) for image in drawn}) > 4
    assert torch.equal(drawn, one([sound] * 8, places(*range(8)))["features"])
    fixed = other([sound] * 8, places(*range(8)))["features"]
    assert torch.equal(fixed, fixed[:1].expand_as(fixed))


def test_a_short_sound_is_padded_with_its_mean_on_both_sides() -> None:
    image = sounds({"seconds": 1.0, "columns": 100}, False)([stored(tone(300, 0.5))], places(0))[
        "features"
    ][0, 0]
    assert image[:, :20].abs().max() == 0
    assert image[:, -20:].abs().max() == 0
    assert image[:, 50].abs().max() > 0


@pytest.mark.parametrize("payload", [b"", b"no sound", None])
def test_a_sound_that_cannot_be_used_is_named(payload: bytes | None) -> None:
    bad = stored(tone(300, 0.01)) if payload is None else Stored(0, 0, payload, 0, "a.wav")
    with pytest.raises(DamagedSample) as error:
        sounds({}, False)([bad], places(0))
    assert error.value.key == "a.wav"


def test_labels_of_frames_are_refused_by_what_they_are() -> None:
    labelled = Stored(0, 0, stored(tone(300, 0.5)).payload, np.zeros(48, np.int32), "SA1")
    with pytest.raises(DataError, match=r"SA1 has not one class.*speech-frames for frames"):
        sounds({}, False)([labelled], places(0))


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(RecipeError, match="cannot take second"):
        sounds({"second": 1}, False)
