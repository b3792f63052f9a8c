"""VGG-16 and VGG-19: configurations D and E.

Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR
2015, table 1: 3×3 convolutions alone, a pool after each of five stages, a 224×224 field.
138,357,544 and 143,667,240 parameters; 15,470,264,320 and 19,632,062,464 multiply-accumulates.
"""

from collections.abc import Sequence

from striate.core.numbers import BelowOne, Classes, FieldSide, Width
from striate.models.layers.init import Init, glorot_uniform, he_normal, init_or_default
from striate.models.layers.tower import Conv, Layer, MaxPool, Tower

STAGE_MAPS = (64, 128, 256, 512, 512)
STAGES = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def layers_of(convolutions: Sequence[int]) -> tuple[Layer, ...]:
    """The table of layers with so many convolutions in each stage."""
    table: list[Layer] = []
    for maps, count in zip(STAGE_MAPS, convolutions, strict=True):
        table += [Conv(maps, 3, padding=1)] * count
        table.append(MaxPool(2, 2))
    return tuple(table)


def vgg16(
    classes: Classes = 1000,
    field: FieldSide = 224,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> Tower:
    """Configuration D: thirteen convolutions and three full layers.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels; at least 32.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.
        init: ``published``: `glorot_uniform`, which the authors found to need no network trained
            before (section 3.1, as recalled); ``he``: see `he_normal`. None is the published one
            at width 1, and He's at any other.

    Raises:
        UsageError, UnknownName: an argument is no such value.
    """
    return _vgg("vgg16", classes, field, width, dropout, init)


def vgg19(
    classes: Classes = 1000,
    field: FieldSide = 224,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> Tower:
    """Configuration E: sixteen convolutions and three full layers; arguments as of `vgg16`."""
    return _vgg("vgg19", classes, field, width, dropout, init)


def _vgg(
    name: str, classes: int, field: int, width: float, dropout: float, init: Init | None
) -> Tower:
    model = Tower(layers_of(STAGES[name]), field, classes, width=width, dropout=dropout)
    fill = glorot_uniform if init_or_default(init, width) == "published" else he_normal
    fill(model)
    return model
