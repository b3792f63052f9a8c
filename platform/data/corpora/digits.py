"""scikit-learn's 1,797 real handwritten digits, written in MNIST's layout.

The 8×8 digits are the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin
and Kaynak, 1998), real handwriting that comes inside an installed package.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.corpora.mnist import IdxSplit, write_mnist

FIELD = 28
BOX = 20
HELD_OUT_EVERY = 5
_FULL_INK = 16.0


def write_digits(target: Path, size: int = 0) -> None:
    """Write the digits to the folder `target` as MNIST's four IDX files.

    As MNIST's, each digit is white ink on black, 20×20 centred in 28×28. Every fifth digit of
    each class, 360 in all, is the test set, always the same ones. There are no more and no fewer:
    `size` is not looked at.

    Raises:
        PlatformError: the disk is full.
    """
    del size
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.stack([_enlarge(image) for image in data.images])
    labels = data.target.astype(np.uint8)
    held_out = mask_held_out(labels)
    write_mnist(
        target,
        {
            "train": IdxSplit(images[~held_out], labels[~held_out]),
            "test": IdxSplit(images[held_out], labels[held_out]),
        },
    )


def mask_held_out(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """True for the fixed fifth that is never trained on: every fifth in the order of classes.

    The file runs 0, 1, …, 9 again and again in places, so that every fifth row of it would be
    nothing but zeros and fives.
    """
    mask = np.zeros(len(labels), np.bool_)
    mask[np.argsort(labels, kind="stable")[::HELD_OUT_EVERY]] = True
    return mask


def _enlarge(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """8×8 ink from 0 to 16 → 28×28 uint8, smoothly enlarged."""
    ink = Image.fromarray(image.astype(np.float32) * np.float32(255 / _FULL_INK))
    box = np.asarray(ink.resize((BOX, BOX), Image.Resampling.BICUBIC))
    field = np.zeros((FIELD, FIELD), np.uint8)
    margin = (FIELD - BOX) // 2
    field[margin:-margin, margin:-margin] = np.clip(np.rint(box), 0, 255).astype(np.uint8)
    return field
