"""Photographs for benchmarks: 500×375 JPEG files of about 65 KB, as ImageNet's are."""

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (500, 375)
BYTES = 65_000
CLASSES = 8
PHOTOGRAPHS = {
    "skimage": [
        f"data/{name}"
        for name in (
            "astronaut.png",
            "chelsea.png",
            "coffee.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "retina.jpg",
            "rocket.jpg",
        )
    ],
    "sklearn": ["datasets/images/china.jpg", "datasets/images/flower.jpg"],
}


def photographs() -> list[Image.Image]:
    """The colour photographs inside scikit-image and scikit-learn."""
    return [
        Image.open(_folder(package) / name).convert("RGB")
        for package, names in PHOTOGRAPHS.items()
        for name in names
    ]


def encoded(image: Image.Image, size_bytes: int = BYTES) -> bytes:
    """A JPEG file of the quality that brings it nearest to `size_bytes`."""
    low, high = 20, 98
    while low < high:
        quality = (low + high) // 2
        if len(_jpeg(image, quality)) < size_bytes:
            low = quality + 1
        else:
            high = quality
    return _jpeg(image, low)


def write_photographs(folder: Path, count: int, distinct: int) -> None:
    """Write `count` files, of which `distinct` differ, in folders named as ImageNet's classes."""
    random = np.random.default_rng(0)
    sources = photographs()
    cuts = [encoded(_cut(sources[i % len(sources)], random)) for i in range(distinct)]
    for index in range(count):
        place = folder / f"n{index % CLASSES + 1:08d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{place.name}_{index}.JPEG").write_bytes(cuts[index % distinct])


def _cut(photograph: Image.Image, random: np.random.Generator) -> Image.Image:
    """A random part of the photograph, scaled to `SHAPE`."""
    scale = min(photograph.width / SHAPE[0], photograph.height / SHAPE[1])
    scale *= random.uniform(0.6, 1.0)
    width, height = SHAPE[0] * scale, SHAPE[1] * scale
    left = random.uniform(0, photograph.width - width)
    top = random.uniform(0, photograph.height - height)
    box = (left, top, left + width, top + height)
    return photograph.resize(SHAPE, Image.Resampling.LANCZOS, box=box)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _folder(package: str) -> Path:
    found = find_spec(package)
    assert found is not None and found.origin is not None, f"{package} is not installed"
    return Path(found.origin).parent
