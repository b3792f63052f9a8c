"""States of generated speech: the same sounds, and the third of its phone for each frame."""

from pathlib import Path

import numpy as np
import pytest

from striate.data.corpora.speech import write_speech
from striate.data.corpora.speech_states import label_states, write_speech_states
from striate.data.corpora.timit import Spans, open_timit
from striate.data.shards.schema import Sample
from striate.data.storage import Source

pytestmark = pytest.mark.unit


def samples_of(folder: Path) -> tuple[tuple[str, ...], list[Sample]]:
    opened = open_timit(Source.of(folder))
    found = [one for one in opened.read("train", 0, 3) if isinstance(one, Sample)]
    return opened.labels, found


def test_sounds_and_words_are_the_same_and_states_are_thirds_of_phones(tmp_path: Path) -> None:
    write_speech(tmp_path / "speech", 4)
    write_speech_states(tmp_path / "states", 4)
    phones, plain = samples_of(tmp_path / "speech")
    states, found = samples_of(tmp_path / "states")
    assert states == tuple(f"{phone}.{third}" for phone in phones for third in range(3))
    assert len(found) == 3
    for one, other in zip(plain, found, strict=True):
        assert bytes(one.payload) == bytes(other.payload)
        assert (one.key, one.fields) == (other.key, other.fields)
        assert (np.array(other.label) // 3 == np.array(one.label)).all()
        steps = np.diff(np.array(other.label))
        assert (steps[np.diff(np.array(one.label)) == 0] >= 0).all()


def test_each_third_has_its_frames() -> None:
    starts = np.array([0, 2000, 3600])
    spans = Spans(("h#", "a", "h#"), starts, np.array([2000, 3600, 5000]))
    found = label_states(spans, {"a": 0, "h#": 3})
    # centres at 200, 360, …: those of "a" at 2120 … 3560, its thirds from 2534 and 3067 on
    assert found[12:22].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert found[0] == 3
    assert found[-1] == 5
