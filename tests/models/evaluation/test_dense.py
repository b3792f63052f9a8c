"""Running a tower over larger images is running it on every window."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.alexnet import alexnet
from striate.models.evaluation.dense import (
    classify,
    classify_scales,
    dense_scores,
    fine_scores,
    stride_of,
)
from striate.models.layers.tower import Conv, Layer, Tower
from striate.models.overfeat import ACCURATE_LAYERS, overfeat_accurate, overfeat_fast
from striate.models.vgg import vgg16

pytestmark = pytest.mark.unit

SMALL = 1 / 16
UNPADDED_FIELD = 209  # with which the last maps are 2×2 and no pixel is left over


def double(model: Tower, std: float = 0.2) -> Tower:
    """In float64, with weights that make the scores of all places differ plainly."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model.double().eval()


def unpadded(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The table without padding, with which windows see no zeros that the image has not."""
    return tuple(
        Conv(layer.maps, layer.kernel, layer.stride) if isinstance(layer, Conv) else layer
        for layer in layers
    )


def windows(model: Tower, image: Tensor, stride: int, places: int) -> Tensor:
    """The scores of the network on each window cut out, (1, classes, places, places)."""
    field = model.input_shape[1]
    rows = [
        torch.stack(
            [
                model(image[..., y : y + field, x : x + field])
                for x in range(0, places * stride, stride)
            ],
            2,
        )
        for y in range(0, places * stride, stride)
    ]
    return torch.stack(rows, 2)


def test_a_dense_score_is_that_of_the_window_cut_out() -> None:
    model = double(Tower(unpadded(ACCURATE_LAYERS), UNPADDED_FIELD, 5, width=SMALL))
    image = torch.randn(1, 3, UNPADDED_FIELD + 36, UNPADDED_FIELD + 36 + 20, dtype=torch.float64)
    scores = dense_scores(model, image)
    assert stride_of(model) == 36
    assert scores.shape == (1, 5, 2, 2)
    assert scores.std(unbiased=False) > 1e-3
    assert torch.allclose(scores, windows(model, image, 36, 2), rtol=1e-9)


def test_a_fine_score_is_that_of_the_window_12_pixels_on() -> None:
    model = double(Tower(unpadded(ACCURATE_LAYERS), UNPADDED_FIELD, 5, width=SMALL))
    image = torch.randn(1, 3, UNPADDED_FIELD + 36, UNPADDED_FIELD + 36, dtype=torch.float64)
    scores = fine_scores(model, image)
    assert stride_of(model, fine=True) == 12
    assert scores.shape == (1, 5, 4, 4)
    assert torch.allclose(scores, windows(model, image, 12, 4), rtol=1e-9)
    assert torch.allclose(scores[..., ::3, ::3], dense_scores(model, image), rtol=1e-9)


@pytest.mark.parametrize("build", [overfeat_accurate, overfeat_fast])
def test_fine_scores_are_those_of_each_offset_of_the_last_pool(
    build: Callable[..., Tower],
) -> None:
    """The paper's own words: pool the maps from each offset, run the head on each."""
    model = double(build(classes=4, width=SMALL))
    field, step = model.input_shape[1], stride_of(model, fine=True)
    image = torch.randn(1, 3, field + 5 * step, field + 4 * step, dtype=torch.float64)
    scores = fine_scores(model, image)
    offsets = stride_of(model) // step
    maps = model.features[:-1](image)
    for y in range(offsets):
        for x in range(offsets):
            pooled = F.max_pool2d(maps[..., y:, x:], offsets)
            own = model.head.dense(pooled)
            assert torch.allclose(scores[..., y::offsets, x::offsets], own, rtol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        alexnet(classes=3, field=67, width=SMALL),
        overfeat_fast(classes=3, field=71, width=SMALL),
        vgg16(classes=3, field=64, width=SMALL),
    ],
    ids=["alexnet", "overfeat", "vgg"],
)
def test_on_an_image_of_the_field_s_size_it_is_the_network(model: Tower) -> None:
    model = double(model)
    images = torch.randn(2, *model.input_shape, dtype=torch.float64)
    scores = model(images)
    assert torch.allclose(dense_scores(model, images)[:, :, 0, 0], scores, rtol=1e-9)
    chances = scores.softmax(1).float()
    assert torch.allclose(classify(model, images), chances, atol=1e-6)


def test_the_head_on_larger_maps_is_the_head_on_every_part_of_them() -> None:
    model = double(vgg16(classes=3, field=64, width=SMALL))
    maps = model.forward_features(torch.randn(1, 3, 160, 96, dtype=torch.float64))
    dense = model.head.dense(maps)
    assert dense.shape[2:] == (4, 2)
    for y in range(4):
        for x in range(2):
            part = maps[..., y : y + 2, x : x + 2]
            assert torch.allclose(dense[..., y, x], model.forward_head(part), rtol=1e-9)


def test_scales_and_mirror_images_are_averaged() -> None:
    model = double(overfeat_fast(classes=4, field=71, width=SMALL), std=0.1)
    scales = [torch.randn(2, 3, side, side + 20, dtype=torch.float64) for side in (71, 96)]
    found = classify_scales(model, scales)
    by_hand = [classify(model, v, fine=True) for s in scales for v in (s, s.flip(3))]
    assert torch.allclose(found, torch.stack(by_hand).mean(0), atol=1e-6)
    assert torch.allclose(found.sum(1), torch.ones(2), atol=1e-5)
    mirrored = classify_scales(model, [image.flip(3) for image in scales])
    assert torch.allclose(found, mirrored, atol=1e-6)
    one_way = classify_scales(model, scales, flip=False)
    assert not torch.allclose(found, one_way, atol=1e-6)


def test_the_greatest_over_places_is_at_least_the_mean() -> None:
    model = double(overfeat_fast(classes=4, field=71, width=SMALL), std=0.1)
    image = torch.randn(1, 3, 120, 120, dtype=torch.float64)
    assert (classify(model, image, fine=True, over="max") > classify(model, image)).all()


def test_too_small_images_are_refused() -> None:
    model = overfeat_fast(classes=4, field=71, width=SMALL)
    with pytest.raises(UsageError, match="70×90 pixels is smaller than the network's field of 71"):
        dense_scores(model, torch.zeros(1, 3, 70, 90))
    with pytest.raises(UsageError, match="no scale"):
        classify_scales(model, [])
