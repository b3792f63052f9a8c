"""Generated outdoor scenes with a class for each pixel, written in Stanford Background's layout."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import UsageError
from striate.core.files import explain_full_disk
from striate.data.corpora.scene_drawing import HEIGHT, WIDTH, draw_scene
from striate.data.corpora.stanford import FOLDERS, FOLDS, HORIZONS

DEFAULT_SCENES = 240
_QUALITY = 90
_FIRST_ID = 9_000_000  # above all published ones


def write_scenes(target: Path, size: int = DEFAULT_SCENES) -> None:
    """Write scenes to the folder `target`: images, regions and ``horizons.txt``.

    The scene of a number is always the same one. A line of ``horizons.txt`` has the scene's name,
    its width and height, and the row of the horizon.

    Args:
        target: the folder, new or empty.
        size: scenes in all; a fifth of them is the split ``test``.

    Raises:
        UsageError: fewer scenes than folds.
        PlatformError: the disk is full.
    """
    if size < FOLDS:
        raise UsageError(f"{size} scenes are too few.", f"Give at least {FOLDS}.")
    root = target / FOLDERS[0]
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True, exist_ok=True)
    horizons = []
    with explain_full_disk(target):
        for number in range(size):
            scene = draw_scene(np.random.Generator(np.random.Philox(key=number)))
            name = f"{_FIRST_ID + number}"
            (root / "images" / f"{name}.jpg").write_bytes(_encode(scene.pixels))
            (root / "labels" / f"{name}.regions.txt").write_text(_format(scene.regions))
            horizons.append(f"{name} {WIDTH} {HEIGHT} {scene.horizon}\n")
        (root / HORIZONS).write_text("".join(horizons))


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _format(regions: NDArray[np.int16]) -> str:
    """A line of whole numbers for each row of pixels."""
    return "".join(f"{' '.join(map(str, row))}\n" for row in regions.tolist())
