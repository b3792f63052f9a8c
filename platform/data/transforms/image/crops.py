"""Where crops lie: boxes as pure functions of an image's size and of numbers in [0, 1)."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, Protocol, TypeVar

_ATTEMPTS = 10
CROP_DRAWS = 2 * _ATTEMPTS + 2  # numbers that `random_resized` may use


class _Sliced(Protocol):
    """An array or a tensor."""

    def __getitem__(self, at: Any, /) -> Any: ...


_Values = TypeVar("_Values", bound=_Sliced)


class CropBox(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, values: _Values) -> _Values:
        """The rectangle of an array or tensor (height, width, …): a view of it."""
        rows = slice(self.top, self.top + self.height)
        cut: _Values = values[rows, self.left : self.left + self.width]
        return cut


def random_resized(
    image: tuple[int, int],
    draws: Sequence[float],
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> CropBox:
    """A box of random area and shape (Szegedy et al., CVPR 2015, section 6).

    The share of the area is even in `area`, the width over the height log-even in `ratio`. The
    first of ten draws that fits is taken; if none does, the largest box in the middle that keeps
    the ratio in bounds.

    Args:
        image: (height, width).
        draws: `CROP_DRAWS` numbers in [0, 1).
        area: least and greatest share of the image's area.
        ratio: least and greatest width over height.
    """
    height, width = image
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for attempt in range(_ATTEMPTS):
        share = area[0] + draws[2 * attempt] * (area[1] - area[0])
        shape = math.exp(low + draws[2 * attempt + 1] * (high - low))
        w = round(math.sqrt(height * width * share * shape))
        h = round(math.sqrt(height * width * share / shape))
        if 0 < w <= width and 0 < h <= height:
            return draw_box(image, (h, w), draws[-2:])
    w = min(width, max(1, round(height * ratio[1])))
    h = min(height, max(1, round(width / ratio[0])))
    return centre_box(image, (h, w))


def draw_jittered_box(
    image: tuple[int, int], draws: Sequence[float], shorter: tuple[int, int], size: int
) -> CropBox:
    """VGG's scale jitter (Simonyan and Zisserman, ICLR 2015, 3.1).

    The image's shorter side would become S, even in the whole numbers of `shorter`, and a
    `size` × `size` crop would be taken from it at random; the box is what that crop shows.

    Args:
        image: (height, width).
        draws: three numbers in [0, 1).
        shorter: least and greatest S in pixels, at least `size`.
        size: of the crop in pixels.
    """
    scale = shorter[0] + int(draws[0] * (shorter[1] - shorter[0] + 1))
    side = max(1, round(size * min(image) / scale))
    return draw_box(image, (side, side), draws[1:3])


def draw_box(image: tuple[int, int], size: tuple[int, int], draws: Sequence[float]) -> CropBox:
    """A box of `size` at a random place, each as likely."""
    top = int(draws[0] * (image[0] - size[0] + 1))
    left = int(draws[1] * (image[1] - size[1] + 1))
    return CropBox(top, left, *size)


def centre_box(image: tuple[int, int], size: tuple[int, int]) -> CropBox:
    """The box of `size` in the middle."""
    return CropBox(round((image[0] - size[0]) / 2), round((image[1] - size[1]) / 2), *size)


def corners_and_centre(image: tuple[int, int], size: tuple[int, int]) -> Iterator[CropBox]:
    """The five boxes of ten-crop testing (Krizhevsky et al., NIPS 2012, 4.1)."""
    for top, left in product((0, image[0] - size[0]), (0, image[1] - size[1])):
        yield CropBox(top, left, *size)
    yield centre_box(image, size)


def scale_shorter(image: tuple[int, int], shorter: int) -> tuple[int, int]:
    """The size whose shorter side is `shorter` pixels, of the same shape."""
    height, width = image
    if height <= width:
        return shorter, max(shorter, int(shorter * width / height))
    return max(shorter, int(shorter * height / width)), shorter
