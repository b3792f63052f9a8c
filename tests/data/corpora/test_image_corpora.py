"""Caltech-101, LFW and Stanford Background on trees in their published layouts."""

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import DataError
from striate.data.corpora.caltech101 import open_caltech101
from striate.data.corpora.lfw import open_lfw
from striate.data.corpora.lfw_lists import read_pairs, read_people, write_pairs
from striate.data.corpora.stanford import CLASSES, folds, open_stanford
from striate.data.ingest.ingest import ingest
from striate.data.shards.schema import (
    OpenCorpus,
    Sample,
    Skipped,
)
from striate.data.storage import Source
from striate.data.transforms.image.decode import decode_image

pytestmark = pytest.mark.unit


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def good(opened: OpenCorpus, split: str) -> list[Sample]:
    items = opened.read(split, 0, len(opened.item_bytes[split]))
    return [item for item in items if isinstance(item, Sample)]


def skipped(opened: OpenCorpus) -> set[tuple[str, str]]:
    return {
        (item.reason, item.key)
        for split, sizes in opened.item_bytes.items()
        for item in opened.read(split, 0, len(sizes))
        if isinstance(item, Skipped)
    }


# Caltech-101

CALTECH = {"BACKGROUND_Google": 35, "Faces": 31, "accordion": 40, "yin_yang": 12}


@pytest.fixture
def caltech(tmp_path: Path) -> Path:
    for name, count in CALTECH.items():
        for number in range(1, count + 1):
            path = tmp_path / "101_ObjectCategories" / name / f"image_{number:04d}.jpg"
            put(path, f"{name} {number}")
    put(tmp_path / "Annotations" / "accordion" / "annotation_0001.mat", b"MATLAB")
    return tmp_path


def test_thirty_a_class_are_for_training_and_the_rest_for_testing(caltech: Path) -> None:
    opened = open_caltech101(Source.of(caltech))
    assert opened.labels == tuple(CALTECH)
    train, test = good(opened, "train"), good(opened, "test")
    assert Counter(sample.label for sample in train) == {0: 30, 1: 30, 2: 30, 3: 12}
    assert Counter(sample.label for sample in test) == {0: 5, 1: 1, 2: 10}
    assert len({sample.key for sample in train + test}) == sum(CALTECH.values())
    for sample in train + test:
        name, _, file = sample.key.partition("/")
        assert sample.label == list(CALTECH).index(name)
        assert sample.payload == f"{name} {int(file[6:10])}".encode()
    draws = sorted(int(str(s.fields["draw"])) for s in train + test if s.label == 2)
    assert draws == list(range(40))


def test_the_draw_is_fixed_and_one_image_more_does_not_stir_it(caltech: Path) -> None:
    before = {s.key for s in good(open_caltech101(Source.of(caltech)), "train")}
    assert before == {s.key for s in good(open_caltech101(Source.of(caltech)), "train")}
    in_order = {f"accordion/image_{n:04d}.jpg" for n in range(1, 31)}
    assert in_order != {key for key in before if key.startswith("accordion")}
    put(caltech / "101_ObjectCategories" / "accordion" / "image_0041.jpg", b"new")
    after = {s.key for s in good(open_caltech101(Source.of(caltech)), "train")}
    assert len(before ^ after) <= 2


def test_what_is_wrong_in_caltech_is_named(caltech: Path) -> None:
    (caltech / "101_ObjectCategories" / "okapi").mkdir()
    put(caltech / "101_ObjectCategories" / "Faces" / "tmp", b"x")
    opened = open_caltech101(Source.of(caltech))
    assert opened.labels == ("BACKGROUND_Google", "Faces", "accordion", "okapi", "yin_yang")
    assert skipped(opened) == {("missing class", "okapi"), ("not an image", "Faces/tmp")}


def test_an_empty_folder_is_no_caltech(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folders of Caltech-101's images"):
        open_caltech101(Source.of(tmp_path))


# LFW

PEOPLE = {"Aaron_Eckhart": 1, "Abel_Pacheco": 4, "Zhu_Rongji": 3, "Zico": 3}
PAIRS = (
    "2\t1\n"
    "Abel_Pacheco\t1\t4\n"
    "Aaron_Eckhart\t1\tZico\t3\n"
    "Zico\t1\t2\n"
    "Abel_Pacheco\t2\tZhu_Rongji\t3\n"
)


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    for name, count in PEOPLE.items():
        for number in range(1, count + 1):
            put(tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg", f"{name} {number}")
    put(tmp_path / "pairs.txt", PAIRS)
    put(
        tmp_path / "people.txt",
        "2\n3\nAaron_Eckhart\t1\nZhu_Rongji\t3\nZico\t3\n1\nAbel_Pacheco\t4\n",
    )
    return tmp_path


def test_faces_are_read_with_the_person_as_label(lfw: Path) -> None:
    opened = open_lfw(Source.of(lfw))
    assert opened.labels == tuple(PEOPLE)
    faces = good(opened, "test")
    assert set(opened.item_bytes) == {"test"}
    assert len(faces) == 11
    for face in faces:
        assert isinstance(face.label, int)
        name = opened.labels[face.label]
        assert face.key.startswith(f"{name}/{name}_")
        assert face.payload == f"{name} {int(face.key[-8:-4])}".encode()
        assert face.fields["fold"] == (1 if name == "Abel_Pacheco" else 0)
    assert opened.assets["pairs.txt"] == PAIRS
    assert not skipped(opened)


def test_the_development_lists_make_the_splits(lfw: Path) -> None:
    put(lfw / "peopleDevTrain.txt", "2\nAbel_Pacheco\t4\nZico\t3\n")
    put(lfw / "peopleDevTest.txt", "2\nAaron_Eckhart\t1\nZhu_Rongji\t3\n")
    put(lfw / "pairsDevTrain.txt", "1\nZico\t1\t2\nZico\t1\tAbel_Pacheco\t1\n")
    opened = open_lfw(Source.of(lfw))
    assert {opened.labels[int(str(s.label))] for s in good(opened, "train")} == {
        "Abel_Pacheco",
        "Zico",
    }
    assert len(good(opened, "test")) == 4
    assert "pairsDevTrain.txt" in opened.assets


def test_images_on_a_list_that_are_not_there_are_counted(lfw: Path) -> None:
    (lfw / "lfw" / "Zico" / "Zico_0003.jpg").unlink()
    put(lfw / "lfw" / "Zico" / "Thumbs.db", b"x")
    opened = open_lfw(Source.of(lfw))
    assert skipped(opened) == {
        ("image on a list is missing", "Zico/Zico_0003.jpg"),
        ("not an image", "Zico/Thumbs.db"),
    }
    assert len(good(opened, "test")) == 10


def test_pairs_are_read_fold_by_fold() -> None:
    pairs = read_pairs(PAIRS, "pairs.txt")
    assert [pair.same for pair in pairs] == [True, False, True, False]
    assert [pair.fold for pair in pairs] == [0, 0, 1, 1]
    assert pairs[1][:2] == ("Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "Zico/Zico_0003.jpg")
    assert pairs[0][:2] == (
        "Abel_Pacheco/Abel_Pacheco_0001.jpg",
        "Abel_Pacheco/Abel_Pacheco_0004.jpg",
    )


def test_ten_folds_of_three_hundred_survive_the_way_there_and_back() -> None:
    chosen = [("A", n, "A" if n % 600 < 300 else "B", n + 1) for n in range(6000)]
    pairs = read_pairs(write_pairs(10, 300, iter(chosen)), "pairs.txt")
    assert len(pairs) == 6000
    assert Counter((pair.fold, pair.same) for pair in pairs) == {
        (fold, same): 300 for fold in range(10) for same in (True, False)
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1"),
        ("2\tx\n", "line 1 has no whole number"),
        ("1\t1\nA\t1\t2\n", "announces 2 pairs and holds 1"),
        ("1\t1\nA\t1\tB\t2\nA\t1\t2\n", "line 2 is no pair of one"),
        ("1\t1\nA\t1\t2\nA\t1\tB\tzwei\n", "line 3 has no whole number"),
    ],
)
def test_malformed_pairs_are_named_by_line(lfw: Path, text: str, says: str) -> None:
    put(lfw / "pairs.txt", text)
    with pytest.raises(DataError, match=says) as caught:
        open_lfw(Source.of(lfw))
    assert "pairs.txt" in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2\nA\t1\n", "another number of people"),
        ("2\nA\t1\nA\t2\n", "line 3 is malformed, or names a person again"),
        ("1\nA\tone\n", "line 2 has no whole number"),
    ],
)
def test_malformed_people_are_named(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_people(text, "people.txt")


# Stanford Background


def jpeg(height: int, width: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(out, "JPEG")
    return out.getvalue()


def regions(height: int, width: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-1, 8, (height, width))


def as_text(labels: NDArray[np.int64]) -> str:
    return "\n".join(" ".join(str(value) for value in row) for row in labels) + "\n"


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    for number in range(10):
        height, width = 12 + number, 16
        put(tmp_path / f"iccv09Data/images/{number:07d}.jpg", jpeg(height, width))
        text = as_text(regions(height, width, number))
        put(tmp_path / f"iccv09Data/labels/{number:07d}.regions.txt", text)
        put(tmp_path / f"iccv09Data/labels/{number:07d}.surfaces.txt", text)
    put(tmp_path / "iccv09Data/horizons.txt", "0000000 16 12 5\n")
    return tmp_path


def test_unknown_stays_minus_one(stanford: Path) -> None:
    opened = open_stanford(Source.of(stanford))
    assert opened.labels == CLASSES
    scenes = good(opened, "train") + good(opened, "test")
    assert len(scenes) == 10
    for scene in scenes:
        shape = int(str(scene.fields["height"])), int(str(scene.fields["width"]))
        assert isinstance(scene.label, bytes)
        labels = np.frombuffer(scene.label, "<i2").reshape(shape)
        assert np.array_equal(labels, regions(*shape, int(scene.key[:7])))
        assert labels.min() == -1
    assert set(opened.assets) == {"horizons.txt"}


def test_there_are_five_folds_of_143() -> None:
    ids = [f"{number:07d}" for number in range(715)]
    drawn = folds(ids)
    assert Counter(drawn.values()) == dict.fromkeys(range(5), 143)
    assert drawn == folds(ids[::-1])
    assert [drawn[name] for name in ids[:20]] != [n % 5 for n in range(20)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("labelled", ["encoded", "upright"])
def test_labels_turn_with_an_image_that_is_turned(
    labelled: str, orientation: int, tmp_path: Path
) -> None:
    """Each pixel's colour says its class, whichever way the file is to be shown."""
    encoded = np.random.default_rng(orientation).integers(0, 8, (6, 10))
    colours = np.stack([encoded * 30] * 3, axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(colours).save(out, "PNG", exif=exif)
    shown = decode_image(out.getvalue())
    swapped = labelled == "upright" and orientation > 4
    regions = shown[:, :, 0] // 30 if swapped else encoded
    for name in ("a", "b"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.png").write_bytes(out.getvalue())
        text = "".join(f"{' '.join(map(str, row))}\n" for row in regions.tolist())
        (tmp_path / "labels" / f"{name}.regions.txt").write_text(text)
    opened = open_stanford(Source.of(tmp_path))
    (sample,) = opened.read("test", 0, 1)
    assert isinstance(sample, Sample) and isinstance(sample.label, bytes)
    size = (sample.fields["height"], sample.fields["width"])
    assert size == shown.shape[:2]
    classes = np.frombuffer(sample.label, "<i2").reshape(shown.shape[:2])
    assert np.array_equal(classes, shown[:, :, 0] // 30)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_image_is_measured_as_it_is_shown(tmp_path: Path, orientation: int) -> None:
    """Asked of a process that has decoded none yet: the header alone makes Pillow know HEIC."""
    heif = pytest.importorskip("pillow_heif")
    colours = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = heif.from_pillow(Image.fromarray(colours))
    shown = (64, 96) if orientation == 1 else (96, 64)
    for name in ("a", "b"):
        put(tmp_path / f"labels/{name}.regions.txt", as_text(regions(*shown)))
        put(tmp_path / f"images/{name}.heic", b"")
        file.save(tmp_path / f"images/{name}.heic", exif=exif.tobytes())
    script = (
        "import sys; from striate.data.corpora.stanford import open_stanford;"
        "from striate.data.storage import Source;"
        "(item,) = open_stanford(Source.of(sys.argv[1])).read('test', 0, 1);"
        "print(item.fields['height'], item.fields['width'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stdout.split() == [str(side) for side in shown]


def test_the_test_split_is_fold_0(stanford: Path) -> None:
    opened = open_stanford(Source.of(stanford))
    assert {s.fields["fold"] for s in good(opened, "test")} == {0}
    assert {s.fields["fold"] for s in good(opened, "train")} == {1, 2, 3, 4}
    assert len(good(opened, "test")) == 2


def test_what_is_wrong_with_a_scene_is_named(stanford: Path) -> None:
    labels, images = stanford / "iccv09Data/labels", stanford / "iccv09Data/images"
    put(labels / "0000000.regions.txt", as_text(regions(12, 16) * 0 + 8))
    put(labels / "0000001.regions.txt", as_text(regions(5, 16)))
    put(labels / "0000002.regions.txt", "1 2 3\n1 2\n")
    put(labels / "0000003.regions.txt", "1 2\n1 sky\n")
    put(images / "0000004.jpg", b"")
    put(images / "0000005.jpg", b"no image at all")
    (labels / "0000006.regions.txt").unlink()
    (images / "0000007.jpg").unlink()
    put(labels / "0000008.regions.txt", as_text(regions(20, 16) * 0 + 255))
    assert skipped(open_stanford(Source.of(stanford))) == {
        ("label out of range", "0000000.jpg"),
        ("labels and image differ in size", "0000001.jpg"),
        ("labels are not a rectangle", "0000002.jpg"),
        ("labels are not whole numbers", "0000003.jpg"),
        ("empty file", "0000004.jpg"),
        ("unreadable image", "0000005.jpg"),
        ("no labels", "0000006.jpg"),
        ("missing image", "0000007.jpg"),
        ("label out of range", "0000008.jpg"),
    }


@pytest.mark.parametrize("corpus", ["caltech101", "lfw", "stanford"])
def test_they_become_shards(corpus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = request.getfixturevalue("caltech" if corpus == "caltech101" else corpus)
    report = ingest(corpus, source, tmp_path / "shards", shard_mb=0.01)
    assert sum(report.splits.values()) == {"caltech101": 118, "lfw": 11, "stanford": 10}[corpus]
    assert report.skipped == {}


@pytest.mark.parametrize("corpus", ["lfw", "stanford", "caltech"])
def test_endings_in_capitals_change_nothing(corpus: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(corpus)
    open_corpus = {"lfw": open_lfw, "stanford": open_stanford, "caltech": open_caltech101}[corpus]
    before = open_corpus(Source.of(root))
    wanted = [(s.payload, s.label) for split in before.item_bytes for s in good(before, split)]
    reasons = {reason for reason, _ in skipped(before)}
    for path in [*root.rglob("*.*")]:
        if path.suffix == ".jpg" or path.name.endswith(".regions.txt"):
            path.rename(path.with_name(path.name.replace(".jpg", ".JPG").replace(".txt", ".TXT")))
    opened = open_corpus(Source.of(root))
    found = [(s.payload, s.label) for split in opened.item_bytes for s in good(opened, split)]
    assert wanted
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))
    assert {reason for reason, _ in skipped(opened)} == reasons
