"""ImageNet in each of its published forms: what is read, and what bad input gets."""

import gzip
import io
import itertools
import pickle
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest

from striate.core.errors import DataError
from striate.data.corpora import imagenet_index
from striate.data.corpora.imagenet import TARS, open_imagenet
from striate.data.corpora.imagenet_devkit import DEVKIT, Synset, write_devkit
from striate.data.ingest.ingest import ingest
from striate.data.shards.schema import (
    OpenCorpus,
    Sample,
    Skipped,
)
from striate.data.storage import Source

pytestmark = pytest.mark.unit

# Ids as in the real kit: they do not follow the alphabet.
SYNSETS = (
    Synset(2, "n01440764", "tench, Tinca tinca", "a fish", (), 3),
    Synset(3, "n02012849", "crane", "a bird", (), 40),
    Synset(1, "n03126707", "crane", "a machine", (), 2),
    Synset(4, "n00001740", "entity", "all there is", (1, 2, 3)),
)
COUNTS = {"n01440764": 3, "n02012849": 40, "n03126707": 2}
TRUTH = [3, 2, 1, 1, 3]
CLASS_OF_ID = {2: 0, 3: 1, 1: 2}

Files = dict[str, bytes]


def train_files() -> dict[str, Files]:
    return {
        wnid: {f"{wnid}_{n}.JPEG": f"{wnid} {n}".encode() * (n + 1) for n in range(count)}
        for wnid, count in COUNTS.items()
    }


def val_files() -> Files:
    return {f"ILSVRC2012_val_{n:08d}.JPEG": f"val {n}".encode() for n in range(1, 6)}


def tar_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def train_tar() -> bytes:
    return tar_of({f"{wnid}.tar": tar_of(files) for wnid, files in train_files().items()})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    source = tmp_path / "packed"
    source.mkdir()
    write_devkit(source, SYNSETS, TRUTH)
    (source / "ILSVRC2012_img_train.tar").write_bytes(train_tar())
    (source / "ILSVRC2012_img_val.tar").write_bytes(tar_of(val_files()))
    return source


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    source = tmp_path / "unpacked"
    source.mkdir()
    write_devkit(source, SYNSETS, TRUTH)
    for wnid, files in train_files().items():
        put(source / "train" / wnid, files)
    put(source / "val", val_files())
    return source


def read(opened: OpenCorpus, split: str) -> Iterator[Sample | Skipped]:
    return opened.read(split, 0, len(opened.item_bytes[split]))


def samples(opened: OpenCorpus, split: str) -> dict[str, tuple[object, bytes]]:
    return {s.key: (s.label, s.payload) for s in read(opened, split) if isinstance(s, Sample)}


def skipped(opened: OpenCorpus, split: str) -> set[tuple[str, str]]:
    return {(s.reason, s.key) for s in read(opened, split) if isinstance(s, Skipped)}


def expected_train() -> dict[str, tuple[object, bytes]]:
    return {
        f"{wnid}/{name}": (label, content)
        for label, (wnid, files) in enumerate(train_files().items())
        for name, content in files.items()
    }


@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_every_image_is_read_with_its_class(form: str, request: pytest.FixtureRequest) -> None:
    opened = open_imagenet(Source.of(request.getfixturevalue(form)))
    assert opened.labels == ("n01440764 tench, Tinca tinca", "n02012849 crane", "n03126707 crane")
    assert samples(opened, "train") == expected_train()
    assert samples(opened, "val") == {
        name: (CLASS_OF_ID[number], content)
        for number, (name, content) in zip(TRUTH, val_files().items(), strict=True)
    }
    assert not skipped(opened, "train") | skipped(opened, "val")


def test_the_kit_may_be_unpacked(packed: Path) -> None:
    before = open_imagenet(Source.of(packed))
    with tarfile.open(packed / f"{DEVKIT}.tar.gz") as tar:
        tar.extractall(packed, filter="data")
    (packed / f"{DEVKIT}.tar.gz").unlink()
    after = open_imagenet(Source.of(packed))
    assert after.labels == before.labels
    assert list(read(after, "val")) == list(read(before, "val"))
    assert after.source_sha256 == before.source_sha256


def test_any_part_reads_as_in_the_whole(packed: Path) -> None:
    opened = open_imagenet(Source.of(packed))
    whole = list(read(opened, "train"))
    assert [sample.item for sample in whole] == list(range(45))
    assert list(opened.read("train", 7, 31)) == whole[7:31]
    sizes = opened.item_bytes["train"]
    assert [len(s.payload) for s in whole if isinstance(s, Sample)] == sizes.tolist()


def test_classes_are_mixed_in_runs(packed: Path) -> None:
    opened = open_imagenet(Source.of(packed))
    labels = [sample.label for sample in read(opened, "train") if isinstance(sample, Sample)]
    changes = sum(a != b for a, b in itertools.pairwise(labels))
    assert Counter(labels) == {0: 3, 1: 40, 2: 2}
    assert changes > 2


def test_a_validation_set_in_folders_needs_no_kit(unpacked: Path) -> None:
    (unpacked / f"{DEVKIT}.tar.gz").unlink()
    for number, (name, content) in zip(TRUTH, val_files().items(), strict=True):
        wnid = next(s.wnid for s in SYNSETS if s.ilsvrc_id == number)
        put(unpacked / "val" / wnid, {name: content})
        (unpacked / "val" / name).unlink()
    opened = open_imagenet(Source.of(unpacked))
    assert opened.labels == tuple(COUNTS)
    labels = {key.partition("/")[2]: label for key, (label, _) in samples(opened, "val").items()}
    assert [labels[name] for name in val_files()] == [CLASS_OF_ID[i] for i in TRUTH]


def test_a_flat_validation_set_without_the_kit_is_refused(unpacked: Path) -> None:
    (unpacked / f"{DEVKIT}.tar.gz").unlink()
    with pytest.raises(DataError, match=r"Put ILSVRC2012_devkit_t12\.tar\.gz beside it"):
        open_imagenet(Source.of(unpacked))


def test_a_folder_with_neither_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither ILSVRC2012_img_train\.tar nor"):
        open_imagenet(Source.of(tmp_path))


def test_several_readers_find_the_same(packed: Path) -> None:
    tar = packed / "ILSVRC2012_img_train.tar"
    one, many = (imagenet_index.index_train_tar(lambda: tar.open("rb"), n) for n in (1, 3))
    assert one.equals(many)
    assert len(one) == 45


@pytest.mark.parametrize("cut", range(1024, len(train_tar().rstrip(b"\0")), 1500))
def test_a_train_tar_cut_anywhere_gives_what_is_whole(packed: Path, cut: int) -> None:
    path = packed / "ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[:cut])
    opened = open_imagenet(Source.of(packed))
    found = samples(opened, "train")
    whole = expected_train()
    assert found.items() <= whole.items()
    assert len(found) >= _whole_before(cut)
    reasons = Counter(reason for reason, _ in skipped(opened, "train"))
    assert reasons["tar cut short"] == 1
    assert reasons["missing class"] == len(COUNTS) - len({key[:9] for key in found})


def _whole_before(cut: int) -> int:
    """Images whose content ends before the cut, found by looking for it."""
    content = train_tar()
    ends = [content.find(payload) + len(payload) for _, payload in expected_train().values()]
    return sum(end <= cut for end in ends)


def test_a_cut_validation_tar_names_what_is_missing(packed: Path) -> None:
    path = packed / "ILSVRC2012_img_val.tar"
    path.write_bytes(path.read_bytes()[: 3 * 1024 + 100])
    opened = open_imagenet(Source.of(packed))
    assert len(samples(opened, "val")) == 3
    assert {
        ("missing image", "ILSVRC2012_val_00000004.JPEG"),
        ("missing image", "ILSVRC2012_val_00000005.JPEG"),
    } <= skipped(opened, "val")
    assert "tar cut short" in {reason for reason, _ in skipped(opened, "val")}


def test_a_damaged_class_tar_and_strange_members_are_named(packed: Path) -> None:
    tars = {f"{wnid}.tar": tar_of(files) for wnid, files in train_files().items()}
    tars["n03126707.tar"] = b"no tar at all" * 100
    tars["README"] = b"hello"
    tars["n99999999.tar"] = tar_of({"n99999999_1.JPEG": b"x"})
    twice = tar_of({"a.JPEG": b"1", "notes.txt": b"2"})
    tars["n01440764.tar"] = twice[:1024] + twice  # a.JPEG comes twice
    (packed / "ILSVRC2012_img_train.tar").write_bytes(tar_of(tars))
    opened = open_imagenet(Source.of(packed))
    assert skipped(opened, "train") == {
        ("unreadable member", "n03126707.tar"),
        ("unreadable member", "README"),
        ("class not in the devkit", "n99999999/n99999999_1.JPEG"),
        ("duplicated key", "n01440764/a.JPEG"),
        ("not an image", "n01440764/notes.txt"),
        ("missing class", "n03126707"),
    }
    assert samples(opened, "train")["n01440764/a.JPEG"] == (0, b"1")


def test_the_unpacked_tar_gives_the_rows_of_the_tar(packed: Path, unpacked: Path) -> None:
    """Links, nested folders, system files: one rule for both forms."""
    out = io.BytesIO()
    names = {
        "./n01440764_0.JPEG": b"zero",
        "n01440764/n01440764_1.JPEG": b"one",
        "inside/n01440764_1.JPEG": b"another one",
        "inside/deep/n01440764_2.JPEG": b"two",
        "._n01440764_0.JPEG": b"resource fork",
        "__MACOSX/n01440764_0.JPEG": b"resource fork",
        "Thumbs.db": b"thumbs",
    }
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, kind, target in (
            ("hard.JPEG", tarfile.LNKTYPE, "./n01440764_0.JPEG"),
            ("inside/soft.JPEG", tarfile.SYMTYPE, "deep/n01440764_2.JPEG"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    tars = {f"{wnid}.tar": tar_of(files) for wnid, files in train_files().items()}
    tars["n01440764.tar"] = out.getvalue()
    (packed / "ILSVRC2012_img_train.tar").write_bytes(tar_of(tars))
    folder = unpacked / "train" / "n01440764"
    shutil.rmtree(folder)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        tar.extractall(folder, filter="data")
    for path in (folder / "n01440764").iterdir():  # as unpacking beside the folders gives
        path.rename(folder / path.name)
    (folder / "n01440764").rmdir()
    put(unpacked / "train" / ".ipynb_checkpoints", {"a.JPEG": b"x"})
    one, other = open_imagenet(Source.of(packed)), open_imagenet(Source.of(unpacked))
    assert samples(one, "train") == samples(other, "train")
    assert samples(one, "train")["n01440764/inside/soft.JPEG"] == (0, b"two")
    assert samples(one, "train")["n01440764/hard.JPEG"] == (0, b"zero")
    hidden = ("not an image", ".ipynb_checkpoints/a.JPEG")
    assert skipped(one, "train") | {hidden} == skipped(other, "train")
    assert {key for _, key in skipped(one, "train")} == {
        "n01440764/._n01440764_0.JPEG",
        "n01440764/__MACOSX/n01440764_0.JPEG",
        "n01440764/Thumbs.db",
    }


def test_what_is_wrong_in_folders_is_named(unpacked: Path) -> None:
    put(unpacked / "train" / "n77777777", {"x.JPEG": b"x"})
    put(unpacked / "train" / "n01440764", {".DS_Store": b"x"})
    for path in (unpacked / "train" / "n03126707").iterdir():
        path.unlink()
    opened = open_imagenet(Source.of(unpacked))
    (unpacked / "train" / "n02012849" / "n02012849_7.JPEG").unlink()
    assert skipped(opened, "train") == {
        ("class not in the devkit", "n77777777/x.JPEG"),
        ("not an image", "n01440764/.DS_Store"),
        ("unreadable file", "n02012849/n02012849_7.JPEG"),
        ("missing class", "n03126707"),
    }
    assert len(samples(opened, "train")) == 42


def test_wrong_ground_truth_is_named(unpacked: Path) -> None:
    write_devkit(unpacked, SYNSETS, [3, 2, 1, 1])
    put(unpacked / "val", {"ILSVRC2012_val_00000001.jpeg": b"again", "photo.JPEG": b"x"})
    opened = open_imagenet(Source.of(unpacked))
    assert skipped(opened, "val") >= {
        ("no ground truth", "ILSVRC2012_val_00000005.JPEG"),
        ("no ground truth", "photo.JPEG"),
        ("duplicated key", "ILSVRC2012_val_00000001.jpeg"),
    }
    assert {key: label for key, (label, _) in samples(opened, "val").items()} == {
        "ILSVRC2012_val_00000001.JPEG": 1,
        "ILSVRC2012_val_00000002.JPEG": 0,
        "ILSVRC2012_val_00000003.JPEG": 2,
        "ILSVRC2012_val_00000004.JPEG": 2,
    }


@pytest.mark.parametrize(
    ("truth", "line", "number", "from_0"),
    [
        ([3, 2, 4, 99], 3, 4, False),  # 4 is no leaf, 99 nothing at all
        ([3, 2, 1, 99], 4, 99, False),
        ([-1, 2, 1, 1], 1, -1, False),
        ([number - 1 for number in TRUTH], 3, 0, True),
    ],
)
@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_one_impossible_id_proves_the_ground_truth_wrong(
    form: str,
    truth: list[int],
    line: int,
    number: int,
    from_0: bool,
    request: pytest.FixtureRequest,
) -> None:
    place: Path = request.getfixturevalue(form)
    write_devkit(place, SYNSETS, truth)
    with pytest.raises(DataError, match=f"line {line} has the id {number}, which") as caught:
        open_imagenet(Source.of(place))
    assert ("from 0" in caught.value.message) == from_0


def test_a_folder_that_the_ground_truth_contradicts_is_named(unpacked: Path) -> None:
    name = "ILSVRC2012_val_00000001.JPEG"
    (unpacked / "val" / name).unlink()
    put(unpacked / "val" / "n03126707", {name: b"x"})  # the truth says n02012849
    opened = open_imagenet(Source.of(unpacked))
    assert ("folder and ground truth differ", f"n03126707/{name}") in skipped(opened, "val")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda old: old[: len(old) // 2], "truncated or damaged"),
        (lambda old: b"no gzip", "truncated or damaged"),
    ],
)
def test_a_damaged_kit_is_named(packed: Path, damage: object, says: str) -> None:
    path = packed / f"{DEVKIT}.tar.gz"
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=says) as caught:
        open_imagenet(Source.of(packed))
    assert DEVKIT in caught.value.message


def test_a_damaged_table_of_synsets_is_named(unpacked: Path) -> None:
    (unpacked / f"{DEVKIT}.tar.gz").unlink()
    put(unpacked / DEVKIT / "data", {"meta.mat": b"MATLAB 5.0 MAT-file".ljust(300, b"\1")})
    put(unpacked / DEVKIT / "data", {"ILSVRC2012_validation_ground_truth.txt": b"1\n"})
    with pytest.raises(DataError, match=r"meta\.mat is damaged"):
        open_imagenet(Source.of(unpacked))


def test_two_classes_with_one_id_are_refused(unpacked: Path) -> None:
    twins = (*SYNSETS, Synset(2, "n05555555", "twin"))
    write_devkit(unpacked, twins, TRUTH)
    with pytest.raises(DataError, match="ILSVRC id 2 to several classes"):
        open_imagenet(Source.of(unpacked))


def test_the_tars_index_is_found_once(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(read(open_imagenet(Source.of(packed)), "train"))
    calls: list[object] = []
    monkeypatch.setattr(imagenet_index, "index_tar", lambda *a: calls.append(a))
    assert list(read(open_imagenet(Source.of(packed)), "train")) == before
    assert not calls


def test_another_tar_or_a_damaged_index_is_indexed_anew(packed: Path, tmp_path: Path) -> None:
    before = open_imagenet(Source.of(packed))
    for kept in (tmp_path / "home").rglob("*.arrow"):
        content = bytearray(kept.read_bytes())
        content[len(content) // 2] ^= 1
        kept.write_bytes(content)
    assert samples(open_imagenet(Source.of(packed)), "train") == samples(before, "train")
    files = train_files() | {"n03126707": {"n03126707_9.JPEG": b"new"}}
    tars = {f"{wnid}.tar": tar_of(inner) for wnid, inner in files.items()}
    (packed / "ILSVRC2012_img_train.tar").write_bytes(tar_of(tars))
    after = open_imagenet(Source.of(packed))
    assert samples(after, "train")["n03126707/n03126707_9.JPEG"] == (2, b"new")
    assert after.source_sha256 != before.source_sha256


def test_an_open_corpus_can_be_sent_to_another_process(packed: Path) -> None:
    opened = open_imagenet(Source.of(packed))
    copy: OpenCorpus = pickle.loads(pickle.dumps(opened))  # noqa: S301
    assert list(copy.read("train", 3, 9)) == list(opened.read("train", 3, 9))


def test_opening_reads_names_alone(packed: Path) -> None:
    tars = {
        f"{wnid}.tar": tar_of({f"{wnid}_{n}.JPEG": b"x" for n in range(2000)}) for wnid in COUNTS
    }
    path = packed / "ILSVRC2012_img_train.tar"
    path.write_bytes(tar_of(tars))
    sizes = open_imagenet(Source.of(packed)).item_bytes["train"]
    assert len(sizes) == 6000
    assert (sizes == 1).all()


def test_the_folders_are_opened_by_listing_alone(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_files: list[str] = []
    really = Source.open

    def noted(self: Source, name: str) -> BinaryIO:
        opened_files.append(name)
        return really(self, name)

    monkeypatch.setattr(Source, "open", noted)
    open_imagenet(Source.of(unpacked))
    assert opened_files == [f"{DEVKIT}.tar.gz"]


def test_ingest_counts_what_is_wrong(packed: Path, tmp_path: Path) -> None:
    tars = {f"{wnid}.tar": tar_of(files) for wnid, files in train_files().items()}
    tars["n03126707.tar"] = tar_of({"empty.JPEG": b"", "whole.JPEG": b"\x89PNG"})
    content = tar_of(tars).rstrip(b"\0")  # cut short behind the last image
    (packed / "ILSVRC2012_img_train.tar").write_bytes(content)
    report = ingest("imagenet", packed, tmp_path / "shards", shard_mb=0.001)
    assert report.splits == {"train": 44, "val": 5}
    assert report.skipped == {"empty file": 1, "tar cut short": 1}
    assert report.shards > 2


def test_kaggles_layout_is_read_beside_the_devkit(unpacked: Path, tmp_path: Path) -> None:
    wanted = {split: samples(open_imagenet(Source.of(unpacked)), split) for split in TARS}
    inside = tmp_path / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC"
    inside.mkdir(parents=True)
    for split in TARS:
        (unpacked / split).rename(inside / split)
    with pytest.raises(DataError, match=r"stand in ILSVRC2012_devkit_t12\.tar\.gz alone"):
        open_imagenet(Source.of(tmp_path / "kaggle"))
    write_devkit(tmp_path / "kaggle", SYNSETS, TRUTH)
    opened = open_imagenet(Source.of(tmp_path / "kaggle"))
    assert {split: samples(opened, split) for split in TARS} == wanted


@pytest.mark.parametrize("name", ["n02012849.tar", "n02012849.tar.gz"])
def test_a_gzipped_tar_in_the_tar_is_named_as_such(tmp_path: Path, name: str) -> None:
    inner = {f"{wnid}.TAR": tar_of(files) for wnid, files in train_files().items()}
    inner[name] = gzip.compress(inner.pop("n02012849.TAR"))
    write_devkit(tmp_path, SYNSETS, TRUTH)
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(tar_of(inner))
    opened = open_imagenet(Source.of(tmp_path))
    assert {label for label, _ in samples(opened, "train").values()} == {0, 2}
    assert skipped(opened, "train") == {
        ("gzipped tar of a class, to be unpacked first", name),
        ("missing class", "n02012849"),
    }
