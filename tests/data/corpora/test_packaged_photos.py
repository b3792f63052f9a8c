"""The photographs and faces of installed packages: in the published layouts, always the same."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import PlatformError, UsageError
from striate.data.corpora import faces, packaged, photos
from striate.data.corpora.faces import open_faces, write_faces
from striate.data.corpora.imagenet import open_imagenet
from striate.data.corpora.lfw_lists import read_pairs
from striate.data.corpora.photos import PHOTOS, write_photos
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import (
    OpenCorpus,
    Sample,
)
from striate.data.storage import Source

pytestmark = pytest.mark.unit

SIZE = 180


def samples(opened: OpenCorpus, split: str) -> dict[str, Sample]:
    items = list(opened.read(split, 0, len(opened.item_bytes[split])))
    assert all(isinstance(item, Sample) for item in items)
    return {item.key: item for item in items if isinstance(item, Sample)}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def photos_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("photos") / "source"
    write_photos(source, SIZE)
    return source


@pytest.fixture(scope="module")
def faces_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("faces") / "source"
    write_faces(source)
    return source


def test_photographs_are_written_in_imagenets_layout(photos_source: Path) -> None:
    names = set(files(photos_source))
    assert "ILSVRC2012_devkit_t12.tar.gz" in names
    assert "val/ILSVRC2012_val_00000001.JPEG" in names
    assert "train/n90000001/n90000001_0.JPEG" in names
    assert len(names) == SIZE + 1


def test_every_class_is_in_both_splits(photos_source: Path) -> None:
    opened = open_imagenet(Source.of(photos_source))
    assert [label[10:] for label in opened.labels] == [photo.words for photo in PHOTOS]
    train, val = samples(opened, "train"), samples(opened, "val")
    assert Counter(s.label for s in train.values()) == dict.fromkeys(range(18), 8)
    assert Counter(s.label for s in val.values()) == dict.fromkeys(range(18), 2)
    for sample in (*train.values(), *val.values()):
        with Image.open(io.BytesIO(sample.payload)) as image:
            assert image.format == "JPEG"
            assert 64 <= image.width == image.height <= 96


def test_the_label_of_a_validation_patch_is_its_photograph(photos_source: Path) -> None:
    """Brick is grey and the cup of coffee is not: told apart without the ground truth."""
    opened = open_imagenet(Source.of(photos_source))
    for sample in samples(opened, "val").values():
        with Image.open(io.BytesIO(sample.payload)) as image:
            words = opened.labels[int(str(sample.label))]
            if "brick" in words or "coffee" in words:
                assert image.mode == ("L" if "brick" in words else "RGB")


def test_validation_shares_no_pixel_with_training() -> None:
    for photo in PHOTOS:
        cells = photos._cells(photo)
        seen = np.zeros(cells.pixels.shape[:2], np.uint8)
        for bit, part in ((1, cells.train), (2, cells.val)):
            assert part, photo.words
            for top, left, height, width in part:
                seen[top : top + height, left : left + width] |= bit
        assert not (seen == 3).any(), photo.words


def test_the_tars_hold_the_same_patches(
    photos_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    write_photos(tmp_path / "tars", SIZE, tars=True)
    assert set(files(tmp_path / "tars")) == {
        "ILSVRC2012_devkit_t12.tar.gz",
        "ILSVRC2012_img_train.tar",
        "ILSVRC2012_img_val.tar",
    }
    one, other = (
        open_imagenet(Source.of(photos_source)),
        open_imagenet(Source.of(tmp_path / "tars")),
    )
    for split in ("train", "val"):
        a, b = samples(one, split), samples(other, split)
        assert a.keys() == b.keys()
        assert all((a[k].payload, a[k].label) == (b[k].payload, b[k].label) for k in a)


def test_photographs_are_always_the_same(photos_source: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "again", SIZE)
    assert files(tmp_path / "again") == files(photos_source)


def test_photographs_become_shards(tmp_path: Path) -> None:
    report = ingest("photos", tmp_path / "source", tmp_path / "shards", size=SIZE)
    assert report.splits == {"train": 144, "val": 36}
    assert report.skipped == {}
    assert len(Manifest.load(tmp_path / "shards").labels) == 18


def test_too_few_patches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give at least 90"):
        write_photos(tmp_path / "source", 89)
    assert not (tmp_path / "source").exists()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(PlatformError, match=r"skimage, which is not installed.*striate\[images\]"):
        write_faces(tmp_path / "source")


def test_faces_are_written_in_lfws_layout(faces_source: Path) -> None:
    names = set(files(faces_source))
    assert {"pairs.txt", "people.txt", "lfw/face/face_0001.jpg"} <= names
    assert "lfw/nonface/nonface_0100.jpg" in names
    assert len(names) == 202
    pairs = read_pairs((faces_source / "pairs.txt").read_text(), "pairs.txt")
    assert Counter(pair.fold for pair in pairs) == dict.fromkeys(range(10), 20)
    for pair in pairs:
        assert pair.first != pair.second
        assert pair.same == (pair.second.startswith("face/"))
    used = [{pair.first for pair in pairs if pair.fold == fold} for fold in range(10)]
    assert sum(len(images) for images in used) == len(set.union(*used)) == 100


def test_faces_are_the_real_patches(faces_source: Path) -> None:
    opened = open_faces(Source.of(faces_source))
    assert opened.labels == ("face", "nonface")
    train, test = samples(opened, "train"), samples(opened, "test")
    assert Counter(s.label for s in train.values()) == {0: 80, 1: 80}
    assert Counter(s.label for s in test.values()) == {0: 20, 1: 20}
    real = np.load(packaged.find_packaged_file("skimage", "data/lfw_subset.npy")) * 255
    for key, sample in (train | test).items():
        index = int(key[-8:-4]) - 1 + 100 * (sample.label == 1)
        with Image.open(io.BytesIO(sample.payload)) as image:
            assert (image.mode, image.size) == ("L", (25, 25))
            assert np.abs(np.asarray(image, np.float64) - real[index]).mean() < 4


def test_more_faces_are_views_and_stay_in_their_split(tmp_path: Path) -> None:
    write_faces(tmp_path / "source", 400)
    opened = open_faces(Source.of(tmp_path / "source"))
    train, test = samples(opened, "train"), samples(opened, "test")
    assert (len(train), len(test)) == (320, 80)
    for key in test:
        number = int(key[-8:-4])
        twin = f"{key[:-8]}{number + (100 if number <= 100 else -100):04d}.jpg"
        assert twin in test
        assert test[twin].payload != test[key].payload


def test_faces_are_always_the_same(faces_source: Path, tmp_path: Path) -> None:
    write_faces(tmp_path / "again")
    assert files(tmp_path / "again") == files(faces_source)


@pytest.mark.parametrize("size", [19, 21, 0])
def test_a_number_of_faces_that_cannot_be_meant_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="even number from 20"):
        faces.write_faces(tmp_path / "source", size)
