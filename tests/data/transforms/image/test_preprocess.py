"""Preprocessing steps, and decoding of images that nobody vouches for."""

import io
import struct
import sys
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.core.errors import PayloadTooLarge, RecipeError, RequestError
from striate.data.transforms.image import decode
from striate.data.transforms.image.preprocess import apply, decode_image, fit

pytestmark = pytest.mark.unit

DIGITS: list[dict[str, Any]] = [
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
]


def encoded(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def photo(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels).resize(size).convert(mode)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


def test_a_photo_becomes_a_lenet_input() -> None:
    stored = fit(decode_image(encoded(photo())), DIGITS)
    assert stored.shape == (1, 28, 28)
    assert stored.dtype == np.uint8
    ready = apply(DIGITS, torch.from_numpy(stored)[None])
    assert (ready.shape, ready.dtype) == ((1, 1, 32, 32), torch.float32)


def test_background_and_ink_are_lecuns() -> None:
    images = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 5, 5] = 255
    ready = apply(DIGITS, images)
    assert ready.min().item() == pytest.approx(-0.1)
    assert ready[0, 0, 7, 7].item() == pytest.approx(1.175)


def test_an_image_of_the_right_kind_is_left_alone() -> None:
    digit = photo("L", (28, 28))
    assert np.array_equal(fit(decode_image(encoded(digit)), DIGITS)[0], np.asarray(digit))


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"op": "gray"}], "no preprocessing step named 'gray'"),
        ([{"op": "pad"}], "pad lacks margin"),
        ([{"op": "pad", "margin": [1, 2]}], r"pad cannot take margin = \[1, 2\]"),
        ([{"op": "scale", "factor": 1, "by": 2}], "scale cannot take by = 2"),
        ([{"op": "resize", "height": 0, "width": 3}], "resize cannot take height = 0"),
        ([{"op": "scale", "factor": 1}, {"op": "grayscale"}], "after one on batches"),
    ],
)
def test_a_wrong_step_is_named(steps: list[dict[str, object]], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        apply(steps, torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_png_of_any_mode_keeps_its_pixels(mode: str) -> None:
    image = photo(mode)
    expected = np.asarray(image.convert("L" if mode in {"1", "L"} else "RGB"))
    assert np.array_equal(decode_image(encoded(image)).squeeze(), expected)


def test_sixteen_bits_keep_their_high_byte() -> None:
    deep = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    decoded = decode_image(encoded(Image.fromarray(deep)))
    assert np.array_equal(decoded[:, :, 0], deep >> 8)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode_image(encoded(clear)).min() == 255


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK")
    decoded = decode_image(encoded(red, "JPEG", quality=95))
    assert decoded.shape == (16, 16, 3)
    assert np.abs(decoded.astype(int) - (250, 10, 10)).max() < 12


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to see it upright
    assert decode_image(encoded(photo(), "JPEG", exif=exif)).shape == (60, 40, 3)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    payload = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert decode_image(payload)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "empty"),
        (b"GIF89a" + bytes(50), "GIF image is truncated"),
        (b"plain text", "none of PNG, JPEG, WebP, AVIF, GIF"),
        (encoded(photo())[:40], "PNG image is truncated"),
        (encoded(photo())[:-200], "PNG image is truncated"),
        (encoded(photo(), "JPEG")[:-200], "JPEG image is truncated"),
        (b"\xff\xd8\xff", "JPEG image is truncated"),
        (encoded(photo(), "GIF")[:40], "GIF image is truncated"),
        (encoded(photo(), "TIFF"), "a TIFF, none of PNG, JPEG, WebP, AVIF, GIF"),
        (png_header(100, 100), "PNG image is truncated"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(payload: bytes, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        decode_image(payload)
    assert not isinstance(caught.value, PayloadTooLarge)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(8001, 8000), (10_000, 10_000), (65_000, 65_000)])
def test_a_gigantic_image_is_refused_on_its_header(size: tuple[int, int]) -> None:
    """The payload holds a thousand pixels, so decoding would have failed in another way."""
    with pytest.raises(PayloadTooLarge, match="64 megapixels"):
        decode_image(png_header(*size))


def test_the_limit_itself_passes() -> None:
    assert decode_image(encoded(photo()), max_pixels=60 * 40).shape == (40, 60, 3)
    with pytest.raises(PayloadTooLarge, match="60 × 40"):
        decode_image(encoded(photo()), max_pixels=60 * 40 - 1)


@given(data=st.data())
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(data: st.DataObject) -> None:
    size = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    options = {
        "quality": data.draw(st.integers(1, 100)),
        "subsampling": data.draw(st.integers(0, 2)),
        "progressive": data.draw(st.booleans()),
        "restart_marker_blocks": data.draw(st.integers(0, 3)),
    }
    mode = data.draw(st.sampled_from(["RGB", "L"]))
    payload = encoded(photo(mode, size), "JPEG", **options)
    with Image.open(io.BytesIO(payload)) as image:
        pixels = np.asarray(image)
    assert np.array_equal(decode_image(payload), pixels.reshape(*pixels.shape[:2], -1))


@given(data=st.data())
def test_a_damaged_jpeg_is_what_pillow_makes_of_it(data: st.DataObject) -> None:
    payload = bytearray(encoded(photo("RGB", (24, 16)), "JPEG"))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(3, len(payload) - 1))] = data.draw(st.integers(0, 255))
    found = outcome(bytes(payload))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decode, "_plain_jpeg", lambda *_: None)
        assert found == outcome(bytes(payload))


def outcome(payload: bytes) -> bytes | str:
    """The pixels, or the sentence that refuses the image."""
    try:
        return decode_image(payload, max_pixels=10**6).tobytes()
    except (RequestError, PayloadTooLarge) as error:
        return str(error)


@given(kind=st.sampled_from(["PNG", "JPEG"]), data=st.data())
def test_no_damage_escapes_as_another_error(kind: str, data: st.DataObject) -> None:
    payload = bytearray(encoded(photo("L", (24, 16)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(8, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    try:
        decoded = decode_image(bytes(payload[:cut]))
    except RequestError:
        return
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 3


KINDS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "HEIF")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image in a format; HEIC where the extra is installed."""
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    return encoded(image, kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_photos_are_read_as_browsers_and_telephones_send_them(kind: str) -> None:
    red = Image.new("RGB", (48, 32), (250, 10, 10))
    decoded = decode_image(saved(red, kind))
    assert decoded.shape == (32, 48, 3)
    assert np.abs(decoded.astype(int) - (250, 10, 10)).max() < 12
    with pytest.raises(PayloadTooLarge, match="48 × 32"):
        decode_image(saved(red, kind), max_pixels=48 * 32 - 1)
    with pytest.raises(RequestError, match="truncated or damaged"):
        decode_image(saved(photo(), kind)[:60])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF"])
def test_of_each_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    payload = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    red, green, blue = decode_image(payload)[8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 15


def test_a_gigantic_webp_is_refused_before_its_canvas_is_made() -> None:
    canvas = (29_999).to_bytes(3, "little") * 2
    payload = b"RIFF" + bytes(4) + b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes(4) + canvas
    with pytest.raises(PayloadTooLarge, match="30000 × 30000"):
        decode_image(payload)


def test_without_the_extra_heic_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(RequestError, match="is a HEIC image") as caught:
        decode_image(bytes(4) + b"ftypheic" + bytes(30))
    assert "striate[heif]" in caught.value.remedy
