"""Generated people in CelebA's layout: hundreds of faces, with landmarks and poses that are exact.

No package carries faces of many people, so these are drawn: see
`striate.data.corpora.face_drawing`. What a network learns on them says that it learns, and nothing
of how well it would know real people.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.arrays import Pixels
from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.backgrounds import draw_background
from striate.data.corpora.celeba import (
    IDENTITIES,
    IMAGES,
    LANDMARKS,
    LANDMARKS_67,
    PAIRS,
    PARTITION,
    POSES,
)
from striate.data.corpora.face_drawing import Drawing, draw_face
from striate.data.corpora.face_person import Look, draw_look, draw_person
from striate.data.corpora.lfw_lists import write_pairs
from striate.data.transforms.image.align import six_of

DEFAULT_PEOPLE = 240
PICTURES = 12
"""Of each person."""

HEIGHT, WIDTH = 109, 89
"""Of a picture, half of CelebA's."""

HELD_OUT_EVERY = 4
"""Of the people, one in so many is never trained on."""

_FOLDS, _PAIRS = 10, 30
_LEAST = 8
_TEST = 2  # of CelebA's list
_QUALITY = 92
_FIVE = ["lefteye_x", "lefteye_y", "righteye_x", "righteye_y", "nose_x", "nose_y"]
_FIVE += ["leftmouth_x", "leftmouth_y", "rightmouth_x", "rightmouth_y"]


def write_identities(target: Path, size: int = DEFAULT_PEOPLE) -> None:
    """Write pictures of `size` people to the folder `target`, twelve of each.

    The pictures of a person are the same whatever the size. Every fourth person is of the split
    ``test``, whose pairs are in ``pairs.txt``: ten folds of different people, or as many as there
    are two people for.

    Args:
        target: the folder, new or empty.
        size: people in all.

    Raises:
        UsageError: fewer than eight people.
        PlatformError: the disk is full.
    """
    if size < _LEAST:
        raise UsageError(f"{size} people are too few.", f"Give at least {_LEAST}.")
    (target / IMAGES).mkdir(parents=True, exist_ok=True)
    whose, partition, five, many, poses = [], [], [], [], []
    with explain_full_disk(target):
        for person in range(size):
            test = _TEST if person % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else 0
            for number in range(PICTURES):
                look, drawn = draw_picture(person, number)
                name = f"{person * PICTURES + number + 1:06d}.jpg"
                (target / IMAGES / name).write_bytes(encode_jpeg(drawn.pixels))
                six = six_of(drawn.landmarks)[[0, 1, 2, 3, 5]]
                whose.append(f"{name} {person + 1}")
                partition.append(f"{name} {test}")
                five.append(_line(name, six, "{:.0f}"))
                many.append(_line(name, drawn.landmarks, "{:.2f}"))
                turned = np.degrees([look.yaw, look.pitch, look.roll])
                poses.append(_line(name, turned, "{:.2f}"))
        held_out = [p for p in range(size) if p % HELD_OUT_EVERY == HELD_OUT_EVERY - 1]
        _write(target / IDENTITIES, whose)
        _write(target / PARTITION, partition)
        _write(target / LANDMARKS, [str(len(whose)), " ".join(_FIVE), *five])
        columns = [f"{axis}{point}" for point in range(67) for axis in "xy"]
        _write(target / LANDMARKS_67, [str(len(whose)), " ".join(columns), *many])
        _write(target / POSES, [str(len(whose)), "yaw pitch roll", *poses])
        folds = min(_FOLDS, len(held_out) // 2)
        pairs = write_pairs(folds, _PAIRS, _pairs(held_out, folds))
        (target / PAIRS).write_text(pairs)


def draw_picture(person: int, number: int) -> tuple[Look, Drawing]:
    """The picture of a number of a person, always the same one, and how the person looks in it."""
    rng = np.random.Generator(np.random.Philox(key=[person + 1, number]))
    yaw, pitch, roll = rng.normal(0, [0.33, 0.12, 0.12])
    look = draw_look(rng, float(np.clip(yaw, -0.8, 0.8)), float(pitch), float(roll))
    drawn = draw_face(
        draw_person(person),
        look,
        draw_background(rng, HEIGHT, WIDTH),
        scale=rng.uniform(1.05, 1.3),
        shift=(rng.uniform(-0.04, 0.04), rng.uniform(-0.05, 0.03)),
    )
    return look, drawn._replace(pixels=spoil(drawn.pixels, rng))


def spoil(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """What cameras and crowds add: noise, another exposure, at times something in front."""
    picture = pixels.astype(np.float64)
    height, width = picture.shape[:2]
    if rng.random() < 0.15:
        rows, columns = np.mgrid[0:height, 0:width]
        across = (columns - rng.uniform(0, width)) / rng.uniform(0.06, 0.16) / width
        along = (rows - rng.uniform(0.3, 1) * height) / rng.uniform(0.06, 0.16) / height
        picture[across**2 + along**2 < 1] = rng.uniform(0, 255, 3)
    picture *= rng.uniform(0.8, 1.15)
    picture += rng.normal(0, rng.uniform(0, 6), picture.shape)
    spoiled: Pixels = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return spoiled


def encode_jpeg(pixels: Pixels) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _pairs(people: list[int], folds: int) -> Iterator[tuple[str, int, str, int]]:
    """Fold by fold, pairs of one person and then of two; no person in two folds, no pair twice."""
    for fold in range(folds):
        own = people[fold::folds]
        rng = np.random.Generator(np.random.Philox(key=[7, fold]))
        within = [(p, i, p, j) for p in own for i in range(PICTURES) for j in range(i)]
        for place in rng.permutation(len(within))[:_PAIRS]:
            yield _named(within[place])
        across = [
            (p, i, q, j)
            for at, p in enumerate(own)
            for q in own[:at]
            for i in range(PICTURES)
            for j in range(PICTURES)
        ]
        for place in rng.permutation(len(across))[:_PAIRS]:
            yield _named(across[place])


def _named(pair: tuple[int, int, int, int]) -> tuple[str, int, str, int]:
    first, i, second, j = pair
    return str(first + 1), i + 1, str(second + 1), j + 1


def _line(name: str, numbers: NDArray[np.float64], form: str) -> str:
    return " ".join([name, *(form.format(number) for number in np.ravel(numbers))])


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n")
