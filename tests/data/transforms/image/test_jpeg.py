"""Regions of JPEG files against decoding whole, then cropping; images nobody vouches for."""

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from striate.core.errors import PayloadTooLarge, RequestError
from striate.data.transforms.image.crops import CropBox
from striate.data.transforms.image.jpeg import (
    EXACT_LEVELS,
    SCALED_LEVELS,
    TIED_LEVELS,
    TIED_SHARE,
    Jpeg,
    Whole,
    align_box,
    damage,
    decode_region,
    open_image,
)

pytestmark = pytest.mark.unit

PHOTOGRAPHS = {
    "skimage": ("data/coffee.png", "data/chelsea.png", "data/retina.jpg", "data/grass.png"),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
}
SIZE = (96, 96)


def photographs() -> list[Image.Image]:
    opened = []
    for package, names in PHOTOGRAPHS.items():
        found = find_spec(package)
        assert found is not None and found.origin is not None
        opened += [Image.open(Path(found.origin).parent / name).convert("RGB") for name in names]
    return opened


PHOTOS = photographs()


def encoded(image: Image.Image, kind: str = "JPEG", **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def reference(payload: bytes, box: CropBox, size: tuple[int, int]) -> NDArray[np.int64]:
    """Decoded whole, turned upright, cropped, resized: all by Pillow."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(payload))).convert("RGB")
    part = image.crop((box.left, box.top, box.left + box.width, box.top + box.height))
    resized = part.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels: NDArray[np.int64] = np.asarray(resized, dtype=np.int64)
    return pixels


def differences(payload: bytes, box: CropBox, size: tuple[int, int]) -> NDArray[np.int64]:
    ours = decode_region(payload, box, size)
    assert (ours.dtype, tuple(ours.shape)) == (torch.uint8, (*size, 3))
    levels: NDArray[np.int64] = ours.numpy().astype(np.int64)
    apart: NDArray[np.int64] = np.abs(levels - reference(payload, box, size))
    return apart


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_region_at_full_scale_is_exact(data: st.DataObject) -> None:
    photo = data.draw(st.sampled_from(PHOTOS)).resize((250, 187))
    height = data.draw(st.integers(20, 143))
    width = data.draw(st.integers(20, 143))
    box = CropBox(
        data.draw(st.integers(0, 187 - height)),
        data.draw(st.integers(0, 250 - width)),
        height,
        width,
    )
    payload = encoded(
        photo,
        quality=data.draw(st.sampled_from((60, 95))),
        subsampling=data.draw(st.integers(0, 2)),
        progressive=data.draw(st.booleans()),
    )
    apart = differences(payload, box, SIZE)
    assert apart.max() <= TIED_LEVELS
    assert (apart > EXACT_LEVELS).mean() <= TIED_SHARE


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("bottom", [16, 17, 31, 100, 186, 187])
def test_no_pixel_changes_where_decoding_stops(bottom: int, subsampling: int) -> None:
    """Smoothed chroma mixes rows, so a little more than the region has to be decoded."""
    noise = np.random.default_rng(0).integers(0, 256, (187, 250, 3), np.uint8)
    payload = encoded(Image.fromarray(noise), quality=95, subsampling=subsampling)
    box = CropBox(0, 40, bottom, 200)
    assert differences(payload, box, (bottom, 200)).max() == 0


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: f"{photo.width}x{photo.height}")
@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_reduced_region_is_within_the_tolerance(
    photo: Image.Image, factor: int, subsampling: int
) -> None:
    payload = encoded(photo, quality=90, subsampling=subsampling)
    wanted = CropBox(7, 5, photo.height - 20, photo.width - 20)
    size = (int(wanted.height / factor / 1.55), int(wanted.width / factor / 1.55))
    box = align_box(wanted, size)
    assert differences(payload, box, size).mean() <= SCALED_LEVELS


def test_a_reduced_region_costs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rows down to the region's bottom are decoded, and at the scale that is enough."""
    shapes = []
    decode = Jpeg._decode

    def watched(self: Jpeg, bottom: int, factor: int) -> NDArray[np.uint8]:
        pixels = decode(self, bottom, factor)
        shapes.append(pixels.shape)
        return pixels

    monkeypatch.setattr(Jpeg, "_decode", watched)
    payload = encoded(PHOTOS[2].resize((1000, 800)))
    decode_region(payload, CropBox(0, 0, 200, 900), SIZE)
    decode_region(payload, CropBox(0, 0, 800, 1000), SIZE)
    assert shapes == [(204, 1000, 3), (200, 250, 3)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    payload = encoded(PHOTOS[0].resize((240, 160)), quality=95, exif=exif)
    picture = open_image(payload)
    assert isinstance(picture, Jpeg)
    assert (picture.height, picture.width) == ((240, 160) if orientation > 4 else (160, 240))
    assert differences(payload, CropBox(11, 5, 90, 140), (64, 80)).max() <= EXACT_LEVELS


def test_a_signed_view_of_a_shard_takes_the_fast_path() -> None:
    payload = encoded(PHOTOS[0])
    assert isinstance(open_image(memoryview(payload).cast("b")), Jpeg)


UNUSUAL = {
    "grey": encoded(PHOTOS[1].convert("L")),
    "CMYK": encoded(PHOTOS[1].convert("CMYK"), quality=95),
    "a PNG": encoded(PHOTOS[1], "PNG"),
    "16-bit grey": encoded(Image.fromarray(np.full((40, 50), 40000, np.uint16)), "PNG"),
    "bytes after the end": encoded(PHOTOS[1]) + b"\0\0junk",
    "animated PNG": encoded(
        PHOTOS[1], "PNG", save_all=True, append_images=[PHOTOS[1].convert("RGB").rotate(90)]
    ),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_images_are_converted(kind: str) -> None:
    picture = open_image(UNUSUAL[kind])
    whole = picture.region(CropBox(0, 0, picture.height, picture.width), (60, 80))
    assert tuple(whole.shape) == (60, 80, 3)
    if kind == "16-bit grey":
        assert whole.float().mean().item() == 40000 >> 8
    else:
        assert differences(UNUSUAL[kind], CropBox(3, 4, 100, 120), (60, 80)).max() <= EXACT_LEVELS


PHOTO = encoded(PHOTOS[4])
BROKEN = {
    "the image is empty": b"",
    "the JPEG image is truncated or damaged": PHOTO[: len(PHOTO) // 2],
    "the PNG image is truncated or damaged": encoded(PHOTOS[4], "PNG")[:2000],
    "the payload is a TIFF, none of PNG, JPEG, WebP, AVIF, GIF and HEIC": encoded(
        PHOTOS[4], "TIFF"
    ),
    "the payload is none of PNG, JPEG, WebP, AVIF, GIF and HEIC": b"<html>not found</html>",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_broken_images_are_named(reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        open_image(BROKEN[reason]).region(CropBox(0, 0, 10, 10), SIZE)
    assert damage(caught.value) == reason


def test_a_gigantic_image_is_refused_on_its_header() -> None:
    frame = PHOTO.index(b"\xff\xc0")
    payload = PHOTO[: frame + 5] + b"\xff\xff\xff\xff" + PHOTO[frame + 9 :]
    with pytest.raises(PayloadTooLarge) as caught:
        open_image(payload)
    assert damage(caught.value) == "the image has too many pixels"


@settings(max_examples=150, deadline=None)
@given(st.integers(2, len(PHOTO) - 3), st.integers(0, 255))
def test_a_flipped_byte_gives_pixels_or_one_error(place: int, value: int) -> None:
    place = place % 700 if place % 2 else place  # half of them in the header
    payload = PHOTO[:place] + bytes([value]) + PHOTO[place + 1 :]
    try:
        picture = open_image(payload, max_pixels=4_000_000)
        size = (min(picture.height, 50), min(picture.width, 50))
        assert tuple(picture.region(CropBox(0, 0, *size), (32, 32)).shape) == (32, 32, 3)
    except RequestError:
        pass


def test_small_pictures_are_whole() -> None:
    picture = open_image(encoded(Image.new("RGB", (1, 1), "red"), "PNG"))
    assert isinstance(picture, Whole)
    assert picture.region(CropBox(0, 0, 1, 1), (8, 8)).tolist()[3][4] == [255, 0, 0]
