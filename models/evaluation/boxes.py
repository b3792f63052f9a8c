"""Boxes around objects: how well two match, and merging those that do.

Source: Sermanet et al., "OverFeat", ICLR 2014, section 4.3: the two boxes that match best are
replaced by their average, until no two match well enough. The paper adds the distance of the
centres and the area of the intersection (as recalled); here both count so that less is better,
and in parts of the boxes' own size, so that a threshold means the same at every scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = torch.finfo(torch.float64).tiny  # keeps boxes without area from dividing by zero


@dataclass(frozen=True)
class Box:
    """A box in an image and how sure it is.

    Attributes:
        left, top, right, bottom: edges in pixels from the upper left corner of the image.
        score: confidence, positive; of merged boxes the sum.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0

    @classmethod
    def of(cls, edges: Sequence[float], score: float = 1.0) -> "Box":
        """From left, top, right, bottom."""
        left, top, right, bottom = edges
        return cls(left, top, right, bottom, score)

    @property
    def area(self) -> float:
        """In square pixels; 0 where the edges are crossed."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom


def intersection(first: Box, second: Box) -> float:
    """The area that two boxes share, in square pixels."""
    return Box(
        max(first.left, second.left),
        max(first.top, second.top),
        min(first.right, second.right),
        min(first.bottom, second.bottom),
    ).area


def overlap(first: Box, second: Box) -> float:
    """Intersection over union, 0 to 1."""
    shared = intersection(first, second)
    union = first.area + second.area - shared
    return shared / union if union > 0 else 0.0


def match(first: Box, second: Box) -> float:
    """How badly two boxes match: 0 for equal ones, above 1 for boxes apart.

    The distance of the centres over the mean of the boxes' diagonals, plus 1 − `overlap`.
    """
    matrix = _matches(_edges([first, second]))
    return float(matrix[0, 1])


def merge(boxes: Sequence[Box], threshold: float = 0.5) -> list[Box]:
    """Merge greedily.

    The two boxes with the least `match` become one with the mean of their edges, weighted by
    score, and the sum of their scores; until the least one is above the threshold. Weights make
    the mean of many boxes the same whichever were merged first.

    Args:
        boxes: in one image, of one class.
        threshold: the greatest `match` at which two boxes are merged.

    Returns:
        What is left, highest score first.
    """
    left, edges = list(boxes), _edges(boxes)
    scores = torch.tensor([box.score for box in left], dtype=torch.float64)
    matches = _matches(edges).fill_diagonal_(math.inf)
    alive = torch.ones(len(left), dtype=torch.bool)
    for _ in range(len(left) - 1):
        place = int(matches.argmin())
        first, second = divmod(place, len(left))
        if matches[first, second] > threshold:
            break
        pair = torch.tensor([first, second])
        edges[first] = scores[pair] @ edges[pair] / scores[pair].sum()
        scores[first] = scores[pair].sum()
        alive[second] = False
        matches[second, :] = matches[:, second] = math.inf
        again = _matches_of(edges[first], edges).where(alive, math.inf)
        again[first] = math.inf
        matches[first, :] = matches[:, first] = again
    order = scores.where(alive, -math.inf).argsort(descending=True, stable=True)
    kept = order[: int(alive.sum())].tolist()
    return [Box.of(edges[index].tolist(), float(scores[index])) for index in kept]


def _edges(boxes: Sequence[Box]) -> Tensor:
    return torch.tensor([box.edges for box in boxes], dtype=torch.float64).view(-1, 4)


def _matches(edges: Tensor) -> Tensor:
    """(n, 4) → (n, n)."""
    return _matches_of(edges[:, None], edges[None])


def _matches_of(first: Tensor, second: Tensor) -> Tensor:
    """`match` of edges (…, 4) that broadcast against each other."""
    low, high = torch.maximum(first, second), torch.minimum(first, second)
    shared = (high[..., 2:] - low[..., :2]).clamp(min=0).prod(-1)
    sizes = [(edges[..., 2:] - edges[..., :2]).clamp(min=0) for edges in (first, second)]
    union = sizes[0].prod(-1) + sizes[1].prod(-1) - shared
    distance = (_centres(first) - _centres(second)).norm(dim=-1)
    diagonal = (sizes[0].norm(dim=-1) + sizes[1].norm(dim=-1)) / 2
    badness: Tensor = distance / diagonal.clamp(min=_TINY) + 1 - shared / union.clamp(min=_TINY)
    return badness


def _centres(edges: Tensor) -> Tensor:
    return (edges[..., :2] + edges[..., 2:]) / 2
