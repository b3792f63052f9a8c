"""scikit-image's 200 patches of LFW, 100 faces and 100 that show none, written as LFW.

scikit-image gives 25×25 grey patches and does not say whom the faces show. So the "people" here
are the two kinds, ``face`` and ``nonface``: a pair of one is two faces, a pair of two is a face and
a patch of background. This trains and tests a face detector, not a recogniser.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.lfw import gather_faces, read_lists
from striate.data.corpora.lfw_lists import image_key, write_pairs
from striate.data.corpora.packaged import find_packaged_file
from striate.data.shards.schema import OpenCorpus
from striate.data.storage import Source
from striate.data.transforms.random import uniforms

PATCHES = 200
FOLDS = 10
HELD_OUT_EVERY = 5
KINDS = ("face", "nonface")
_SHIFT = 2
_QUALITY = 95


def write_faces(target: Path, size: int = PATCHES) -> None:
    """Write the patches to the folder `target` in LFW's layout, with ten folds of pairs.

    Args:
        target: the folder, new or empty.
        size: patches in all, half of them faces. Above 200, the further ones are the real ones
            mirrored, shifted by up to two pixels and of other contrast.

    Raises:
        UsageError: an odd number, or less than 20.
        PlatformError: the disk is full, or scikit-image is not installed.
    """
    if size < 2 * FOLDS or size % 2:
        raise UsageError(f"{size} patches cannot be written.", "Give an even number from 20.")
    patches = np.load(find_packaged_file("skimage", "data/lfw_subset.npy"), allow_pickle=False)
    patches = np.rint(patches * 255).astype(np.uint8)
    a_kind = size // 2
    target.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(target):
        for index, kind in enumerate(KINDS):
            real = patches[index * PATCHES // 2 :][: PATCHES // 2]
            for place in range(a_kind):
                path = target / "lfw" / image_key(kind, place + 1)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_jpeg(_view(real, index, place)))
        (target / "people.txt").write_text(f"1\n{len(KINDS)}\nface\t{a_kind}\nnonface\t{a_kind}\n")
        (target / "pairs.txt").write_text(write_pairs(FOLDS, a_kind // FOLDS, _pairs(a_kind)))


def open_faces(source: Source) -> OpenCorpus:
    """Read the patches as LFW is read; every fifth of each kind is the split ``test``.

    Views of one real patch are always in one split.

    Raises:
        DataError: there are no patches, or a list is malformed.
    """
    lists, people = read_lists(source)
    return gather_faces(source, lists, people, {}, _split)


def _split(key: str) -> str:
    number = int("".join(letter for letter in Path(key).stem if letter.isdigit()) or 0)
    return "train" if number % HELD_OUT_EVERY else "test"


def _pairs(a_kind: int) -> Iterator[tuple[str, int, str, int]]:
    """Fold by fold, pairs of two faces, then of a face and a nonface; no image in two folds."""
    wide = a_kind // FOLDS
    for fold in range(FOLDS):
        numbers = [fold * wide + place + 1 for place in range(wide)]
        for place, number in enumerate(numbers):
            yield KINDS[0], number, KINDS[0], numbers[(place + 1) % wide]
        for number in numbers:
            yield KINDS[0], number, KINDS[1], number


def _view(real: NDArray[np.uint8], kind: int, place: int) -> NDArray[np.uint8]:
    """A real patch, or a changed one: a function of its number."""
    patch: NDArray[np.uint8] = real[place % len(real)]
    if place < len(real):
        return patch
    draws = uniforms(0, np.array([kind]), np.array([place]), 4)[:, 0]
    patch = patch[:, ::-1] if draws[0] < 0.5 else patch
    padded = np.pad(patch, _SHIFT, mode="edge")
    top, left = (int(draw * (2 * _SHIFT + 1)) for draw in draws[1:3])
    patch = padded[top : top + patch.shape[0], left : left + patch.shape[1]]
    middle = patch.mean()
    contrast = 0.75 + 0.5 * draws[3]
    changed: NDArray[np.float64] = (patch - middle) * contrast + middle
    return np.clip(changed, 0, 255).astype(np.uint8)


def _jpeg(patch: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(patch)).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
