"""AlexNet as published, and the single tower that goes by its name today.

Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks",
NIPS 2012: two groups of maps, response normalisation, overlapping pools, a 227×227 field;
60,965,224 parameters and 724,406,816 multiply-accumulates. `alexnet_one_tower` is the network of
Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997,
in today's libraries: one group, no normalisation, a 224×224 field; 61,100,840 and 714,188,480.
"""

from striate.core.numbers import BelowOne, Classes, FieldSide, Width
from striate.models.layers.init import (
    Init,
    he_normal,
    init_or_default,
    layers_with_weights,
    set_normal,
)
from striate.models.layers.tower import Conv, MaxPool, Norm, Tower

LAYERS = (
    *(Conv(96, 11, stride=4), Norm(), MaxPool(3, 2)),
    *(Conv(256, 5, padding=2, groups=2), Norm(), MaxPool(3, 2)),
    Conv(384, 3, padding=1),
    Conv(384, 3, padding=1, groups=2),
    *(Conv(256, 3, padding=1, groups=2), MaxPool(3, 2)),
)
ONE_TOWER_LAYERS = (
    *(Conv(64, 11, stride=4, padding=2), MaxPool(3, 2)),
    *(Conv(192, 5, padding=2), MaxPool(3, 2)),
    Conv(384, 3, padding=1),
    Conv(256, 3, padding=1),
    *(Conv(256, 3, padding=1), MaxPool(3, 2)),
)
# Layers whose biases begin at 1, which gives their rectifiers positive inputs: the second, fourth
# and fifth convolution and the hidden full layers (section 5, as recalled).
_BIAS_ONE = (2, 4, 5, 6, 7)
_STD = 0.01


def alexnet(
    classes: Classes = 1000,
    field: FieldSide = 227,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> Tower:
    """AlexNet of 2012.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels; at least 67.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.
        init: ``published``: N(0, 0.01²) with biases of 0 or 1 (section 5, as recalled), which
            suits pixels of 0 to 255 less their mean; ``he``: see `he_normal`. None is the
            published one at width 1, and He's at any other.

    Raises:
        UsageError, UnknownName: an argument is no such value.
    """
    model = Tower(LAYERS, field, classes, width=width, dropout=dropout)
    if init_or_default(init, width) == "he":
        he_normal(model)
    else:
        for number, layer in enumerate(layers_with_weights(model), 1):
            set_normal(layer, _STD, bias=float(number in _BIAS_ONE))
    return model


def alexnet_one_tower(
    classes: Classes = 1000, field: FieldSide = 224, width: Width = 1.0, dropout: BelowOne = 0.5
) -> Tower:
    """The single tower; arguments as of `alexnet`, the field at least 63.

    No initialisation was published with it: weights are He's.
    """
    model = Tower(ONE_TOWER_LAYERS, field, classes, width=width, dropout=dropout)
    he_normal(model)
    return model
