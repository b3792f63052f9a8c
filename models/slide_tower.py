"""The tower on the slide "very deep ConvNets" of a talk of 2015.

LeCun, "Deep learning & convolutional networks", 2015, draws 96 maps of 7×7 kernels, 256 of 7×7,
384, 384, 256. That is neither AlexNet (11×11, 5×5) nor OverFeat (512 and 1024 maps), so it stands
here as a network of its own. Field, strides and pools are not on the slide; with those of
OverFeat's accurate network (221×221, stride 2, pools of 3, 2 and 3) it has 51,413,096 parameters
and 1,992,221,184 multiply-accumulates.
"""

from striate.core.numbers import BelowOne, Classes, FieldSide, Width
from striate.models.layers.init import he_normal
from striate.models.layers.tower import Conv, MaxPool, Tower

LAYERS = (
    *(Conv(96, 7, stride=2), MaxPool(3, 3)),
    *(Conv(256, 7), MaxPool(2, 2)),
    Conv(384, 3, padding=1),
    Conv(384, 3, padding=1),
    *(Conv(256, 3, padding=1), MaxPool(3, 3)),
)


def slide_tower(
    classes: Classes = 1000, field: FieldSide = 221, width: Width = 1.0, dropout: BelowOne = 0.5
) -> Tower:
    """The slide's tower, with He's initial weights; the slide gives none.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels; at least 77.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.

    Raises:
        UsageError: an argument is no such value.
    """
    model = Tower(LAYERS, field, classes, width=width, dropout=dropout)
    he_normal(model)
    return model
