"""A JPEG image that lacks its end marker is whole; one that lacks more is not."""

import io

import numpy as np
import pytest
from PIL import Image

from striate.core.errors import RequestError
from striate.data.transforms.image.decode import UNENDED, decode_image

pytestmark = pytest.mark.unit
KINDS = [
    ("RGB", {}),
    ("RGB", {"progressive": True}),
    ("RGB", {"subsampling": 0, "restart_marker_rows": 1}),
    ("L", {}),
    ("CMYK", {}),
]


def jpeg(mode: str, **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (53, 67, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg("RGB", exif=exif)


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize(("mode", "options"), KINDS)
def test_without_its_end_marker_it_is_the_same_picture_and_counted(
    mode: str, options: dict[str, object], lost: int
) -> None:
    whole, before = jpeg(mode, **options), UNENDED.count
    np.testing.assert_array_equal(decode_image(whole[:-lost]), decode_image(whole))
    assert UNENDED.count == before + 1


def test_one_that_is_turned_is_turned_all_the_same() -> None:
    np.testing.assert_array_equal(decode_image(turned()[:-2]), decode_image(turned()))


@pytest.mark.parametrize("lost", [20, 100, 1000])
@pytest.mark.parametrize(("mode", "options"), KINDS)
def test_one_that_lacks_more_is_refused(mode: str, options: dict[str, object], lost: int) -> None:
    before = UNENDED.count
    with pytest.raises(RequestError, match="truncated or damaged"):
        decode_image(jpeg(mode, **options)[:-lost])
    assert UNENDED.count == before
