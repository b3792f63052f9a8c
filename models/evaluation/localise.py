"""OverFeat's localisation: a box at every place, and one list of boxes for the image.

Sermanet et al., "OverFeat", ICLR 2014, section 4: on the pooled maps of the fifth layer, two
hidden layers of 4096 and 1024 units regress the four edges of the object's box, shared by all
classes or for each class; the layers below are those of the trained classifier and stay as they
are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from striate.models.evaluation.boxes import Box, intersection, merge
from striate.models.evaluation.dense import fine_maps, last_maps, stride_of
from striate.models.layers.head import FullHead, scale_count
from striate.models.layers.init import he_normal
from striate.models.layers.tower import Tower

HIDDEN = (4096, 1024)
LEAST_INSIDE = 0.5


class BoxRegressor(nn.Module):
    """Edges of a box from the last maps of a tower.

    Edges are left, top, right, bottom in parts of the field: a box over the whole window is
    (0, 0, 1, 1), and one that reaches out of it goes below 0 or above 1.

    Args:
        tower: the classifier whose maps it takes; it is not changed, and no part of this module.
        per_class: whether each class has a regressor of its own.
        width: multiplies the hidden units.
        dropout: probability that a hidden unit is dropped in training.
    """

    def __init__(
        self, tower: Tower, per_class: bool = False, width: float = 1.0, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.groups = tower.classes if per_class else 1
        hidden = [scale_count(units, width) for units in HIDDEN]
        maps, sides = tower.head.maps, tower.head.sides
        self.head = FullHead(maps, sides, hidden, 4 * self.groups, dropout)
        he_normal(self)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, maps, side, side) → (N, classes or 1, 4) edges."""
        edges: Tensor = self.head(maps)
        return edges.view(-1, self.groups, 4)

    def dense(self, maps: Tensor, dilation: int = 1) -> Tensor:
        """(N, maps, H, W) → (N, classes or 1, 4, H', W') edges; arguments as `FullHead.dense`."""
        edges = self.head.dense(maps, dilation)
        return edges.view(-1, self.groups, 4, *edges.shape[2:])


def box_loss(edges: Tensor, truth: Tensor, labels: Tensor) -> Tensor:
    """The L2 loss: squared error over the four edges, summed over samples.

    Args:
        edges: (N, classes or 1, 4), as `BoxRegressor` gives them.
        truth: (N, 4) true edges, in the same unit.
        labels: (N,) int64 true classes, whose regressors alone learn.

    Returns:
        A scalar.
    """
    own = labels if edges.shape[1] > 1 else torch.zeros_like(labels)
    picked = edges[torch.arange(len(edges), device=edges.device), own]
    return (picked - truth).square().sum()


def worth_learning(truth: Box, window: Box) -> bool:
    """Whether at least half of an object's box lies inside a window.

    The regressor is not trained on others (section 4.2): most of the object is not to be seen.
    """
    return truth.area > 0 and intersection(truth, window) >= LEAST_INSIDE * truth.area


def to_window(truth: Box, window: Box) -> tuple[float, float, float, float]:
    """A box's edges in parts of a window, as `BoxRegressor` is to give them."""
    width, height = window.right - window.left, window.bottom - window.top
    return (
        (truth.left - window.left) / width,
        (truth.top - window.top) / height,
        (truth.right - window.left) / width,
        (truth.bottom - window.top) / height,
    )


@torch.no_grad()
def localise(
    tower: Tower,
    regressor: BoxRegressor,
    scales: Sequence[tuple[Tensor, float]],
    labels: Sequence[int],
    *,
    threshold: float = 0.5,
    at_least: float = 0.0,
    places: Literal["fine", "coarse"] = "fine",
) -> dict[int, list[Box]]:
    """Boxes of one image, merged over places and scales, for each class asked for.

    Args:
        tower: the classifier, in evaluation mode.
        regressor: of its boxes, in evaluation mode.
        scales: the image at each scale, (1, maps, H, W), with the factor that it was enlarged by.
        labels: classes to find, such as the five most likely.
        threshold: the greatest `striate.models.evaluation.boxes.match` at which boxes are merged.
        at_least: places whose probability of the class is lower give no box.
        places: ``fine`` pools from every offset, as `striate.models.evaluation.dense.fine_scores`.

    Returns:
        For each class its boxes in pixels of the image at factor 1, highest score first.

    Raises:
        UsageError: an image is smaller than the tower's field.
    """
    found: dict[int, list[Box]] = {label: [] for label in labels}
    for image, factor in scales:
        fine = places == "fine"
        maps, dilation = fine_maps(tower, image) if fine else (last_maps(tower, image), 1)
        chances = torch.softmax(tower.head.dense(maps, dilation).float(), 1)[0]
        edges = regressor.dense(maps, dilation).float()[0]
        for label in labels:
            own = edges[label if regressor.groups > 1 else 0]
            boxes = _boxes(own, chances[label], stride_of(tower, fine), tower.input_shape[1])
            found[label] += [_scaled(box, 1 / factor) for box in boxes if box.score >= at_least]
    return {label: merge(boxes, threshold) for label, boxes in found.items()}


def _boxes(edges: Tensor, chances: Tensor, stride: int, field: int) -> list[Box]:
    """Boxes in pixels from edges (4, H, W) in parts of each place's window."""
    height, width = chances.shape
    tops = torch.arange(height, device=edges.device).view(-1, 1) * stride
    lefts = torch.arange(width, device=edges.device).view(1, -1) * stride
    corners = torch.stack([(lefts + 0 * tops), (tops + 0 * lefts)] * 2)
    pixels = (edges * field + corners).flatten(1).T.tolist()
    scores = chances.flatten().tolist()
    return [Box.of(box, score) for box, score in zip(pixels, scores, strict=True)]


def _scaled(box: Box, factor: float) -> Box:
    return Box.of([edge * factor for edge in box.edges], box.score)
