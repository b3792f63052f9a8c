"""Folders of one's own images, clips and sounds: classes, splits, tables, and what is left out."""

import io
import itertools
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from striate.core.errors import DataError, StriateError, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.base import FolderOptions
from striate.data.corpora.hidden_files import is_hidden
from striate.data.corpora.labelled_files import (
    LabelledFiles,
    draw_split,
    open_clips,
    open_images,
    open_sounds,
)
from striate.data.corpora.sports import encode
from striate.data.ingest.ingest import ingest
from striate.data.ingest.request import IngestRequest
from striate.data.ingest.tasks import IngestJob
from striate.data.shards.folder import ShardFolder
from striate.data.shards.schema import Sample, Skipped
from striate.data.storage import Source, Target

pytestmark = pytest.mark.unit


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def photo(level: int = 0, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), level, np.uint8)).save(out, kind)
    return out.getvalue()


def tone(seconds: float = 0.1, kind: str = "WAV") -> bytes:
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, np.sin(np.arange(round(seconds * 16_000)) / 4), 16_000, format=kind)
    return out.getvalue()


def moving() -> Iterator[np.ndarray]:
    for index in range(20):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[10:30, index : index + 20] = (200, 40, 90)
        yield frame


def items(opened: LabelledFiles) -> list[Sample | Skipped]:
    splits = opened.item_bytes.items()
    return [item for split, sizes in splits for item in opened.read(split, 0, len(sizes))]


def good(opened: LabelledFiles) -> dict[str, str]:
    """Key → name of the class."""
    found = (item for item in items(opened) if isinstance(item, Sample))
    return {item.key: opened.labels[int(item.label)] for item in found}  # type: ignore[arg-type]


def skipped(opened: LabelledFiles) -> dict[str, str]:
    """Key → why it was left out."""
    return {item.key: item.reason for item in items(opened) if isinstance(item, Skipped)}


def splits(opened: LabelledFiles) -> dict[str, list[str]]:
    return {split: sorted(file.path for file in files) for split, files in opened.splits.items()}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, one of them in nested folders."""
    folder = tmp_path / "pets"
    for number in range(20):
        put(folder / "cat" / f"{number}.jpg", photo(number))
        breed = "spaniel" if number % 2 else "terrier"
        put(folder / "dog" / breed / f"{number}.png", photo(number, "PNG"))
    return folder


# Class folders


def test_the_first_folder_names_the_class_and_nested_ones_add_nothing(pets: Path) -> None:
    opened = open_images(Source.of(pets))
    assert opened.labels == ("cat", "dog")
    found = good(opened)
    assert len(found) == 40
    assert found["dog/spaniel/1.png"] == "dog"
    assert skipped(opened) == {}
    sample = next(item for item in items(opened) if isinstance(item, Sample))
    assert dict(sample.fields) == {"height": 6, "width": 8}


def test_a_file_more_or_less_does_not_move_the_others_between_splits(pets: Path) -> None:
    before = splits(open_images(Source.of(pets), FolderOptions(test_share=0.3)))
    assert set(before) == {"train", "test"}
    (pets / "cat" / "3.jpg").unlink()
    put(pets / "cat" / "new.jpg", photo())
    after = splits(open_images(Source.of(pets), FolderOptions(test_share=0.3)))
    changed = {"cat/3.jpg", "cat/new.jpg"}
    for split in before:
        assert set(before[split]) - changed == set(after[split]) - changed


def test_the_classes_are_mixed_in_the_shards(pets: Path) -> None:
    found = items(open_images(Source.of(pets)))
    order = [item.label for item in found if isinstance(item, Sample)]
    assert sum(a != b for a, b in itertools.pairwise(order)) > 8


@given(st.integers(0), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_what_a_smaller_one_does(
    number: int, one: float, two: float
) -> None:
    path = f"{number}.jpg"
    smaller, larger = sorted((one, two))
    assert draw_split(path, 0) == "train"
    assert draw_split(path, smaller) == "train" or draw_split(path, larger) == "test"


def test_the_share_is_about_what_was_asked_for() -> None:
    drawn = Counter(draw_split(f"{number}.jpg", 0.2) for number in range(5000))
    assert 900 < drawn["test"] < 1100


def test_without_a_share_there_is_no_test_split(pets: Path) -> None:
    assert set(open_images(Source.of(pets), FolderOptions(test_share=0)).splits) == {"train"}


@pytest.mark.parametrize("other", ["test", "val", "validation", "dev"])
def test_folders_named_for_splits_are_splits(tmp_path: Path, other: str) -> None:
    for split in ("train", other):
        for name in ("cat", "dog"):
            put(tmp_path / split / name / "deep" / "1.jpg", photo())
    put(tmp_path / split / "loose.jpg", photo())
    opened = open_images(Source.of(tmp_path))
    assert opened.labels == ("cat", "dog")
    assert list(opened.splits) == ["train", other]
    assert skipped(opened) == {f"{other}/loose.jpg": "in no class folder"}
    with pytest.raises(UsageError, match=r"splits of .* are given"):
        open_images(Source.of(tmp_path), FolderOptions(test_share=0.5))


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "car"):
        put(tmp_path / name / "1.jpg", photo())
    assert open_images(Source.of(tmp_path)).labels == ("car", "train")


def test_classes_of_digits_are_sorted_as_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        put(tmp_path / name / "1.jpg", photo())
    assert open_images(Source.of(tmp_path)).labels == ("1", "9", "10")


HIDDEN = (
    *(".DS_Store", "cat/.DS_Store", "cat/._1.jpg", "__MACOSX/cat/1.jpg", "cat/Thumbs.db"),
    *(".git/1.jpg", "cat/.cache/1.jpg", "Desktop.ini", "@eaDir/1.jpg"),
)


def test_hidden_and_system_files_are_as_if_they_were_not_there(pets: Path) -> None:
    before = open_images(Source.of(pets))
    for path in HIDDEN:
        put(pets / path, photo())
    after = open_images(Source.of(pets))
    assert after.source_sha256 == before.source_sha256
    assert all(map(is_hidden, HIDDEN))
    assert not any(map(is_hidden, ("cat/1.jpg", "a.b/c..jpg", "thumbs/db.jpg")))


def test_what_cannot_be_used_is_named_with_its_reason(pets: Path) -> None:
    put(pets / "cat" / "empty.jpg", b"")
    put(pets / "cat" / "half.png", photo(0, "PNG")[:40])
    put(pets / "cat" / "page.jpg", b"<html>gone</html>")
    put(pets / "cat" / "old.gif", b"GIF89a and so on")
    put(pets / "cat" / "notes.txt", "mine")
    put(pets / "texts" / "notes.txt", "a folder without an image is no class")
    put(pets / "loose.jpg", photo())
    opened = open_images(Source.of(pets))
    assert opened.labels == ("cat", "dog")
    assert skipped(opened) == {
        "cat/empty.jpg": "empty file",
        "cat/half.png": "the PNG image is truncated or damaged",
        "cat/page.jpg": "the payload is none of PNG, JPEG, WebP, AVIF, GIF and HEIC",
        "cat/old.gif": "the GIF image is truncated or damaged",
        "cat/notes.txt": "not a file of the kind image",
        "texts/notes.txt": "not a file of the kind image",
        "loose.jpg": "in no class folder",
    }


def test_the_limit_on_what_is_skipped_holds(pets: Path, tmp_path: Path) -> None:
    for number in range(10):
        put(pets / "cat" / f"broken{number}.jpg", b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"More than the allowed 10.00% of 50 samples.*10 ×"):
        ingest("images", pets, tmp_path / "shards", max_skipped=0.1)
    report = ingest("images", pets, tmp_path / "shards", max_skipped=0.2)
    assert sum(report.skipped.values()) == 10


def test_a_file_that_goes_while_it_is_ingested_is_counted(pets: Path) -> None:
    opened = open_images(Source.of(pets))
    (pets / "cat" / "3.jpg").unlink()
    assert skipped(opened) == {"cat/3.jpg": "unreadable file"}


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ((), "has no class folders of images"),
        (("1.jpg", "2.jpg"), "has no class folders of images"),
        (("images/1.jpg", "images/2.jpg"), "has but one class folder, images"),
    ],
)
def test_a_folder_without_classes_is_one_sentence(
    tmp_path: Path, paths: tuple[str, ...], says: str
) -> None:
    for path in paths:
        put(tmp_path / path, photo())
    with pytest.raises(DataError, match=says) as error:
        open_images(Source.of(tmp_path))
    assert "--table" in error.value.remedy


# Tables

LINES = ("path,label", "a/1.jpg,007", "./a/2.jpg,8", "b\\3.jpg,8", "", "")


def listed(folder: Path, content: bytes | str, name: str = "labels.csv") -> Source:
    for path in ("a/1.jpg", "a/2.jpg", "b/3.jpg"):
        put(folder / path, photo())
    put(folder / name, content)
    return Source.of(folder)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_csv_is_read_whatever_wrote_it(tmp_path: Path, end: str, mark: str) -> None:
    opened = open_images(listed(tmp_path, mark + end.join(LINES)))
    assert good(opened) == {"a/1.jpg": "007", "a/2.jpg": "8", "b/3.jpg": "8"}
    assert opened.labels == ("007", "8")  # as they are written
    assert skipped(opened) == {}


def test_a_parquet_table_with_splits_and_columns_of_its_own(tmp_path: Path) -> None:
    table = {"file": ["a/1.jpg", "a/2.jpg", "b/3.jpg"], "class": [10, 9, 9]}
    table["part"] = pa.array(["val", "train", None]).dictionary_encode()
    source = listed(tmp_path, b"")
    (tmp_path / "labels.csv").unlink()
    parquet.write_table(pa.table(table), tmp_path / "some.parquet")
    options = FolderOptions(None, "file", "class", "part")
    opened = open_images(source, options)
    assert opened.labels == ("9", "10")
    assert splits(opened) == {"train": ["a/2.jpg", "b/3.jpg"], "val": ["a/1.jpg"]}
    assert skipped(opened) == {"b/3.jpg": "no split"}
    with pytest.raises(UsageError, match="are given"):
        open_images(source, FolderOptions(None, "file", "class", "part", 0.2))


def test_a_column_called_split_is_never_overlooked(tmp_path: Path) -> None:
    source = listed(tmp_path, "path,label,split\na/1.jpg,x,train\na/2.jpg,y,train\nb/3.jpg,y,test")
    assert splits(open_images(source))["test"] == ["b/3.jpg"]


def test_rows_that_cannot_be_used_are_named_with_their_reason(tmp_path: Path) -> None:
    rows = "a/1.jpg,x\na/1.jpg,y\na/2.jpg,\ngone.jpg,x\n../up.jpg,x\n/etc/passwd,x\nb/3.jpg,y"
    opened = open_images(listed(tmp_path, f"path,label\n{rows}"))
    assert good(opened) == {"a/1.jpg": "x", "b/3.jpg": "y"}
    left_out = [item for item in items(opened) if isinstance(item, Skipped)]
    assert Counter(item.reason for item in left_out) == {
        "duplicated key": 1,
        "no label": 1,
        "missing file": 1,
        "path outside the folder": 2,
    }


def test_a_table_without_one_file_ends_in_one_sentence(tmp_path: Path) -> None:
    source = listed(tmp_path / "own", "path,label\n1.jpg,x\n2.jpg,y")
    with pytest.raises(DataError, match=r"Not one sample .* 2 × missing file \(\d.jpg, \d.jpg\)"):
        ingest("images", source, tmp_path / "shards")


BAD_TABLES = {
    b"path,class\na/1.jpg,x": "no column label; its columns are path, class",
    b"path;label\na/1.jpg;x": "no column path; its columns are path;label",
    b"path,label,path\na/1.jpg,x,y": "several columns path",
    b"path,label\n": "has no rows",
    b"": "Empty CSV file",
    b"path,label\na/1.jpg,x,y": "Expected 2 columns, got 3",
    b"path,label\na/\xff.jpg,x": "is not UTF-8",
}


@pytest.mark.parametrize("content", BAD_TABLES)
def test_a_bad_csv_is_one_sentence_that_names_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError) as error:
        open_images(listed(tmp_path, content), FolderOptions(table="labels.csv"))
    assert BAD_TABLES[content] in error.value.message
    assert str(tmp_path / "labels.csv") in error.value.message
    assert "\n" not in str(error.value)


def test_bad_parquet_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    source = listed(tmp_path, b"PAR1", "labels.parquet")
    with pytest.raises(DataError, match=r"labels\.parquet cannot be read as a table"):
        open_images(source)
    parquet.write_table(pa.table({"path": [["a"]], "label": ["x"]}), tmp_path / "labels.parquet")
    with pytest.raises(DataError, match=r"The column path of .*labels\.parquet holds list"):
        open_images(source)


def test_a_table_that_is_not_there_is_said(pets: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*absent\.csv"):
        open_images(Source.of(pets), FolderOptions(table="absent.csv"))
    with pytest.raises(UsageError, match="no table"):
        open_images(Source.of(pets), FolderOptions(label_column="breed"))


def test_a_table_without_the_columns_does_not_hide_class_folders(pets: Path) -> None:
    put(pets / "licences.csv", "author,licence\nme,CC0")
    opened = open_images(Source.of(pets))
    assert opened.labels == ("cat", "dog")
    assert skipped(opened) == {"licences.csv": "not a file of the kind image"}
    (pets / "licences.csv").rename(pets.parent / "licences.csv")
    with pytest.raises(DataError, match="no column path"):
        open_images(Source.of(pets.parent), FolderOptions(label_column="licence"))


def test_a_damaged_table_of_something_else_does_not_hide_class_folders(pets: Path) -> None:
    """Only the head of what may be a table of labels is looked at."""
    put(pets / "prices.csv", "item,price\n" + "a,1\n" * 300_000 + "b,2,\xff\n")
    assert open_images(Source.of(pets)).labels == ("cat", "dog")
    put(pets / "labels.csv", "path,label\n" + "a,1\n" * 300_000 + "b,2,3\n")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read as a table"):
        open_images(Source.of(pets))


def test_of_several_tables_one_must_be_named(tmp_path: Path) -> None:
    source = listed(tmp_path, "path,label\na/1.jpg,x\na/2.jpg,y")
    put(tmp_path / "more.csv", "path,label\nb/3.jpg,z")
    with pytest.raises(UsageError, match=r"labels\.csv, more\.csv"):
        open_images(source)
    assert open_images(source, FolderOptions(table="more.csv")).labels == ("z",)


# Clips and sounds


def test_clips_and_sounds_are_read_the_same_way(tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        encode(tmp_path / "clips" / name / "1.mp4", moving())
        put(tmp_path / "sounds" / name / "1.wav", tone())
        put(tmp_path / "sounds" / name / "2.flac", tone(0.5, "FLAC"))
    put(tmp_path / "clips" / "left" / "2.mp4", b"<html>gone</html>")
    put(tmp_path / "sounds" / "left" / "3.wav", tone()[:60])
    put(tmp_path / "sounds" / "left" / "4.wav", tone(0.01))
    put(tmp_path / "sounds" / "left" / "5.mp3", b"ID3 and so on")
    clips = open_clips(Source.of(tmp_path / "clips"))
    assert good(clips) == {"left/1.mp4": "left", "right/1.mp4": "right"}
    assert set(skipped(clips)) == {"left/2.mp4"}
    shown = next(item for item in items(clips) if isinstance(item, Sample)).fields
    assert (shown["frames"], shown["height"], shown["width"]) == (20, 48, 64)
    sounds = open_sounds(Source.of(tmp_path / "sounds"))
    assert len(good(sounds)) == 4
    assert skipped(sounds) == {
        "left/3.wav": "the sound is truncated",
        "left/4.wav": "the sound is shorter than one frame",
        "left/5.mp3": "the sound is neither FLAC nor RIFF nor SPHERE",
    }
    lengths = {item.fields["seconds"] for item in items(sounds) if isinstance(item, Sample)}
    assert lengths == {0.1, 0.5}


@pytest.mark.parametrize("ending", ["MTS", "m2ts", "ts", "vob", "mkv", "mov"])
def test_clips_are_found_by_the_endings_that_cameras_and_discs_give(
    tmp_path: Path, ending: str
) -> None:
    container = {"mkv": "mkv", "mov": "mov", "vob": "mpg"}.get(ending, "ts")
    for name in ("left", "right"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        encode(tmp_path / f"made.{container}", moving())
        (tmp_path / f"made.{container}").rename(tmp_path / "clips" / name / f"1.{ending}")
    assert set(good(open_clips(Source.of(tmp_path / "clips")))) == {
        f"left/1.{ending}",
        f"right/1.{ending}",
    }


# Ingest


def test_shards_hold_the_files_as_they_were(pets: Path, tmp_path: Path) -> None:
    options = FolderOptions(test_share=0.25)
    report = ingest("images", pets, tmp_path / "shards", folder=options)
    again = ingest("images", pets, tmp_path / "shards", folder=options)
    assert (again.written, again.sha256) == (0, report.sha256)
    folder = ShardFolder.of(tmp_path / "shards")
    seen = 0
    for split in folder.manifest.splits:
        for entry in folder.manifest.split_shards(split):
            shard = folder.open(entry)
            for row in range(entry.rows):
                seen += 1
                assert bytes(shard.payload(row)) == (pets / shard.key(row)).read_bytes()
    assert seen == 40
    with pytest.raises(DataError, match="holds other shards"):
        ingest("images", pets, tmp_path / "shards", folder=FolderOptions(test_share=0.5))


def test_options_go_along_to_workers(tmp_path: Path) -> None:
    places = Source.of(tmp_path / "own"), Target.of(tmp_path / "shards")
    job = IngestJob("images", *places, "a", "b", FolderOptions("labels.csv", test_share=0.5))
    assert pickle.loads(pickle.dumps(job)).folder == job.folder  # noqa: S301


@pytest.mark.parametrize(
    ("corpus", "options", "says"),
    [
        ("images", FolderOptions(test_share=1.0), "share of 1.0 cannot be held out"),
        ("images", FolderOptions(test_share=-0.1), "share of -0.1 cannot be held out"),
        ("digits", FolderOptions(table="a.csv"), "digits has labels and splits of its own"),
    ],
)
def test_options_that_cannot_be_meant_start_nothing(
    tmp_path: Path, corpus: str, options: FolderOptions, says: str
) -> None:
    request = IngestRequest(
        corpus, Source.of(tmp_path), Target.of(tmp_path / "shards"), folder=options
    )
    with pytest.raises(StriateError, match=says):
        request.check()
    assert list(tmp_path.iterdir()) == []


def test_the_three_stand_in_the_table() -> None:
    assert {"images", "clips", "sounds"} <= {
        name for name, corpus in CORPORA.items() if corpus.open_with is not None
    }
