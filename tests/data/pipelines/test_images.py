"""ImageNet's pipelines: what training and testing see, and that it is a function of the place."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.core.errors import RecipeError
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.images import MEAN, STD
from striate.data.pipelines.registry import pipeline_of
from striate.data.transforms.image.crops import (
    CROP_DRAWS,
    CropBox,
    corners_and_centre,
    draw_jittered_box,
    random_resized,
    scale_shorter,
)

pytestmark = pytest.mark.unit

UNIT = st.floats(0, 1, exclude_max=True)
SIDES = st.tuples(st.integers(1, 3000), st.integers(1, 3000))


def photograph() -> Image.Image:
    found = find_spec("sklearn")
    assert found is not None and found.origin is not None
    return Image.open(Path(found.origin).parent / "datasets/images/china.jpg").convert("RGB")


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


PHOTO = jpeg(photograph())


def stored(count: int, payload: bytes = PHOTO) -> list[Stored]:
    return [Stored(row, 0, payload, row % 5, f"n0/{row}.JPEG") for row in range(count)]


def places(positions: list[int], epoch: int = 0, seed: int = 3) -> Places:
    return Places(seed, np.full(len(positions), epoch, np.int64), np.array(positions, np.int64))


def images(name: str, positions: list[int], epoch: int = 0, **arguments: Any) -> torch.Tensor:
    pipeline = pipeline_of(name, arguments, training=name == "imagenet-train")
    return pipeline(stored(len(positions)), places(positions, epoch))["images"]


def inside(box: CropBox, image: tuple[int, int]) -> bool:
    return (
        box.top >= 0
        and box.left >= 0
        and 0 < box.height <= image[0] - box.top
        and 0 < box.width <= image[1] - box.left
    )


@given(SIDES, st.lists(UNIT, min_size=CROP_DRAWS, max_size=CROP_DRAWS))
def test_random_boxes_lie_inside(image: tuple[int, int], draws: list[float]) -> None:
    assert inside(random_resized(image, draws), image)


@given(SIDES, st.lists(UNIT, min_size=3, max_size=3))
def test_jittered_boxes_lie_inside_and_are_square(
    image: tuple[int, int], draws: list[float]
) -> None:
    box = draw_jittered_box(image, draws, (256, 512), 224)
    assert inside(box, image)
    assert box.height == box.width


def test_boxes_have_the_areas_and_shapes_that_are_asked_for() -> None:
    draws = np.random.default_rng(0).random((4000, CROP_DRAWS)).tolist()
    boxes = [random_resized((375, 500), one) for one in draws]
    areas = np.array([box.height * box.width for box in boxes]) / (375 * 500)
    shapes = np.array([box.width / box.height for box in boxes])
    assert 0.079 < areas.min() < 0.1
    assert 0.9 < areas.max() <= 1
    assert 0.74 < shapes.min() < 0.78
    assert 1.28 < shapes.max() < 1.35
    small, middling = np.histogram(areas, [0.1, 0.25, 0.4])[0]  # all of these fit: even
    assert middling == pytest.approx(small, rel=0.15)


def test_jitter_follows_vgg() -> None:
    sides = {
        draw_jittered_box((375, 500), [s / 100, 0, 0], (256, 512), 224).height for s in range(100)
    }
    assert max(sides) == round(224 * 375 / 256)
    assert min(sides) <= round(224 * 375 / 510)


def test_a_crop_depends_on_its_place_alone() -> None:
    """So a run that is resumed, or has other workers or batches, sees the same pixels."""
    together = images("imagenet-train", [4, 5, 6, 7], epoch=2)
    alone = torch.cat([images("imagenet-train", [position], epoch=2) for position in (4, 5, 6, 7)])
    assert torch.equal(together, alone)
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together, images("imagenet-train", [4, 5, 6, 7], epoch=3))


def test_training_gives_normalised_crops_and_labels() -> None:
    pipeline = pipeline_of("imagenet-train", {"size": 64, "shorter": (64, 64)}, training=True)
    made = pipeline(stored(7), places(list(range(7))))
    assert (made["images"].shape, made["images"].dtype) == ((7, 3, 64, 64), torch.float32)
    assert made["labels"].tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert made["images"].abs().max() < 4


def test_half_of_the_crops_are_mirrored() -> None:
    positions = list(range(64))
    still = images("imagenet-train", positions, flip=False, size=32, shorter=(32, 32))
    flipped = images("imagenet-train", positions, size=32, shorter=(32, 32))
    mirrored = [torch.equal(a.flip(2), b) for a, b in zip(still, flipped, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(still, flipped, strict=True)]
    assert sum(mirrored) + sum(same) == 64
    assert 20 < sum(mirrored) < 44


def test_colour_noise_shifts_channels_along_the_principal_components() -> None:
    positions = list(range(200))
    arguments: dict[str, Any] = {"size": 16, "shorter": (16, 16)}
    clean = images("imagenet-train", positions, colour_noise=0.0, **arguments)
    noisy = images("imagenet-train", positions, colour_noise=0.1, **arguments)
    shift = (noisy - clean) * torch.tensor(STD)[:, None, None] / 255
    assert torch.allclose(shift.amax((2, 3)), shift.amin((2, 3)), atol=1e-5)
    components = torch.tensor([[-0.5675, -0.5808, -0.5836], [0.4009, -0.8140, 0.4203]])
    along = shift.mean((2, 3)) @ components.T
    assert along[:, 0].std().item() == pytest.approx(0.1 * 0.2175, rel=0.2)
    assert along[:, 1].std().item() == pytest.approx(0.1 * 0.0045, rel=0.2)


def test_testing_takes_the_centre_at_256() -> None:
    """As torchvision's Resize(256) and CenterCrop(224), to within a level."""
    image = photograph()
    height, width = scale_shorter((image.height, image.width), 256)
    small = Image.open(io.BytesIO(PHOTO)).resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    crop = np.asarray(small.crop((left, top, left + 224, top + 224)), np.float32)
    wanted = torch.from_numpy((crop - MEAN) / STD).permute(2, 0, 1)
    ours = images("imagenet-test", [0])[0]
    assert (ours - wanted).abs().max() <= 1.01 / min(STD)


def test_ten_crops_are_corners_centre_and_mirror_images() -> None:
    crops = images("ten-crop", [0, 1])
    assert crops.shape == (2, 10, 3, 224, 224)
    assert torch.equal(crops[0, 4], images("imagenet-test", [0])[0])
    assert torch.equal(crops[0, :5].flip(3), crops[0, 5:])
    assert [box.top for box in corners_and_centre((256, 300), (224, 224))] == [0, 0, 32, 32, 16]


def test_several_scales_come_one_after_the_other() -> None:
    crops = images("multi-scale", [0], shorter=(256, 320), crops=1)
    assert crops.shape == (1, 2, 3, 224, 224)
    assert torch.equal(crops[:, 0], images("imagenet-test", [0]))
    assert torch.equal(crops[:, 1], images("imagenet-test", [0], shorter=(320,)))
    assert images("multi-scale", [0]).shape == (1, 30, 3, 224, 224)


def test_without_training_the_training_pipeline_tests() -> None:
    pipeline = pipeline_of("imagenet-train", {}, training=False)
    made = pipeline(stored(1), places([0]))["images"]
    assert torch.equal(made, images("imagenet-test", [0]))


@pytest.mark.parametrize("name", ["imagenet-train", "imagenet-test", "ten-crop", "multi-scale"])
def test_a_damaged_image_is_named(name: str) -> None:
    pipeline = pipeline_of(name, {}, training=name == "imagenet-train")
    with pytest.raises(DamagedSample) as caught:
        pipeline(stored(1, PHOTO[:5000]), places([0]))
    assert caught.value.key == "n0/0.JPEG"
    assert caught.value.reason == "the JPEG image is truncated or damaged"


def test_a_strip_is_refused_before_it_fills_the_memory() -> None:
    strip = jpeg(Image.new("RGB", (60_000, 1)))
    with pytest.raises(DamagedSample, match="too many pixels"):
        pipeline_of("imagenet-test", {}, training=False)(stored(1, strip), places([0]))


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("imagenet-train", {"sice": 3}, "sice"),
        ("imagenet-train", {"area": (0.5, 0.1)}, "area"),
        ("imagenet-train", {"crop": "jitter", "shorter": (100, 512)}, "shorter"),
        ("imagenet-test", {"shorter": (200,)}, "shorter"),
        ("ten-crop", {"crops": 7}, "crops"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        pipeline_of(name, arguments, training=True)
