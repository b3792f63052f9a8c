"""A small fully convolutional network: scores of classes for each pixel of an image of any size.

Four stages of two 3×3 convolutions each, at full, half, quarter and an eighth of the resolution;
each stage has its own scores, and a coarser one's are enlarged and added to the next finer one's.
That is the skip architecture of Long, Shelhamer, Darrell, "Fully convolutional networks for
semantic segmentation", CVPR 2015, section 4.2, with bilinear enlargement, on a tower of its own.
With 16 maps and 8 classes, 147,376 parameters and, at 64×64 pixels, 45,187,072
multiply-accumulates.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.numbers import Classes, FieldSide, Maps
from striate.models.layers.init import he_normal, set_normal

_DEEP = (1, 2, 4, 4)  # maps of the stages, over those of the first
_DILATIONS = (1, 1, 1, 2)
_FIRST_STD = 0.01


class Fcn(nn.Module):
    """Scores for each pixel.

    Args:
        classes: number of scores of each pixel.
        maps: feature maps of the first stage.
        field: height and width of the image that it is counted and tried with, in pixels.
    """

    def __init__(self, classes: Classes = 8, maps: Maps = 16, field: FieldSide = 64) -> None:
        super().__init__()
        self.input_shape = (3, field, field)
        self.classes = classes
        widths = [3, *(maps * deep for deep in _DEEP)]
        self.stages = nn.ModuleList(
            _stage(before, after, dilation)
            for before, after, dilation in zip(widths[:-1], widths[1:], _DILATIONS, strict=True)
        )
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths[1:])
        he_normal(self)
        for layer in self.scores:
            assert isinstance(layer, nn.Conv2d)
            set_normal(layer, _FIRST_STD)  # at first all classes are about equally likely

    def forward_features(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → the maps of each stage, (N, C, ⌈H / 2^s⌉, ⌈W / 2^s⌉), the finest first."""
        found: list[Tensor] = []
        maps = images
        for number, stage in enumerate(self.stages):
            maps = stage(F.max_pool2d(maps, 2, ceil_mode=True) if number else maps)
            found.append(maps)
        return found

    def forward_head(self, features: list[Tensor]) -> Tensor:
        """The maps of each stage → (N, classes, H, W) scores."""
        *finer, last = [score(maps) for score, maps in zip(self.scores, features, strict=True)]
        scores: Tensor = last
        for own in reversed(finer):
            size = own.shape[-2:]
            scores = own + F.interpolate(scores, size, mode="bilinear", align_corners=False)
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, classes, H, W) scores; larger is more likely."""
        return self.forward_head(self.forward_features(images))


def _stage(before: int, after: int, dilation: int) -> nn.Sequential:
    """Two convolutions with rectifiers, which keep the size of the maps."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=dilation, dilation=dilation),
        nn.ReLU(inplace=True),
    )
