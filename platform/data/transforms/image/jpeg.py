"""Regions of encoded images at the size that training wants, without decoding what is not needed.

Of a JPEG file only the rows down to the region's bottom are decoded: the announced height is cut
there, a little further down so that no pixel of the region changes. Where the region is far larger
than what is wanted, libjpeg's inverse DCT gives it at 1/2, 1/4 or 1/8 of its size at once. Then it
is resized with antialiasing. Every other kind of image, and whatever is unusual in a JPEG file
(CMYK, 12 bits, no end marker), is decoded whole.

Tolerance against decoding whole, cropping and resizing with Pillow's antialiased `BILINEAR`: at
full scale no value differs by more than `EXACT_LEVELS` of 255, but for a share of `TIED_SHARE` at
most that differs by `TIED_LEVELS`, where sums lie half-way between two levels in both passes of the
filter, after each of which either resizer rounds (resizing in floating point, without that, takes 5
to 50 times as long). At a reduced scale the mean
difference over an image is at most `SCALED_LEVELS`, since the DCT's low-pass is a little sharper
than Pillow's filter. `_HEADROOM` keeps it there.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import PayloadTooLarge, RequestError, StriateError
from striate.data.transforms.image.crops import CropBox
from striate.data.transforms.image.decode import MAX_PIXELS, decode_image
from striate.data.transforms.image.exif import (
    STRAIGHT,
    orientation_of,
    swaps_axes,
    to_encoded,
    upright,
)

EXACT_LEVELS = 1
TIED_LEVELS = 2  # one for each pass of the filter
TIED_SHARE = 1e-3  # measured: 4e-4 at most, from 120 pixels to 96; in 20,000 other regions 1e-4
SCALED_LEVELS = 2.0
_HEADROOM = 1.5  # how much larger than `size` a region stays that is decoded at a reduced scale
_MARGIN_ROWS = 4  # smoothed chroma reaches one of its own rows, at most four of the image's, down
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; all Huffman-coded
_REDUCTIONS = (8, 4, 2)


class EncodedImage(Protocol):
    """An image whose size is known and whose pixels are made when a region is asked for."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    def region(self, box: CropBox, size: tuple[int, int]) -> Tensor:
        """The box resized to `size`, (height, width, 3) uint8.

        Raises:
            RequestError: the image is damaged.
        """


@dataclass(frozen=True)
class Whole:
    """An image that is decoded already: (height, width, 3) uint8."""

    pixels: Pixels

    @property
    def height(self) -> int:
        return len(self.pixels)

    @property
    def width(self) -> int:
        return len(self.pixels[0])

    def region(self, box: CropBox, size: tuple[int, int]) -> Tensor:
        return resize(box.cut(self.pixels), size)


@dataclass(frozen=True)
class Jpeg:
    """An ordinary JPEG file, known by its header; sizes are those after EXIF rotation.

    Attributes:
        payload: the file's content.
        frame_at: where its frame header stands.
        stored: (height, width) as they are encoded.
        orientation: of the EXIF record, 1 to 8; 1 is upright.
    """

    payload: bytes | memoryview
    frame_at: int
    stored: tuple[int, int]
    orientation: int = STRAIGHT

    @property
    def height(self) -> int:
        return self.stored[1 if swaps_axes(self.orientation) else 0]

    @property
    def width(self) -> int:
        return self.stored[0 if swaps_axes(self.orientation) else 1]

    def region(self, box: CropBox, size: tuple[int, int]) -> Tensor:
        lying = to_encoded(box, self.stored, self.orientation)
        lying_size = size[::-1] if swaps_axes(self.orientation) else size
        factor = _reduction(lying, lying_size)
        pixels = self._decode(lying.top + lying.height, factor)
        cut = _reduced(lying, factor).cut(pixels)
        return upright(resize(cut, lying_size), self.orientation)

    def _decode(self, bottom: int, factor: int) -> Pixels:
        """Rows from the top to `bottom` and a few more, at 1/`factor` of the size."""
        from simplejpeg import decode_jpeg  # late: commands that decode nothing start quickly

        rows = min(self.stored[0], bottom + _MARGIN_ROWS * factor)
        content = bytearray(self.payload)
        content[self.frame_at + 5 : self.frame_at + 7] = rows.to_bytes(2, "big")
        smallest = -(-rows // factor)
        try:
            pixels: Pixels = decode_jpeg(
                content, min_height=smallest, min_width=-(-self.stored[1] // factor), strict=False
            )
        except ValueError:
            raise RequestError("The JPEG image is truncated or damaged.") from None
        return pixels


def open_image(payload: bytes | memoryview, *, max_pixels: int = MAX_PIXELS) -> EncodedImage:
    """Read an image's header; decode it only if it is no ordinary JPEG file.

    Args:
        payload: the file's content, of a format that `decode_image` reads.
        max_pixels: limit on width × height.

    Raises:
        PayloadTooLarge: more pixels than the limit.
        RequestError: empty, truncated, damaged, or of a format that `decode_image` does not read.
    """
    picture = _jpeg(payload)
    if picture is None:
        pixels = decode_image(bytes(payload), max_pixels=max_pixels)
        colours = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
        return Whole(np.require(colours, requirements="W"))  # torch wants memory it could write to
    if picture.height * picture.width > max_pixels:
        raise PayloadTooLarge(
            f"The image has {picture.width} × {picture.height} pixels, over the limit of"
            f" {max_pixels / 1e6:g} megapixels."
        )
    return picture


def decode_region(payload: bytes | memoryview, box: CropBox, size: tuple[int, int]) -> Tensor:
    """A region of an encoded image, resized.

    Args:
        payload: a PNG or JPEG file's content.
        box: the region in pixels of the upright image.
        size: (height, width) wanted.

    Returns:
        (height, width, 3) uint8, red, green, blue.

    Raises:
        StriateError: as `open_image`.
    """
    return open_image(payload).region(box, size)


def damage(error: StriateError) -> str:
    """The reason that a damaged sample is counted by: no figure in it differs between images."""
    if isinstance(error, PayloadTooLarge):
        return "the image has too many pixels"
    sentence = str(error.args[0]).rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def resize(pixels: Pixels, size: tuple[int, int]) -> Tensor:
    """Antialiased bilinear resizing, as near Pillow's as the module says, by torch's vector code.

    Args:
        pixels: (h, w, 3) uint8.
        size: (height, width) wanted.

    Returns:
        (height, width, 3) uint8, contiguous.
    """
    image = torch.from_numpy(pixels)
    if image.shape[:2] == size:
        return image.clone()
    height, width, _ = pixels.shape
    row = pixels.strides[0]
    # Strides that say "channels last" even of one image: torch's vector code is twice as fast then.
    planes = image.as_strided((1, 3, height, width), (height * row, 1, row, 3))
    out = torch.nn.functional.interpolate(planes, size, mode="bilinear", antialias=True)
    return out[0].permute(1, 2, 0).contiguous()


def align_box(box: CropBox, size: tuple[int, int]) -> CropBox:
    """The box moved by a few pixels to the grid that reduced decoding has, where that applies.

    A random crop that is aligned is decoded at a reduced scale without being shifted by a part of
    a pixel.
    """
    factor = _reduction(box, size)
    bottom, right = box.top + box.height, box.left + box.width
    top, left, bottom, right = (
        edge // factor * factor for edge in (box.top, box.left, bottom, right)
    )
    return CropBox(top, left, bottom - top, right - left)


def _reduction(box: CropBox, size: tuple[int, int]) -> int:
    """The factor, 8, 4, 2 or 1, by which the box may be reduced before it is resized to `size`."""
    for factor in _REDUCTIONS:
        least = factor * _HEADROOM
        if box.height >= least * size[0] and box.width >= least * size[1]:
            return factor
    return 1


def _reduced(box: CropBox, factor: int) -> CropBox:
    """The box in the coordinates of the reduced image, to the nearest pixel."""
    top, left = round(box.top / factor), round(box.left / factor)
    bottom = -(-(box.top + box.height) // factor)
    right = -(-(box.left + box.width) // factor)
    return CropBox(top, left, bottom - top, right - left)


def _jpeg(content: bytes | memoryview) -> Jpeg | None:
    """The picture of an ordinary, complete JPEG file; None for everything else."""
    payload = memoryview(content).cast("B")  # Arrow's views count from −128
    if bytes(payload[:3]) != b"\xff\xd8\xff" or bytes(payload[-2:]) != b"\xff\xd9":
        return None
    at, orientation = 2, STRAIGHT
    while at + 10 <= len(payload) and payload[at] == 0xFF:
        kind, length = payload[at + 1], payload[at + 2] << 8 | payload[at + 3]
        if kind in _FRAMES:
            bits, height, width, channels = _frame(payload, at)
            ordinary = bits == 8 and channels in (1, 3) and height and width
            return Jpeg(payload, at, (height, width), orientation) if ordinary else None
        if kind == 0xE1:
            orientation = orientation_of(bytes(payload[at + 4 : at + 2 + length]), orientation)
        at += 2 + length
    return None


def _frame(payload: memoryview, at: int) -> tuple[int, int, int, int]:
    bits, *sizes, channels = payload[at + 4 : at + 10]
    return bits, sizes[0] << 8 | sizes[1], sizes[2] << 8 | sizes[3], channels
