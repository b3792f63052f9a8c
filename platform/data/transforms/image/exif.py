"""EXIF orientation: where an upright image's pixels lie in the image as it is encoded."""

from PIL import Image
from torch import Tensor

from striate.data.transforms.image.crops import CropBox

STRAIGHT = 1
_TAG = 0x0112
# Orientations (CIPA DC-008, 4.6.4) that turn rows or columns round; from 5 both are exchanged.
_ROWS_TURNED, _COLUMNS_TURNED = (3, 4, 6, 7), (2, 3, 7, 8)


def orientation_of(segment: bytes, otherwise: int = STRAIGHT) -> int:
    """The orientation, 1 to 8, in an APP1 segment's content; `otherwise` if it is no EXIF."""
    if not segment.startswith(b"Exif\0\0"):
        return otherwise
    record = Image.Exif()
    try:
        record.load(segment)
    except (OSError, SyntaxError, ValueError):
        return otherwise
    value = record.get(_TAG, STRAIGHT)
    return value if value in range(1, 9) else STRAIGHT


def swaps_axes(orientation: int) -> bool:
    """Whether rows of the upright image are columns of the encoded one."""
    return orientation > 4


def to_encoded(box: CropBox, encoded: tuple[int, int], orientation: int) -> CropBox:
    """Where a box of the upright image lies in the image as it is encoded."""
    top, left, height, width = box
    if swaps_axes(orientation):
        top, left, height, width = left, top, width, height
    if orientation in _ROWS_TURNED:
        top = encoded[0] - top - height
    if orientation in _COLUMNS_TURNED:
        left = encoded[1] - left - width
    return CropBox(top, left, height, width)


def upright(image: Tensor, orientation: int) -> Tensor:
    """Pixels (height, width, …) as they are encoded, turned upright."""
    ways = (_ROWS_TURNED, _COLUMNS_TURNED)
    turned = [axis for axis, way in enumerate(ways) if orientation in way]
    image = image.flip(turned) if turned else image
    return image.transpose(0, 1).contiguous() if swaps_axes(orientation) else image
