"""OverFeat, the fast and the accurate network.

Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun, "OverFeat: integrated recognition, localization
and detection using convolutional networks", ICLR 2014. 145,920,872 and 144,656,488 parameters,
which are those of the released weights; 2,801,403,904 and 5,355,446,784 multiply-accumulates.
`striate.models.evaluation.dense` runs them over larger images,
`striate.models.evaluation.localise` finds boxes.
"""

from striate.core.numbers import BelowOne, Classes, FieldSide, Width
from striate.models.layers.init import (
    Init,
    he_normal,
    init_or_default,
    layers_with_weights,
    set_normal,
)
from striate.models.layers.tower import Conv, MaxPool, Tower

FAST_LAYERS = (
    *(Conv(96, 11, stride=4), MaxPool(2, 2)),
    *(Conv(256, 5), MaxPool(2, 2)),
    Conv(512, 3, padding=1),
    Conv(1024, 3, padding=1),
    *(Conv(1024, 3, padding=1), MaxPool(2, 2)),
)
ACCURATE_LAYERS = (
    *(Conv(96, 7, stride=2), MaxPool(3, 3)),
    *(Conv(256, 7), MaxPool(2, 2)),
    Conv(512, 3, padding=1),
    Conv(512, 3, padding=1),
    Conv(1024, 3, padding=1),
    *(Conv(1024, 3, padding=1), MaxPool(3, 3)),
)
_STD = 0.01


def overfeat_fast(
    classes: Classes = 1000,
    field: FieldSide = 231,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> Tower:
    """The fast network: 3072 and 4096 hidden units, a result every 32 pixels.

    Args:
        classes: number of outputs.
        field: height and width of the input, in pixels; at least 71.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.
        init: ``published``: N(0, 0.01²), biases 0 (as recalled); ``he``: see `he_normal`. None is
            the published one at width 1, and He's at any other.

    Raises:
        UsageError, UnknownName: an argument is no such value.
    """
    model = Tower(FAST_LAYERS, field, classes, hidden=(3072, 4096), width=width, dropout=dropout)
    return _initialised(model, init_or_default(init, width))


def overfeat_accurate(
    classes: Classes = 1000,
    field: FieldSide = 221,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> Tower:
    """The accurate network: 4096 and 4096 hidden units, a result every 36 pixels.

    Arguments as of `overfeat_fast`, the field at least 77.
    """
    model = Tower(ACCURATE_LAYERS, field, classes, width=width, dropout=dropout)
    return _initialised(model, init_or_default(init, width))


def _initialised(model: Tower, init: Init) -> Tower:
    if init == "he":
        he_normal(model)
    else:
        for layer in layers_with_weights(model):
            set_normal(layer, _STD)
    return model
