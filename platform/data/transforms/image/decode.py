"""Decoding of untrusted images: the header is judged before a pixel is decoded."""

import io
import struct
import threading
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from striate.core.errors import PayloadTooLarge, RequestError
from striate.data.transforms.end_marker import END

MAX_PIXELS = 64_000_000
# The formats accepted: Pillow's name, and what people say.
_NAMES = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WEBP": "WebP",
    "AVIF": "AVIF",
    "GIF": "GIF",
    "HEIF": "HEIC",
}
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_BRANDS = {
    "AVIF": (b"avif", b"avis"),
    "HEIF": (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"),
}
_UNSUPPORTED = {b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
ENDINGS = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "heic", "heif")
"""Of the names of images that `decode_image` reads, in small letters."""
_SUFFIXES = tuple(f".{ending}" for ending in ENDINGS)
_UPRIGHT = 1  # the EXIF orientation of an image that is shown as it is encoded
_ACCEPTED = "PNG, JPEG, WebP, AVIF, GIF"
# What Pillow raises on damaged files, beside its own errors (which are OSErrors).
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_REMEDY = f"Send {_ACCEPTED}, or HEIC where striate[heif] is installed."


class SafeCount:
    """Counts in this process, from any thread."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1


UNENDED = SafeCount()
"""JPEG images that lacked nothing but their end marker, and were decoded all the same."""


def is_image(path: str) -> bool:
    """Whether a file is an image that `decode_image` may read, by its name alone."""
    return path.lower().endswith(_SUFFIXES)


def read_header(payload: bytes) -> tuple[tuple[int, int], int]:
    """An image's (height, width) as it is encoded and its EXIF orientation; nothing is decoded.

    The orientation is 1 to 8, 1 being upright; a HEIC image is opened turned already.

    Raises:
        PayloadTooLarge: more than `MAX_PIXELS` pixels.
        RequestError: as `decode_image`, as far as the header says it.
    """
    kind = _kind(payload)
    image = _open(payload, kind, MAX_PIXELS)
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
    except _DAMAGED:
        orientation = _UPRIGHT
    known = orientation if orientation in range(1, 9) else _UPRIGHT
    return (image.height, image.width), known


def decode_image(payload: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, WebP, AVIF, GIF or HEIC image, whatever its name said.

    EXIF rotation is applied; CMYK, palette and 16-bit images are converted, transparent ones are
    laid on white; of an animated one the first frame is taken. A JPEG image that lacks
    nothing but its end marker is decoded, as browsers do, and counted in `UNENDED`.

    Args:
        payload: the file's content.
        max_pixels: limit on width × height, checked on the header alone.

    Returns:
        (height, width, channels) uint8: one channel for grey images, else red, green, blue.

    Raises:
        PayloadTooLarge: more pixels than the limit.
        RequestError: empty, truncated, damaged, of another format, or HEIC where
            ``striate[heif]`` is not installed.
    """
    kind = _kind(payload)
    image = _open(payload, kind, max_pixels)
    if (pixels := _plain_jpeg(payload, image)) is not None:
        return pixels
    try:
        image.load()
        return _pixels(image)
    except (Image.DecompressionBombError, *_DAMAGED):
        if (ended := _ended(payload, image)) is not None:
            UNENDED.add()
            return decode_image(ended, max_pixels=max_pixels)
        raise RequestError(f"The {_NAMES[kind]} image is truncated or damaged.", _REMEDY) from None


def _open(payload: bytes, kind: str, max_pixels: int) -> Image.Image:
    """The image, its header read and judged."""
    if kind == "HEIF":
        _register_heif()
    elif kind == "WEBP" and payload[12:16] == b"VP8X":  # whose canvas would be made by opening it
        width, height = (1 + int.from_bytes(payload[at : at + 3], "little") for at in (24, 27))
        _check_size(width, height, max_pixels)
    try:
        image = Image.open(io.BytesIO(payload), formats=(kind,))
    except Image.DecompressionBombError:
        raise PayloadTooLarge(
            f"The image is far over the limit of {max_pixels / 1e6:g} megapixels.",
            "Send a smaller image.",
        ) from None
    except (UnidentifiedImageError, *_DAMAGED):
        raise RequestError(f"The {_NAMES[kind]} image is truncated or damaged.", _REMEDY) from None
    _check_size(image.width, image.height, max_pixels)
    return image


def _kind(payload: bytes) -> str:
    if not payload:
        raise RequestError("The image is empty.", _REMEDY)
    for signature, kind in _SIGNATURES.items():
        if payload.startswith(signature):
            return kind
    if payload.startswith(b"RIFF") and payload[8:12] == b"WEBP":
        return "WEBP"
    for kind, brands in _BRANDS.items():
        if payload[4:8] == b"ftyp" and payload[8:12] in brands:
            # mif1 is said by both: the brands that follow tell them apart
            return "AVIF" if b"avif" in payload[8:64] else kind
    for signature, kind in _UNSUPPORTED.items():
        if payload.startswith(signature):
            raise RequestError(f"The payload is a {kind}, none of {_ACCEPTED} and HEIC.", _REMEDY)
    raise RequestError(f"The payload is none of {_ACCEPTED} and HEIC.", _REMEDY)


def _register_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise RequestError(
            "The payload is a HEIC image, which this installation does not read.",
            f"Install striate[heif] there, or send {_ACCEPTED}.",
        ) from None
    register_heif_opener()


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PayloadTooLarge(
            f"The image has {width} × {height} pixels, over the limit of"
            f" {max_pixels / 1e6:g} megapixels.",
            "Send a smaller image.",
        )


def _plain_jpeg(payload: bytes, image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of an ordinary upright JPEG file by simplejpeg; None for what Pillow must judge.

    Both end in libjpeg-turbo and give the same pixels; Pillow copies them three times more, which
    is half of the time. What either reads differently out of a header, or finds damaged, is left
    to Pillow.
    """
    spaces = {"RGB": "RGB", "L": "GRAY"}
    if image.format != "JPEG" or image.mode not in spaces:
        return None
    import simplejpeg  # late: commands that decode nothing start quickly

    try:
        if image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) != _UPRIGHT:
            return None
        if simplejpeg.decode_jpeg_header(payload)[:2] != (image.height, image.width):
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(payload, spaces[image.mode])
    except _DAMAGED:
        return None
    return pixels


def _ended(payload: bytes, image: Image.Image) -> bytes | None:
    """A JPEG file with the end marker that it lacks; None where more than that is missing.

    libjpeg-turbo fills what is missing in a scan with grey and warns, and simplejpeg's strict
    decoding raises at a warning.
    """
    if image.format != "JPEG" or payload.endswith(END):
        return None
    import simplejpeg

    ended = payload + (END[1:] if payload.endswith(END[:1]) else END)
    try:
        simplejpeg.decode_jpeg(ended, "CMYK" if image.mode == "CMYK" else "RGB")
    except _DAMAGED:
        return None
    return ended


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey: keep the high byte
        deep: NDArray[np.int64] = np.asarray(image).astype(np.int64)
        high: NDArray[np.uint8] = np.clip(deep >> 8, 0, 255).astype(np.uint8)
        return high[:, :, None]
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    grey = image.mode in {"1", "L", "LA"}
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return np.ascontiguousarray(pixels[:, :, None] if grey else pixels)
