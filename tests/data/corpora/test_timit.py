"""TIMIT's tree, as LDC ships it and as it is met in the wild."""

import io
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pyarrow import fs

from striate.core.errors import DataError
from striate.data.corpora.timit import PHONES, label_frames, open_timit, parse_spans
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import (
    Sample,
    Skipped,
)
from striate.data.shards.shard import open_shard
from striate.data.storage import Source
from striate.data.transforms.audio.sphere import encode_sphere

pytestmark = pytest.mark.unit

SAMPLES = 8000
FRAMES = 1 + (SAMPLES - 400) // 160
PHN = "0 1000 h#\n1000 3000 sh\n3000 6000 iy\n6000 8000 h#\n"
WRD = "1000 6000 she\n"
TXT = "0 8000 She.\n"


def noise(samples: int = SAMPLES) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.random.default_rng(1).integers(-3000, 3000, samples).astype(np.int16)


def riff(samples: int = SAMPLES) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(noise(samples).tobytes())
    return content.getvalue()


def put(root: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


def whole(stem: str, sound: bytes | None = None) -> dict[str, bytes | str]:
    """The four files of an utterance; names in small letters where the stem is."""
    kinds = ("WAV", "PHN", "WRD", "TXT") if stem.isupper() else ("wav", "phn", "wrd", "txt")
    contents: tuple[bytes | str, ...] = (sound or encode_sphere(noise(), 16_000), PHN, WRD, TXT)
    return {f"{stem}.{kind}": content for kind, content in zip(kinds, contents, strict=True)}


def read(root: Path, split: str = "train") -> list[Sample | Skipped]:
    opened = open_timit(Source.of(root))
    return list(opened.read(split, 0, len(opened.item_bytes[split])))


def reasons(found: Sequence[Sample | Skipped]) -> dict[str, str]:
    return {item.key: item.reason for item in found if isinstance(item, Skipped)}


@pytest.mark.parametrize(
    ("stem", "sound"),
    [
        ("TRAIN/DR1/FCJF0/SA1", None),
        ("train/dr1/fcjf0/sa1", None),
        ("TIMIT/TRAIN/DR1/FCJF0/SA1", None),
        ("data/TRAIN/DR1/FCJF0/SA1", riff()),
    ],
    ids=["capitals", "small letters", "below", "riff"],
)
def test_an_utterance_has_its_phones_words_and_speaker(
    tmp_path: Path, stem: str, sound: bytes | None
) -> None:
    put(tmp_path, whole(stem, sound))
    opened = open_timit(Source.of(tmp_path))
    assert opened.labels == PHONES
    assert opened.label.kind == "frames"
    assert opened.label.frame_s == 0.01
    (sample,) = read(tmp_path)
    assert isinstance(sample, Sample)
    assert sample.key == "TRAIN/DR1/FCJF0/SA1"
    assert sample.fields["units"] == FRAMES == len(sample.label)  # type: ignore[arg-type]
    assert dict(sample.fields) | {"units": 0} == {
        "units": 0,
        "speaker": "FCJF0",
        "sex": "F",
        "region": "DR1",
        "text": "She.",
        "phones": ["h#", "sh", "iy", "h#"],
        "phone_starts_s": [0.0, 0.0625, 0.1875, 0.375],
        "phone_ends_s": [0.0625, 0.1875, 0.375, 0.5],
        "words": ["she"],
        "word_starts_s": [0.0625],
        "word_ends_s": [0.375],
    }


def test_a_frame_has_the_phone_in_its_middle(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1"))
    (sample,) = read(tmp_path)
    assert isinstance(sample, Sample)
    names = [PHONES[state] for state in sample.label]  # type: ignore[union-attr]
    for frame, name in enumerate(names):
        middle = 160 * frame + 200
        expected = "sh" if 1000 <= middle < 3000 else "iy" if 3000 <= middle < 6000 else "h#"
        assert name == expected, frame


def test_between_phones_the_one_before_goes_on() -> None:
    spans = parse_spans(b"400 1000 a\n2000 3000 b\n")
    assert spans is not None
    states = label_frames(spans, {"a": 0, "b": 1}, 8000)
    assert states.tolist() == [0] * 12 + [1] * 36  # frame 12 has its middle at 2120


@pytest.mark.parametrize(
    "content",
    [b"", b"0 10\n", b"zero 10 a\n", b"10 5 a\n", b"0 10 a\n5 x b\n", b"50 60 a\n10 20 b\n"],
)
def test_lines_that_are_no_spans_are_refused(content: bytes) -> None:
    assert parse_spans(content) is None


def test_both_splits_are_read_apart(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1") | whole("TEST/DR8/MRES0/SI1217"))
    assert [item.key for item in read(tmp_path, "test")] == ["TEST/DR8/MRES0/SI1217"]
    assert [item.key for item in read(tmp_path)] == ["TRAIN/DR1/FCJF0/SA1"]


def test_the_copy_in_riff_beside_the_sphere_is_no_second_utterance(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1") | {"TRAIN/DR1/FCJF0/SA1.WAV.wav": riff()})
    assert len(read(tmp_path)) == 1


def test_each_fault_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    at = "TRAIN/DR1/FCJF0"
    put(tmp_path, whole(f"{at}/OK"))
    put(tmp_path, whole(f"{at}/CUT", encode_sphere(noise(), 16_000)[:-100]))
    put(tmp_path, whole(f"{at}/SHORT", encode_sphere(noise(5000), 16_000)))
    put(tmp_path, whole(f"{at}/TINY", encode_sphere(noise(300), 16_000)))
    put(tmp_path, whole(f"{at}/PLAIN") | {f"{at}/PLAIN.PHN": "she said\n"})
    put(tmp_path, whole(f"copy/{at.upper()}/OK"))
    put(tmp_path, {f"{at}/MUTE.PHN": PHN, f"{at}/BARE.WAV": riff()})
    found = read(tmp_path)
    assert reasons(found) == {
        f"{at}/CUT": "the sound is truncated",
        f"{at}/SHORT": "the sound is shorter than its phone labels",
        f"{at}/TINY": "the sound is shorter than one frame",
        f"{at}/PLAIN": "unreadable phone labels",
        f"{at}/OK": "duplicated key",
        f"{at}/MUTE": "no sound file",
        f"{at}/BARE": "no phone labels",
    }
    assert [item.item for item in found] == list(range(8))
    assert [item.key for item in found if isinstance(item, Sample)] == [f"{at}/OK"]


def test_labels_in_utf_16_are_named_as_such(tmp_path: Path) -> None:
    at, wide = "TRAIN/DR1/FCJF0", PHN.encode("utf-16")
    put(tmp_path, whole(f"{at}/SA1") | {f"{at}/SA1.PHN": wide})
    with pytest.raises(DataError, match=r"SA1\.PHN is UTF-16, not UTF-8"):
        open_timit(Source.of(tmp_path))
    put(tmp_path, whole(f"{at}/SA2"))
    assert reasons(read(tmp_path)) == {f"{at}/SA1": "phone labels are UTF-16, not UTF-8"}
    put(tmp_path, {f"{at}/{name}.PHN": "she said\n" for name in ("SA1", "SA2")})
    with pytest.raises(DataError, match=r"SA1\.PHN holds no phone labels"):
        open_timit(Source.of(tmp_path))


def test_a_tree_with_other_phones_is_labelled_with_those(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1") | {"TRAIN/DR1/FCJF0/SA1.PHN": "0 8000 oU\n"})
    put(tmp_path, whole("TEST/DR1/MABC0/SA1"))
    assert open_timit(Source.of(tmp_path)).labels == ("h#", "iy", "oU", "sh")


def test_alignments_take_the_place_of_phones(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1") | whole("TRAIN/DR1/FCJF0/SA2"))
    states = " ".join(str(frame % 7) for frame in range(FRAMES))
    put(tmp_path, {"alignments/ali.txt": f"FCJF0_SA1 {states}\n"})
    found = read(tmp_path)
    assert isinstance(found[0], Sample)
    assert list(found[0].label)[:9] == [0, 1, 2, 3, 4, 5, 6, 0, 1]  # type: ignore[arg-type]
    assert found[0].fields["phones"] == ["h#", "sh", "iy", "h#"]
    assert reasons(found) == {"TRAIN/DR1/FCJF0/SA2": "no alignment"}


def test_the_hash_changes_with_a_phone(tmp_path: Path) -> None:
    put(tmp_path, whole("TRAIN/DR1/FCJF0/SA1"))
    before = open_timit(Source.of(tmp_path)).source_sha256
    assert before == open_timit(Source.of(tmp_path)).source_sha256
    (tmp_path / "TRAIN/DR1/FCJF0/SA1.PHN").write_text(PHN.replace("iy", "ih"))
    assert before != open_timit(Source.of(tmp_path)).source_sha256


def test_in_a_bucket_it_reads_the_same(tmp_path: Path) -> None:
    put(tmp_path / "timit", whole("TRAIN/DR1/FCJF0/SA1"))
    bucket = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    remote = open_timit(Source("bucket", "bucket", bucket, "timit"))
    assert remote.source_sha256 == open_timit(Source.of(tmp_path / "timit")).source_sha256
    assert list(remote.read("train", 0, 1)) == read(tmp_path / "timit")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"readme.txt": "hello"})
    with pytest.raises(DataError, match="TRAIN/DR1/FCJF0/SA1"):
        open_timit(Source.of(tmp_path))


def test_shards_hold_the_files_as_published_and_count_frames(tmp_path: Path) -> None:
    source, target = tmp_path / "timit", tmp_path / "shards"
    sound = encode_sphere(noise(), 16_000)
    put(source, whole("TRAIN/DR1/FCJF0/SA1", sound) | whole("TRAIN/DR1/FCJF0/SA2", sound[:3000]))
    report = ingest("timit", source, target)
    assert report.skipped == {"the sound is truncated": 1}
    manifest = Manifest.load(target)
    (entry,) = (shard for shard in manifest.shards if shard.rows)
    assert entry.units == FRAMES
    shard = open_shard(target, entry, manifest.columns)
    assert bytes(shard.payload(0)) == sound
    assert len(shard.label(0)) == FRAMES  # type: ignore[arg-type]
    assert shard.fields(0)["words"] == ["she"]
