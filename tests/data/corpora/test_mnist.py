"""MNIST's IDX files: round trips, and damage named by file and kind."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError
from striate.data.corpora import CORPORA
from striate.data.corpora.digits import mask_held_out
from striate.data.corpora.mnist import IdxSplit, open_mnist, write_mnist
from striate.data.storage import Source

pytestmark = pytest.mark.unit


@pytest.fixture
def source(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    splits = {
        name: IdxSplit(
            generator.integers(0, 256, (rows, 28, 28), np.uint8),
            generator.integers(0, 10, rows, np.uint8),
        )
        for name, rows in {"train": 7, "test": 3}.items()
    }
    write_mnist(tmp_path / "mnist", splits)
    return tmp_path / "mnist"


def test_the_files_are_mnists(source: Path) -> None:
    assert {path.name for path in source.iterdir()} == {
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    }
    images = (source / "train-images-idx3-ubyte").read_bytes()
    assert struct.unpack(">4I", images[:16]) == (2051, 7, 28, 28)
    assert struct.unpack(">2I", (source / "t10k-labels-idx1-ubyte").read_bytes()[:8]) == (2049, 3)


def test_gzipped_files_read_the_same(source: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for path in source.iterdir():
        (zipped / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    plain, packed = open_mnist(Source.of(source)), open_mnist(Source.of(zipped))
    assert list(plain.read("train", 2, 5)) == list(packed.read("train", 2, 5))
    assert plain.source_sha256 == packed.source_sha256


def test_another_pixel_is_another_source(source: Path) -> None:
    before = open_mnist(Source.of(source)).source_sha256
    path = source / "t10k-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert open_mnist(Source.of(source)).source_sha256 != before


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (IMAGES, lambda old: old[:-1], "truncated"),
        (IMAGES, lambda old: old[:9], "ends inside its header"),
        (IMAGES, lambda old: b"", "ends inside its header"),
        (IMAGES, lambda old: old + b"\0", "too long"),
        (IMAGES, lambda old: b"\0\0\x08\x01" + old[4:], "magic number 0x801 instead of 0x803"),
        (IMAGES, lambda old: gzip.compress(old)[:-20], "truncated or damaged"),
        (LABELS, lambda old: struct.pack(">2I", 0x801, 6) + old[8:14], "7 images and"),
        (LABELS, lambda old: old[:-1] + b"\x0a", "label 10 at row 6"),
    ],
)
def test_damage_is_named(source: Path, name: str, content: object, says: str) -> None:
    assert callable(content)
    (source / name).write_bytes(content((source / name).read_bytes()))
    with pytest.raises(DataError, match=says) as caught:
        open_mnist(Source.of(source))
    assert name in caught.value.message


def test_a_missing_file_is_named(source: Path) -> None:
    (source / LABELS).unlink()
    with pytest.raises(DataError, match=f"no file {LABELS}"):
        open_mnist(Source.of(source))


def test_the_digits_are_all_there_and_a_fifth_is_held_out(digits_source: Path) -> None:
    digits = CORPORA["digits"].open(Source.of(digits_source))
    assert {name: len(sizes) for name, sizes in digits.item_bytes.items()} == {
        "train": 1437,
        "test": 360,
    }
    held_out = [sample.label for sample in digits.read("test", 0, 360)]  # type: ignore[union-attr]
    assert min(np.bincount(held_out, minlength=10)) >= 34


def test_the_held_out_digits_are_always_the_same() -> None:
    labels = np.tile(np.arange(10, dtype=np.uint8), 20)
    mask = mask_held_out(labels)
    assert mask.sum() == 40
    assert np.bincount(labels[mask]).tolist() == [4] * 10
    assert np.array_equal(mask, mask_held_out(labels.copy()))


def test_a_digit_is_white_ink_centred_on_black(digits_source: Path) -> None:
    images = open_mnist(Source.of(digits_source))
    stack = np.stack(
        [np.frombuffer(s.payload, np.uint8).reshape(28, 28) for s in images.read("train", 0, 200)]  # type: ignore[union-attr]
    )
    assert stack[:, :4].max() == stack[:, -4:].max() == stack[:, :, :4].max() == 0
    assert stack.max() == 255
    assert 0.05 < stack.mean() / 255 < 0.3
