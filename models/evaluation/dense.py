"""Running a tower at every place of a larger image, and at several scales.

The full layers become convolutions over the last maps, so that windows share all that they have in
common (Sermanet et al., "OverFeat", ICLR 2014, section 3.3; Simonyan and Zisserman, "Very deep
convolutional networks", ICLR 2015, section 3.2). The score at a place is that of the network on
the window cut out there, but for padding: inside a larger image, a padded convolution sees the
neighbouring pixels where it sees zeros at the edge of a window cut out.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.models.layers.tower import Tower

Over = Literal["mean", "max"]


def stride_of(model: Tower, fine: bool = False) -> int:
    """Pixels from a place to the next; with `fine`, as in `fine_scores`."""
    strides = [_stride(layer) for layer in _layers(model)]
    return prod(strides[:-1] if fine else strides)


def dense_scores(model: Tower, images: Tensor) -> Tensor:
    """Scores at every place.

    Args:
        model: in evaluation mode; dropout is left out.
        images: (N, maps, H, W), at least as large as the model's field.

    Returns:
        (N, classes, H', W') logits, one each `stride_of` pixels, of windows inside the image.

    Raises:
        UsageError: the images are smaller than the field.
    """
    return model.head.dense(last_maps(model, images))


def fine_scores(model: Tower, images: Tensor) -> Tensor:
    """Scores at every place of the maps before the last pool, which pools from each offset.

    Where the pool's stride is 3, as in OverFeat's accurate network, that is 3×3 times as many
    places: one each 12 pixels and not each 36 (section 3.3, figure 3). All offsets are computed
    at once: the pool goes on by one, and the head takes entries that are a stride apart.

    Args:
        model: in evaluation mode; its last layer is a pool.
        images: (N, maps, H, W), at least as large as the model's field.

    Returns:
        (N, classes, H', W') logits, one each ``stride_of(model, fine=True)`` pixels.

    Raises:
        UsageError: the images are smaller than the field.
    """
    maps, dilation = fine_maps(model, images)
    return model.head.dense(maps, dilation)


def fine_maps(model: Tower, images: Tensor) -> tuple[Tensor, int]:
    """The maps of `fine_scores`, pooled at every entry, and the distance of entries to take.

    Raises:
        UsageError: the images are smaller than the field.
    """
    _check_size(model, images)
    pool = model.features[-1]
    assert isinstance(pool, nn.MaxPool2d)
    maps = model.features[:-1](images)
    return F.max_pool2d(maps, pool.kernel_size, stride=1), _stride(pool)


def last_maps(model: Tower, images: Tensor) -> Tensor:
    """The last maps of images at least as large as the field.

    Raises:
        UsageError: the images are smaller than the field.
    """
    _check_size(model, images)
    return model.forward_features(images)


def classify(model: Tower, images: Tensor, *, fine: bool = False, over: Over = "mean") -> Tensor:
    """Probabilities of classes from all places of each image.

    Args:
        model: in evaluation mode.
        images: (N, maps, H, W), at least as large as the model's field.
        fine: whether the last pool goes by single entries, as in `fine_scores`.
        over: ``mean`` over the places' softmax; or ``max``, the greatest at any place, which
            OverFeat used (section 3.3, as recalled) and which no longer sums to 1.

    Returns:
        (N, classes).

    Raises:
        UsageError: the images are smaller than the field.
    """
    scores = (fine_scores if fine else dense_scores)(model, images)
    places = torch.softmax(scores.float(), 1).flatten(2)
    return places.mean(2) if over == "mean" else places.amax(2)


def classify_scales(
    model: Tower,
    scales: Sequence[Tensor],
    *,
    flip: bool = True,
    fine: bool = True,
    over: Over = "mean",
) -> Tensor:
    """The mean of `classify` over an image's scales, and over their mirror images.

    Args:
        model: in evaluation mode.
        scales: the same N images at each scale, (N, maps, H, W) of any H and W from the field on.
        flip: whether mirror images are looked at as well.
        fine, over: as of `classify`.

    Returns:
        (N, classes).

    Raises:
        UsageError: an image is smaller than the field, or there is none.
    """
    if not scales:
        raise UsageError("There is no scale to classify at.", "Give the images at one at least.")
    views = [view for images in scales for view in ((images, images.flip(3))[: 1 + flip])]
    return torch.stack([classify(model, view, fine=fine, over=over) for view in views]).mean(0)


def _check_size(model: Tower, images: Tensor) -> None:
    height, width = images.shape[2:]
    field = model.input_shape[1]
    if min(height, width) < field:
        raise UsageError(
            f"An image of {height}×{width} pixels is smaller than the network's field of {field}.",
            "Enlarge it first.",
        )


def _layers(model: Tower) -> list[nn.Conv2d | nn.MaxPool2d]:
    return [layer for layer in model.features if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]


def _stride(layer: nn.Conv2d | nn.MaxPool2d) -> int:
    stride = layer.stride if isinstance(layer.stride, int) else layer.stride[0]
    assert isinstance(stride, int)
    return stride
