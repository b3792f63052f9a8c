"""Speech that is made here: exact times, the same for the same seed, and good to learn from."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import DataError, PlatformError, RecipeError, UsageError
from striate.data.corpora.espeak import SpeechRequest, speak
from striate.data.corpora.speech import sentence, speakers, write_speech
from striate.data.corpora.timit import open_timit, parse_spans
from striate.data.ingest.ingest import ingest
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.registry import pipeline_of
from striate.data.shards.schema import Sample
from striate.data.show.spectrogram import spans_of_frames, speech_picture
from striate.data.storage import Source
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.data.transforms.audio.features import features_of
from striate.data.transforms.audio.load import load_mono

pytestmark = pytest.mark.unit

SIZE = 40
QUIET = {"h#", "pau", "epi"}
NOWHERE = Places(0, np.zeros(1, np.int64), np.zeros(1, np.int64))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty utterances; not to be changed."""
    folder = tmp_path_factory.mktemp("speech") / "source"
    write_speech(folder, SIZE)
    return folder


@pytest.fixture(scope="module")
def shards(source: Path) -> Path:
    """The same in several shards."""
    target = source.parent / "shards"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray.is_initialized", lambda: False)
        ingest("speech", source, target, shard_mb=1)
    return target


def samples_of(source: Path, split: str = "train") -> list[Sample]:
    opened = open_timit(Source.of(source))
    found = list(opened.read(split, 0, len(opened.item_bytes[split])))
    assert all(isinstance(item, Sample) for item in found)
    return [item for item in found if isinstance(item, Sample)]


def everything(folder: Path) -> Mapping[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_it_is_read_as_timit_with_nothing_left_out(source: Path) -> None:
    train, test = samples_of(source), samples_of(source, "test")
    assert len(train) + len(test) == SIZE
    assert len(test) == SIZE // 5
    voices = [{sample.fields["speaker"] for sample in split} for split in (train, test)]
    assert not voices[0] & voices[1], "a voice is heard in training and in the test"
    assert {sample.fields["region"] for sample in train} == {"DR1", "DR2", "DR3", "DR4"}


def test_the_same_seed_gives_the_same_bytes_and_a_smaller_size_a_part_of_them(
    source: Path, tmp_path: Path
) -> None:
    write_speech(tmp_path / "few", 20)
    whole, few = everything(source), everything(tmp_path / "few")
    assert len(few) == 20 * 4
    assert few == {name: whole[name] for name in few}
    write_speech(tmp_path / "other", 1, seed=1)
    assert not everything(tmp_path / "other").items() & whole.items()


def test_speakers_and_sentences_are_many() -> None:
    people = speakers()
    assert len({person.name for person in people}) == 52
    assert len({sentence(number) for number in range(1000)}) > 800


def test_phones_fill_the_sound_and_words_lie_on_their_borders(source: Path) -> None:
    for path in sorted(source.rglob("*.PHN")):
        phones = parse_spans(path.read_bytes())
        words = parse_spans(path.with_suffix(".WRD").read_bytes())
        assert phones is not None and words is not None
        samples = len(load_mono(path.with_suffix(".WAV").read_bytes()))
        assert (phones.starts[0], phones.ends[-1]) == (0, samples)
        np.testing.assert_array_equal(phones.starts[1:], phones.ends[:-1])
        assert set(words.starts) <= set(phones.starts)
        assert set(words.ends) <= set(phones.ends)
        assert phones.names[0] == phones.names[-1] == "h#"
        text = path.with_suffix(".TXT").read_text().split(None, 2)[2]
        said = text.lower().strip(" .\n")
        assert " ".join(words.names) == said


def test_times_are_exact_to_a_millisecond(source: Path) -> None:
    """Pauses are silent from border to border, and vowels are not."""
    pauses = 0
    for path in sorted(source.rglob("*.PHN")):
        phones = parse_spans(path.read_bytes())
        assert phones is not None
        sound = np.abs(load_mono(path.with_suffix(".WAV").read_bytes()))
        for name, start, end in zip(phones.names, phones.starts, phones.ends, strict=True):
            inner = sound[start + 16 : end - 16]
            if name in QUIET:
                pauses += 1
                assert inner.max(initial=0) < 0.001, (path.stem, name, start)
            elif name[0] in "iIeEaAuUoO3V@0":
                assert inner.max() > 0.001, (path.stem, name, start)
    assert pauses > 4 * SIZE


def test_a_sentence_is_the_same_whatever_was_said_before() -> None:
    wanted, other = (
        SpeechRequest("The cat is here.", "en-us+m3"),
        SpeechRequest("Go away.", "en-us+f2", 120),
    )
    alone = speak([wanted])[0]
    after = speak([other, other, wanted])[2]
    np.testing.assert_array_equal(alone.samples, after.samples)
    assert alone.phones == after.phones


def test_a_voice_that_is_not_there_is_named() -> None:
    with pytest.raises(PlatformError, match="xx-none"):
        speak([SpeechRequest("Hello.", "xx-none")])


def test_without_the_synthesiser_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"striate\[speech\]"):
        speak([SpeechRequest("Hello.", "en-us")])


def test_the_stream_gives_every_frame_once_with_its_window_and_state(
    source: Path, shards: Path
) -> None:
    by_key = {sample.key: sample for sample in samples_of(source)}
    pipeline = pipeline_of("speech-frames", {}, training=True)
    with Stream(shards, StreamSpec("train", 64, seed=5, pipeline=pipeline, threads=0)) as stream:
        frames = stream.rows_per_epoch
        keys = stream.reader.stored(np.arange(frames))
        batches = [next(stream) for _ in range(-(-frames // 64))]
    assert frames == sum(int(sample.fields["units"]) for sample in by_key.values())  # type: ignore[call-overload]
    seen = torch.cat([torch.stack([b.rows, b.units], dim=1) for b in batches])[:frames]
    assert len(torch.unique(seen, dim=0)) == frames
    names = {stored.row: stored.key for stored in keys}
    for batch in batches[:3]:
        for at in range(0, 64, 9):
            sample, unit = by_key[names[int(batch.rows[at])]], int(batch.units[at])
            features = features_of(torch.from_numpy(load_mono(sample.payload)))[0]
            wanted = [min(max(unit - 20 + k, 0), len(features) - 1) for k in range(40)]
            torch.testing.assert_close(batch.tensors["features"][at, 0], features[wanted].T)
            assert int(batch.labels[at]) == sample.label[unit]  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({}, (1, 40, 40)),
        ({"features": "mfcc", "coefficients": 13, "window": 11}, (1, 13, 11)),
        ({"bands": 64, "delta_orders": 2}, (3, 64, 40)),
    ],
)
def test_the_shape_of_a_sample_is_what_the_arguments_say(
    source: Path, arguments: dict[str, object], shape: tuple[int, ...]
) -> None:
    sample = samples_of(source)[0]
    stored = Stored(0, 7, sample.payload, sample.label, sample.key)
    pipeline = pipeline_of("speech-frames", arguments, training=False)
    made = pipeline([stored], NOWHERE)
    assert made["features"].shape == (1, *shape)
    assert made["features"].isfinite().all()


@pytest.mark.parametrize(
    "arguments",
    [{"window": 0}, {"features": "plp"}, {"widow": 40}, {"features": "mfcc", "bands": 20}],
)
def test_wrong_arguments_are_named(arguments: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        pipeline_of("speech-frames", arguments, training=True)


def test_damage_is_told_as_a_damaged_sample(source: Path) -> None:
    sample = samples_of(source)[0]
    pipeline = pipeline_of("speech-frames", {}, training=True)
    cut = Stored(0, 0, sample.payload[:-500], sample.label, "an utterance")
    with pytest.raises(DamagedSample) as caught:
        pipeline([cut], NOWHERE)
    assert (caught.value.key, caught.value.reason) == ("an utterance", "the sound is truncated")
    short = Stored(0, 0, sample.payload, sample.label[:-1], "an utterance")  # type: ignore[index]
    with pytest.raises(DamagedSample, match="another number of frames"):
        pipeline([short], NOWHERE)


def test_shards_without_frame_labels_are_refused(source: Path) -> None:
    sample = samples_of(source)[0]
    pipeline = pipeline_of("speech-frames", {}, training=True)
    with pytest.raises(DataError, match="no frame labels"):
        pipeline([Stored(0, 0, sample.payload, -1, sample.key)], NOWHERE)


def test_a_small_net_learns_phones_of_voices_it_never_heard(shards: Path) -> None:
    torch.manual_seed(0)
    pipeline = pipeline_of("speech-frames", {"window": 11}, training=True)
    classes = 100
    net = nn.Sequential(nn.Flatten(), nn.Linear(440, 256), nn.ReLU(), nn.Linear(256, classes))
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3)
    with Stream(shards, StreamSpec("train", 256, seed=0, pipeline=pipeline, threads=0)) as stream:
        for _ in range(2 * stream.rows_per_epoch // 256):
            batch = next(stream)
            loss = nn.functional.cross_entropy(net(batch.tensors["features"]), batch.labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    features, labels = whole_split(shards, "test")
    found = net(features).argmax(dim=1)
    accuracy = float((found == labels).float().mean())
    majority = float(labels.bincount().max() / len(labels))
    assert majority < 0.2
    assert accuracy > 0.5 > 2.5 * majority, (accuracy, majority)


def whole_split(shards: Path, split: str) -> tuple[Tensor, Tensor]:
    """All windows of 11 frames of a split, and their states."""
    pipeline = pipeline_of("speech-frames", {"window": 11}, training=False)
    with Stream(shards, StreamSpec(split, 1, seed=0, pipeline=pipeline, threads=0)) as stream:
        stored = stream.reader.stored(np.arange(stream.rows_per_epoch))
    places = Places(0, np.zeros(len(stored), np.int64), np.arange(len(stored)))
    prepared = {one.row: pipeline.prepare(one) for one in stored if one.unit == 0}  # type: ignore[attr-defined]
    made = pipeline([one.with_prepared(prepared[one.row]) for one in stored], places)
    return made["features"], made["labels"]


def test_a_picture_is_drawn_with_and_without_labels(source: Path) -> None:
    sample = samples_of(source)[0]
    labels = open_timit(Source.of(source)).labels
    assert not isinstance(sample.label, int | bytes)
    full = speech_picture(
        sample.payload, title=sample.key, names=labels, label=sample.label, fields=sample.fields
    )
    bare = speech_picture(sample.payload, title="no labels")
    for picture in (full, bare):
        assert picture.startswith(b"\x89PNG")
    assert height_of(full) > height_of(bare)


def height_of(picture: bytes) -> int:
    return int.from_bytes(picture[20:24], "big")


def test_runs_of_frames_become_spans_around_their_middles() -> None:
    spans = spans_of_frames([4, 4, 4, 2, 2, 4], ["a", "b", "c", "d", "e"])
    assert [name for _, _, name in spans] == ["e", "c", "e"]
    np.testing.assert_allclose(
        [(start, end) for start, end, _ in spans],
        [(0.0075, 0.0375), (0.0375, 0.0575), (0.0575, 0.0675)],
    )
