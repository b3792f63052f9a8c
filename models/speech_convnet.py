"""A ConvNet for speech: a proposal, after figures that a talk gives.

LeCun, "Deep learning & convolutional networks", 2015, gives 7 layers, 54.4 million parameters,
3000 context-dependent states, 40 frames of 40 mel-frequency coefficients, 64 kernels of 9×9 in
the first layer, rectifiers, and dropout in the last layers. No paper with these figures was
found, and many stacks have as many parameters. This one is the proposal of this project, not
the original: 64 kernels of 9×9, 64 of 5×5 and 128 of 3×3 with two 2×2 pools, three full layers of
4096, 3000 states. 54,427,896 parameters and 75,464,704 multiply-accumulates a frame.
"""

from striate.core.numbers import BelowOne, Classes, FieldSide, Maps, Width
from striate.models.layers.init import he_normal
from striate.models.layers.tower import Conv, MaxPool, Tower

LAYERS = (
    *(Conv(64, 9), MaxPool(2, 2)),
    *(Conv(64, 5), MaxPool(2, 2)),
    Conv(128, 3),
)


def speech_convnet(
    classes: Classes = 3000,
    field: FieldSide = 40,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    channels: Maps = 1,
) -> Tower:
    """The proposal, with He's initial weights.

    Args:
        classes: number of states.
        field: frames, and as many log-mel bands; at least 28.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.
        channels: 1 for the coefficients alone, 3 with their first and second differences.

    Raises:
        UsageError: an argument is no such value.
    """
    model = Tower(
        LAYERS,
        field,
        classes,
        in_maps=channels,
        hidden=(4096, 4096, 4096),
        width=width,
        dropout=dropout,
    )
    he_normal(model)
    return model
