"""Real photographs out of scikit-image and scikit-learn, cut into patches, written as ImageNet.

The class of a patch is the photograph, or the texture, that it was cut from. Each photograph is
divided into cells; a fifth of them gives the validation patches, so that no pixel of these is
ever trained on.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.imagenet import TRAIN_TAR, VAL_TAR, val_name
from striate.data.corpora.imagenet_devkit import Synset, write_devkit
from striate.data.corpora.packaged import find_packaged_file
from striate.data.transforms.random import uniforms

CELL = 96
SMALLEST = 64
HELD_OUT_EVERY = 5
DEFAULT_PATCHES = 3600
_QUALITY = 92
_FLAT = 4.0
_FIRST_WNID = 90_000_001  # above all of WordNet's, so that none of its ids is borrowed


class PackagedPhoto(NamedTuple):
    """A photograph inside a package: the class's words, and what it is a kind of."""

    words: str
    kind: str
    package: str
    file: str


PHOTOS = (
    PackagedPhoto("astronaut, portrait", "photograph", "skimage", "data/astronaut.png"),
    PackagedPhoto("brick, wall", "texture", "skimage", "data/brick.png"),
    PackagedPhoto("cameraman", "photograph", "skimage", "data/camera.png"),
    PackagedPhoto("cat, tabby", "photograph", "skimage", "data/chelsea.png"),
    PackagedPhoto("coffee, cup of coffee", "photograph", "skimage", "data/coffee.png"),
    PackagedPhoto("coins, Greek coins", "photograph", "skimage", "data/coins.png"),
    PackagedPhoto("flower, dahlia", "photograph", "sklearn", "datasets/images/flower.jpg"),
    PackagedPhoto("grass, lawn", "texture", "skimage", "data/grass.png"),
    PackagedPhoto("gravel", "texture", "skimage", "data/gravel.png"),
    PackagedPhoto("handwriting", "photograph", "skimage", "data/text.png"),
    PackagedPhoto("moon, lunar surface", "photograph", "skimage", "data/moon.png"),
    PackagedPhoto("motorcycle, motorbike", "photograph", "skimage", "data/motorcycle_left.png"),
    PackagedPhoto("page, printed page", "photograph", "skimage", "data/page.png"),
    PackagedPhoto("retina, fundus", "photograph", "skimage", "data/retina.jpg"),
    PackagedPhoto("rocket, launch pad", "photograph", "skimage", "data/rocket.jpg"),
    PackagedPhoto("stars, galaxies", "photograph", "skimage", "data/hubble_deep_field.jpg"),
    PackagedPhoto("temple, pagoda", "photograph", "sklearn", "datasets/images/china.jpg"),
    PackagedPhoto("tissue, stained tissue", "texture", "skimage", "data/ihc.png"),
)
_KINDS = ("photograph", "texture")
_STRIDE = 7  # shares no factor with the number of photographs, so it runs through all of them


@dataclass(frozen=True)
class Cells:
    """A photograph's pixels, and the corners (top, left, height, width) of its usable cells."""

    pixels: NDArray[np.uint8]
    train: tuple[tuple[int, int, int, int], ...]
    val: tuple[tuple[int, int, int, int], ...]


def write_photos(target: Path, size: int = DEFAULT_PATCHES, tars: bool = False) -> None:
    """Write patches of the photographs to the folder `target` in ImageNet's layout.

    Square patches of 64 to 96 pixels at native resolution, JPEG, grey where the photograph is; with
    the development kit. The same size gives the same files.

    Args:
        target: the folder, new or empty.
        size: patches in all, a fifth of them for validation.
        tars: write the tar of tars and the flat tar instead of folders of images.

    Raises:
        UsageError: too few patches for each class to have one in both splits.
        PlatformError: the disk is full, or a package is not installed.
    """
    least = HELD_OUT_EVERY * len(PHOTOS)
    if size < least:
        raise UsageError(f"{size} patches are too few.", f"Give at least {least}.")
    cells = [_cells(photo) for photo in PHOTOS]
    held_out = size // HELD_OUT_EVERY
    truth = [(place * _STRIDE + place // len(PHOTOS)) % len(PHOTOS) for place in range(held_out)]
    train = _train_patches(cells, size - held_out)
    val = ((val_name(place + 1), _patch(cells[c], 1, place)) for place, c in enumerate(truth))
    synsets = synsets_of(size - held_out)
    target.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(target):
        write_devkit(target, synsets, [synsets[index].ilsvrc_id for index in truth])
        write = (_write_train_tar, _write_tar) if tars else (_write_files, _write_files)
        write[0](target / (TRAIN_TAR if tars else "train"), train)
        write[1](target / (VAL_TAR if tars else "val"), val)


def synsets_of(train_patches: int) -> list[Synset]:
    """The classes in the order of `PHOTOS`, then the two kinds above them.

    As in the real kit, the ILSVRC ids do not follow the alphabet.
    """
    count = len(PHOTOS)
    classes = [
        Synset(
            ilsvrc_id=index * _STRIDE % count + 1,
            wnid=f"n{_FIRST_WNID + index:08d}",
            words=photo.words,
            gloss=f"patches of {photo.file} in {photo.package}",
            train_images=len(range(index, train_patches, count)),
        )
        for index, photo in enumerate(PHOTOS)
    ]
    kinds = [
        Synset(
            ilsvrc_id=count + 1 + index,
            wnid=f"n{_FIRST_WNID + count + index:08d}",
            words=kind,
            gloss=f"what a patch was cut from: a {kind}",
            children=tuple(
                synset.ilsvrc_id
                for synset, photo in zip(classes, PHOTOS, strict=True)
                if photo.kind == kind
            ),
        )
        for index, kind in enumerate(_KINDS)
    ]
    return classes + kinds


def _train_patches(cells: Sequence[Cells], count: int) -> Iterator[tuple[str, bytes]]:
    """Class by class, names with the wnid as folder, as they lie in the archive."""
    for index, synset in enumerate(synsets_of(count)[: len(PHOTOS)]):
        for place in range(index, count, len(PHOTOS)):
            name = f"{synset.wnid}/{synset.wnid}_{place}.JPEG"
            yield name, _patch(cells[index], 0, place)


def _cells(photo: PackagedPhoto) -> Cells:
    """Divide a photograph; cells without any structure (sky, margins) are of no class."""
    with Image.open(find_packaged_file(photo.package, photo.file)) as image:
        pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    height, width = pixels.shape[:2]
    rows, columns = max(1, height // CELL), max(1, width // CELL)
    parts: tuple[list[tuple[int, int, int, int]], ...] = ([], [])
    for row in range(rows):
        for column in range(columns):
            top, left = row * height // rows, column * width // columns
            tall, wide = height // rows, width // columns
            if pixels[top : top + tall, left : left + wide].std() >= _FLAT:
                held_out = (column + 2 * row) % HELD_OUT_EVERY == 1
                parts[held_out].append((top, left, tall, wide))
    return Cells(pixels, tuple(parts[0]), tuple(parts[1]))


def _patch(cells: Cells, split: int, place: int) -> bytes:
    """A patch drawn by (split, place) alone, as JPEG."""
    draws = uniforms(0, np.array([split]), np.array([place]), 4)[:, 0]
    choices = (cells.train, cells.val)[split]
    top, left, tall, wide = choices[int(draws[0] * len(choices))]
    largest = min(CELL, tall, wide)
    side = SMALLEST + int(draws[1] * (largest - SMALLEST + 1))
    top += int(draws[2] * (tall - side + 1))
    left += int(draws[3] * (wide - side + 1))
    out = io.BytesIO()
    patch = Image.fromarray(cells.pixels[top : top + side, left : left + side])
    patch.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _write_files(target: Path, files: Iterator[tuple[str, bytes]]) -> None:
    target.mkdir()
    for name, content in files:
        path = target / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _write_tar(target: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            info = tarfile.TarInfo(Path(name).name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _folder_of(file: tuple[str, bytes]) -> str:
    return file[0].partition("/")[0]


def _write_train_tar(target: Path, files: Iterator[tuple[str, bytes]]) -> None:
    inner = target.with_name("class.tar")
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for wnid, members in groupby(files, _folder_of):
            _write_tar(inner, members)
            info = tarfile.TarInfo(f"{wnid}.tar")
            info.size = inner.stat().st_size
            with inner.open("rb") as file:
                tar.addfile(info, file)
    inner.unlink()
