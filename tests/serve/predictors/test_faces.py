"""Faces of photos: found, cut out upright, described, and as codes that tell them apart."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError
from striate.data.transforms.binary_codes import hamming_pairs
from striate.data.transforms.image.decode import decode_image
from striate.models.evaluation.boxes import Box
from striate.models.evaluation.detect_faces import Face
from striate.serve.common.face_types import FaceBox, FaceRequest, SeenPhoto
from striate.serve.predictors.face_crops import CROP_SIDE, FACE_PIXELS, cut_face, sharpness
from striate.serve.predictors.face_finder import FinderSettings
from striate.serve.predictors.faces import FacePredictor

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]


@pytest.fixture(scope="module")
def predictor(face_bundles: dict[str, Path]) -> FacePredictor:
    return load(face_bundles)


def load(bundles: dict[str, Path], **settings: Any) -> FacePredictor:
    network, detector = (Bundle.open(bundles[name]) for name in ("network", "detector"))
    return FacePredictor.load(network, detector, settings=FinderSettings(**settings))


def seen(predictor: FacePredictor, *requests: FaceRequest) -> list[SeenPhoto]:
    answers = predictor.answers(requests)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return [answer for answer in answers if isinstance(answer, SeenPhoto)]


def apart(photos: list[SeenPhoto], first: int, second: int) -> int:
    codes = [photo.faces[0].code for photo in (photos[first], photos[second])]
    assert codes[0] is not None and codes[1] is not None
    return int(hamming_pairs(codes[0][None], codes[1][None])[0])


def test_faces_of_many_photos_are_found_and_described_in_their_order(
    predictor: FacePredictor, face_photo: FacePhoto
) -> None:
    shown = [[1], [], [2, 3, 1], list(range(40))]
    photos = seen(predictor, *(FaceRequest(face_photo(*looks)) for looks in shown))
    assert [len(photo.faces) for photo in photos] == [1, 0, 3, 40]
    assert (photos[2].height, photos[2].width) == (80, 240)
    face = photos[0].faces[0]
    assert (face.box.left, face.box.top) == pytest.approx((0.2, 0.2), abs=0.02)
    assert (face.box.width, face.box.height) == pytest.approx((0.6, 0.6), abs=0.01)
    assert face.quality.size_px == pytest.approx(48, abs=1)
    assert face.confidence > 0 and face.crop.shape == (CROP_SIDE, CROP_SIDE, 3)
    assert face.descriptor is not None and face.descriptor.dtype == np.float32
    assert face.descriptor.shape == (predictor.origin.dimension,)
    assert face.code is not None and face.code.dtype == np.uint8 and face.code.shape == (32,)
    (alone,) = seen(predictor, FaceRequest(face_photo(2, 3, 1)))
    for one, other in zip(photos[2].faces, alone.faces, strict=True):
        assert one.box == other.box and np.array_equal(one.crop, other.crop)
        assert one.descriptor is not None and other.descriptor is not None
        assert np.allclose(one.descriptor, other.descriptor, rtol=1e-4), "batches only round"


def test_a_face_is_nearer_to_itself_than_to_others(
    predictor: FacePredictor, face_photo: FacePhoto
) -> None:
    photos = seen(predictor, *(FaceRequest(face_photo(look)) for look in (5, 6, 5)))
    assert apart(photos, 0, 2) == 0
    assert apart(photos, 0, 1) > 30


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_exif_turns_is_as_its_upright_one(
    predictor: FacePredictor, face_photo: FacePhoto, orientation: int
) -> None:
    upright = Image.open(io.BytesIO(face_photo(1, 2)))
    turned = upright.transpose(TURNS[orientation]) if orientation in TURNS else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    turned.save(out, "PNG", exif=exif)
    there, here = seen(predictor, FaceRequest(face_photo(1, 2)), FaceRequest(out.getvalue()))
    assert (here.height, here.width) == (80, 160)
    assert [face.box for face in here.faces] == [face.box for face in there.faces]
    assert apart([there, here], 0, 1) == 0


def test_only_the_face_that_is_asked_for(predictor: FacePredictor, face_photo: FacePhoto) -> None:
    second = FaceBox(0.6, 0.2, 0.3, 0.6)
    (photo,) = seen(predictor, FaceRequest(face_photo(1, 2), only=second))
    assert len(photo.faces) == 1 and photo.faces[0].box.overlap(second) > 0.9
    (nobody,) = seen(predictor, FaceRequest(face_photo(1, 2), only=FaceBox(0.0, 0.0, 0.1, 0.1)))
    assert nobody.faces == ()


def test_a_kept_crop_is_described_as_the_photo_was(
    predictor: FacePredictor, face_photo: FacePhoto
) -> None:
    """Also one of a face that leans: what is kept is what was described."""
    tilted = face_photo(4, change=lambda photo: photo.rotate(17))
    (photo,) = seen(predictor, FaceRequest(tilted))
    out = io.BytesIO()
    Image.fromarray(photo.faces[0].crop).save(out, "PNG")
    vectors, codes = predictor.describe_kept([out.getvalue()])
    face = photo.faces[0]
    assert face.descriptor is not None and np.array_equal(vectors[0], face.descriptor)
    assert face.code is not None and np.array_equal(codes[0], face.code)
    with pytest.raises(RequestError, match="240×240 pixels, and this one 80×80"):
        predictor.describe_kept([face_photo(4)])


def test_a_photo_that_cannot_be_used_fails_alone(
    predictor: FacePredictor, face_photo: FacePhoto, broken: dict[str, bytes]
) -> None:
    asked = [face_photo(1), *broken.values(), b"", face_photo(2)]
    answers = predictor.answers([FaceRequest(image) for image in asked])
    kinds = [isinstance(answer, RequestError) for answer in answers]
    assert kinds == [False, *[True] * (len(broken) + 1), False]


def test_grey_and_huge_photos_are_looked_at_too(
    face_bundles: dict[str, Path], predictor: FacePredictor, face_photo: FacePhoto
) -> None:
    grey, large = (
        seen(predictor, FaceRequest(face_photo(7, change=change)))[0]
        for change in (lambda p: p.convert("L"), lambda p: p.resize((2000, 2000)))
    )
    assert len(grey.faces) == len(large.faces) == 1
    assert large.faces[0].quality.size_px == pytest.approx(1200, rel=0.2)
    fewer = load(face_bundles, most_faces=2)
    assert len(seen(fewer, FaceRequest(face_photo(1, 2, 3, 4)))[0].faces) == 2
    strict = load(face_bundles, threshold=0.1)
    assert seen(strict, FaceRequest(face_photo(1)))[0].faces == ()


def test_numbers_that_are_not_finite_are_no_description(
    face_bundles: dict[str, Path], face_photo: FacePhoto
) -> None:
    spoilt = load(face_bundles)
    spoilt._network.f7.bias.data[0] = float("inf")
    found, nothing = spoilt.answers([FaceRequest(face_photo(1)), FaceRequest(face_photo())])
    assert isinstance(found, BundleError) and "not finite" in str(found)
    assert isinstance(nothing, SeenPhoto)


def test_what_describes_and_finds_no_faces_is_refused(
    face_bundles: dict[str, Path], bundle: Bundle
) -> None:
    detector, network = (Bundle.open(face_bundles[name]) for name in ("detector", "network"))
    with pytest.raises(BundleError, match="describes no faces"):
        FacePredictor.load(detector, detector)
    with pytest.raises(BundleError, match="detects no faces"):
        FacePredictor.load(network, network)
    without = Bundle(network.path, network.spec, {"model.safetensors": network.files["codes.npz"]})
    with pytest.raises(BundleError, match=r"no asset 'codes\.npz'"):
        FacePredictor.load(without, detector)


def test_the_origin_tells_weights_and_detector_apart(face_bundles: dict[str, Path]) -> None:
    first = load(face_bundles).origin
    other = load({**face_bundles, "network": face_bundles["other"]}).origin
    assert first.detector_sha256 == other.detector_sha256
    assert first.network_sha256 != other.network_sha256
    assert first.code_version != other.code_version and first.code_version.endswith("-1")


def face_at(middle: tuple[float, float], side: float, roll_deg: float = 0.0) -> Face:
    half = side / 2
    edges = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    return Face(Box(*edges), 0.1, 0.0, roll_deg)


def test_a_crop_is_the_same_whatever_the_size_of_the_photo(face_photo: FacePhoto) -> None:
    small = decode_image(face_photo(3))
    large = np.asarray(Image.fromarray(small).resize((960, 960), Image.Resampling.BICUBIC))
    cuts = [cut_face(small, face_at((40, 40), 48)), cut_face(large, face_at((480, 480), 576))]
    middle = [cut.crop[40:200, 40:200].astype(int) for cut in cuts]
    assert middle[0].shape == (FACE_PIXELS, FACE_PIXELS, 3)
    assert np.abs(middle[0] - middle[1]).mean() < 6


def test_a_face_at_the_edge_or_of_a_pixel_is_cut_out_all_the_same() -> None:
    photo = np.full((5, 4, 3), 90, np.uint8)
    for middle, side in (((0, 0), 30), ((3.9, 4.9), 1), ((2, 2), 2000), ((-50, 90), 4)):
        cut = cut_face(photo, face_at(middle, side))
        assert (cut.crop == 90).all() and cut.sharpness == 0


def test_sharpness_falls_with_blur_and_not_with_size(face_photo: FacePhoto) -> None:
    from PIL import ImageFilter

    sharp = Image.open(io.BytesIO(face_photo(3))).resize((640, 640), Image.Resampling.NEAREST)
    face = face_at((320, 320), 384)
    values = [
        sharpness(np.asarray(sharp.filter(ImageFilter.GaussianBlur(radius))), face)
        for radius in (0, 6, 20)
    ]
    assert values[0] > 2 * values[1] > 4 * values[2]
    half = np.asarray(sharp.resize((320, 320), Image.Resampling.BOX))
    assert sharpness(half, face_at((160, 160), 192)) == pytest.approx(values[0], rel=0.3)
    assert replace(face, roll_deg=3.0) != face
