"""LibriSpeech's tree, and frame alignments of Kaldi beside it."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pyarrow import fs

from striate.core.errors import DataError
from striate.data.corpora.kaldi import open_alignments
from striate.data.corpora.librispeech import open_librispeech, parse_speakers
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import (
    Sample,
    Skipped,
)
from striate.data.storage import Source

pytestmark = pytest.mark.unit

SAMPLES = 8000
FRAMES = 1 + (SAMPLES - 400) // 160
CENTRED_FRAMES = (SAMPLES + 80) // 160
PART = "LibriSpeech/train-clean-100"
SPEAKERS = """\
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 25.19 | Kara Shallenberg
26   | M | dev-clean        | 25.08 | Denis | Sayers
"""


def flac(samples: int = SAMPLES) -> bytes:
    import soundfile

    content = io.BytesIO()
    values = np.random.default_rng(2).integers(-3000, 3000, samples).astype(np.int16)
    soundfile.write(content, values, 16_000, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def put(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def chapter(
    lines: str = "19-198-0000 NORTHANGER ABBEY\n19-198-0001 THIS LITTLE WORK\n",
) -> dict[str, bytes | str]:
    """A chapter of two utterances."""
    return {
        f"{PART}/19/198/19-198-0000.flac": flac(),
        f"{PART}/19/198/19-198-0001.flac": flac(),
        f"{PART}/19/198/19-198.trans.txt": lines,
        "LibriSpeech/SPEAKERS.TXT": SPEAKERS,
    }


def aligned(root: Path, *lines: str) -> Path:
    return put(root, {"alignments/ali.1.txt": "".join(f"{line}\n" for line in lines)})


def states(count: int) -> str:
    return " ".join(str(10 + number) for number in range(count))


def read(root: Path, split: str = "train") -> list[Sample | Skipped]:
    opened = open_librispeech(Source.of(root))
    return list(opened.read(split, 0, len(opened.item_bytes[split])))


def reasons(found: Sequence[Sample | Skipped]) -> dict[str, str]:
    return {item.key: item.reason for item in found if isinstance(item, Skipped)}


def test_an_utterance_has_its_words_and_speaker_and_no_labels(tmp_path: Path) -> None:
    found = read(put(tmp_path, chapter()))
    assert isinstance(found[0], Sample)
    assert found[0].key == "19-198-0000"
    assert found[0].payload == flac()
    assert found[0].fields == {
        "units": FRAMES,
        "speaker": "19",
        "sex": "F",
        "chapter": "198",
        "text": "NORTHANGER ABBEY",
    }
    opened = open_librispeech(Source.of(tmp_path))
    assert (opened.label.kind, opened.labels) == ("none", ())


@pytest.mark.parametrize("place", ["", "LibriSpeech"])
def test_either_folder_may_be_named_and_speakers_may_be_missing(tmp_path: Path, place: str) -> None:
    files = chapter()
    del files["LibriSpeech/SPEAKERS.TXT"]
    first = read(put(tmp_path, files) / place)[0]
    assert isinstance(first, Sample)
    assert first.fields["sex"] == ""


def test_training_parts_are_one_split_and_the_others_stay_apart(tmp_path: Path) -> None:
    put(tmp_path, chapter())
    for part, key in (("train-other-500", "20-1-0000"), ("dev-clean", "26-2-0000")):
        speaker, number, _ = key.split("-")
        folder = f"LibriSpeech/{part}/{speaker}/{number}"
        put(tmp_path, {f"{folder}/{key}.flac": flac()})
        put(tmp_path, {f"{folder}/{speaker}-{number}.trans.txt": f"{key} HELLO\n"})
    assert [item.key for item in read(tmp_path)] == ["19-198-0000", "19-198-0001", "20-1-0000"]
    (held_out,) = read(tmp_path, "dev-clean")
    assert isinstance(held_out, Sample)
    assert held_out.fields["sex"] == "M"


def test_each_fault_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    lines = ["0000 A", "0002 B", "0003 C", "0003 D", "0004", "0009 E"]
    put(tmp_path, chapter("".join(f"19-198-{line}\n" for line in lines)))
    folder = f"{PART}/19/198"
    put(tmp_path, {f"{folder}/19-198-0002.flac": flac()[:900]})
    put(tmp_path, {f"{folder}/19-198-0003.flac": flac(), f"{folder}/19-198-0004.flac": flac()})
    put(tmp_path, {f"{PART}/19/199/19-198-0000.flac": flac()})
    found = read(tmp_path)
    assert [(item.key, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("19-198-0000", "duplicated key"),
        ("19-198-0001", "no transcript line"),
        ("19-198-0002", "the sound is truncated or damaged"),
        ("19-198-0003", "several transcript lines"),
        ("19-198-0004", "no transcript line"),
        ("19-198-0009", "no sound file"),
    ]
    assert [item.key for item in found if isinstance(item, Sample)] == ["19-198-0000"]


def test_the_sexes_of_speakers_are_read_past_comments_and_bars() -> None:
    assert parse_speakers(SPEAKERS.encode()) == {"19": "F", "26": "M"}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train-clean-100"):
        open_librispeech(Source.of(put(tmp_path, {"a/b.txt": "hello"})))


@pytest.mark.parametrize(("length", "first"), [(FRAMES, 10), (CENTRED_FRAMES, 11)])
def test_alignments_label_every_frame(tmp_path: Path, length: int, first: int) -> None:
    aligned(
        put(tmp_path, chapter()), f"19-198-0000 {states(length)}", f"19-198-0001 {states(FRAMES)} "
    )
    opened = open_librispeech(Source.of(tmp_path))
    assert opened.label.kind == "frames"
    assert len(opened.labels) == 10 + max(length, FRAMES)
    sample = read(tmp_path)[0]
    assert isinstance(sample, Sample)
    assert list(sample.label) == list(range(first, first + FRAMES))  # type: ignore[arg-type]


def test_a_gzipped_archive_reads_like_a_plain_one(tmp_path: Path) -> None:
    put(tmp_path, chapter())
    lines = f"19-198-0000 {states(FRAMES)}\n\n19-198-0001 {states(FRAMES)}"
    put(tmp_path, {"alignments/ali.1.gz": gzip.compress(lines.encode())})
    labels = [list(item.label) for item in read(tmp_path) if isinstance(item, Sample)]  # type: ignore[arg-type]
    assert labels == [list(range(10, 10 + FRAMES))] * 2


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no alignment"),
        ([f"19-198-0000 {states(FRAMES - 5)}"], "alignment of another length than the sound"),
        (["19-198-0000"], "alignment of another length than the sound"),
        (["19-198-0000 1 2 x 4"], "unreadable alignment"),
        ([f"19-198-0000 {states(FRAMES)}"] * 2, "duplicated alignment"),
    ],
)
def test_an_alignment_that_does_not_fit_is_named(
    tmp_path: Path, lines: list[str], reason: str
) -> None:
    aligned(put(tmp_path, chapter()), *lines, f"19-198-0001 {states(FRAMES)}")
    assert reasons(read(tmp_path)) == {"19-198-0000": reason}


def test_states_out_of_range_are_counted(tmp_path: Path) -> None:
    source = aligned(
        put(tmp_path / "source", chapter()),
        f"19-198-0000 {states(FRAMES)}",
        f"19-198-0001 {' '.join(['0'] * FRAMES)}",
    )
    put(source, {"alignments/states.txt": "SIL 0\nA_s2 1\n\nB_s2 3\n"})
    report = ingest("librispeech", source, tmp_path / "shards")
    assert report.splits == {"train": 1}
    assert report.skipped == {"label out of range": 1}
    assert Manifest.load(tmp_path / "shards").labels == ("SIL", "A_s2", "2", "B_s2")


def test_states_below_nought_are_counted(tmp_path: Path) -> None:
    below = " ".join(["-1"] * FRAMES)
    source = aligned(
        put(tmp_path / "source", chapter()), f"19-198-0000 {below}", f"19-198-0001 {states(FRAMES)}"
    )
    assert ingest("librispeech", source, tmp_path / "shards").skipped == {"label out of range": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ali.ark", b"19-198-0000 \0B\4\2\0\0\0", "binary archive"),
        (
            "ali.gz",
            gzip.compress(b"19-198-0000 1 2 3\n" * 90, mtime=0)[:40],
            "truncated or damaged",
        ),
        ("states.txt", b"SIL zero\n", "Line 1"),
        ("states.txt", b"SIL 0\nA 0\n", "Line 2"),
        ("states.txt", b"\n", "lists no states"),
    ],
)
def test_archives_that_cannot_be_used_are_named(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    put(tmp_path, {f"alignments/{name}": content})
    with pytest.raises(DataError, match=said) as caught:
        open_alignments(Source.of(tmp_path))
    assert f"alignments/{name}" in caught.value.message


def test_in_a_bucket_it_reads_the_same(tmp_path: Path) -> None:
    here = aligned(
        put(tmp_path / "speech", chapter()),
        *(f"19-198-{n} {states(FRAMES)}" for n in ("0000", "0001")),
    )
    bucket = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    remote = open_librispeech(Source("bucket", "bucket", bucket, "speech"))
    assert remote.source_sha256 == open_librispeech(Source.of(here)).source_sha256
    assert list(remote.read("train", 0, 2)) == read(here)


def test_no_folder_of_alignments_is_no_fault(tmp_path: Path) -> None:
    assert open_alignments(Source.of(tmp_path)) is None
