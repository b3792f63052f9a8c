"""C3D: 3×3×3 convolutions over clips.

Tran, Bourdev, Fergus, Torresani, Paluri, "Learning spatiotemporal features with 3D convolutional
networks", ICCV 2015. Clips of 16 frames of 112×112; the first pool leaves time alone, the last
one rounds up. `c3d` with the 487 classes of Sports-1M has 79,991,015 parameters and 38.549 G
multiply-accumulates a clip; `c3d_ablation` is the smaller network of the paper's ablations, with
17,444,965 for the 101 classes of UCF101.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from striate.core.errors import UsageError
from striate.core.numbers import BelowOne, Classes, FieldSide, Frames, Width
from striate.models.layers.head import FullHead, scale_count
from striate.models.layers.init import (
    Init,
    he_normal,
    init_or_default,
    layers_with_weights,
    set_normal,
)

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
ABLATION_STAGES = ((64,), (128,), (256,), (256,), (256,))
_SMALLEST_FIELD = 17  # 2×2 at the last pool, which rounds up
_STD, _FULL_STD = 0.01, 0.005


class C3d(nn.Module):
    """Stages of 3×3×3 convolutions with a pool each, then full layers.

    Args:
        stages: maps of each convolution of each stage, at width 1.
        hidden: units of the two hidden full layers, at width 1.
        classes: number of outputs.
        field: height and width of a frame, in pixels.
        frames: of a clip.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.

    Raises:
        UsageError: clips are too small, or the width or dropout is no such.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[int]],
        hidden: Sequence[int],
        classes: int,
        *,
        field: int,
        frames: int,
        width: float,
        dropout: float,
    ) -> None:
        super().__init__()
        if field < _SMALLEST_FIELD or frames < 8:
            raise UsageError(
                f"Clips of {frames} frames of {field} pixels leave nothing after the pools.",
                f"Give at least 8 frames and {_SMALLEST_FIELD} pixels.",
            )
        self.input_shape = (3, frames, field, field)
        self.classes = classes
        self.features = _features(stages, width)
        maps = scale_count(stages[-1][-1], width)
        sides = (-(-(frames // 8) // 2), *[-(-(field // 16) // 2)] * 2)
        self.head = FullHead(maps, sides, [scale_count(n, width) for n in hidden], classes, dropout)

    def forward_features(self, clips: Tensor) -> Tensor:
        """(N, 3, frames, field, field) → (N, C, time, side, side), the maps of the last pool."""
        maps: Tensor = self.features(clips)
        return maps

    def forward_head(self, features: Tensor) -> Tensor:
        """The maps of the last pool → (N, classes) logits."""
        logits: Tensor = self.head(features)
        return logits

    def forward(self, clips: Tensor) -> Tensor:
        """(N, 3, frames, field, field) → (N, classes) logits."""
        return self.forward_head(self.forward_features(clips))


def c3d(
    classes: Classes = 487,
    field: FieldSide = 112,
    frames: Frames = 16,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> C3d:
    """The network trained on Sports-1M.

    Args:
        classes: number of outputs.
        field: height and width of a frame, in pixels; at least 17.
        frames: of a clip; at least 8.
        width: multiplies all maps and hidden units.
        dropout: probability that a hidden unit of the full layers is dropped in training.
        init: ``published``: N(0, 0.01²), N(0, 0.005²) in the hidden full layers, biases 1 but 0 in
            the first and last layer (the authors' training configuration), which suits pixels of
            0 to 255 less their mean; ``he``: see `he_normal`. None is the published one at width
            1, and He's at any other.

    Raises:
        UsageError, UnknownName: an argument is no such value.
    """
    model = C3d(
        STAGES,
        (4096, 4096),
        classes,
        field=field,
        frames=frames,
        width=width,
        dropout=dropout,
    )
    return _initialised(model, init_or_default(init, width))


def c3d_ablation(
    classes: Classes = 101,
    field: FieldSide = 112,
    frames: Frames = 16,
    width: Width = 1.0,
    dropout: BelowOne = 0.5,
    init: Init | None = None,
) -> C3d:
    """The network of the ablations, one convolution a stage; arguments as of `c3d`."""
    model = C3d(
        ABLATION_STAGES,
        (2048, 2048),
        classes,
        field=field,
        frames=frames,
        width=width,
        dropout=dropout,
    )
    return _initialised(model, init_or_default(init, width))


def _features(stages: Sequence[Sequence[int]], width: float) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    maps = 3
    for number, stage in enumerate(stages, 1):
        for letter, published in zip("ab", stage, strict=False):
            name = f"{number}{letter}"
            inputs, maps = maps, scale_count(published, width)
            modules[f"conv{name}"] = nn.Conv3d(inputs, maps, 3, padding=1)
            modules[f"relu{name}"] = nn.ReLU(inplace=True)
        modules[f"pool{number}"] = nn.MaxPool3d(
            (1, 2, 2) if number == 1 else 2, ceil_mode=number == len(stages)
        )
    return nn.Sequential(modules)


def _initialised(model: C3d, init: Init) -> C3d:
    if init == "he":
        he_normal(model)
        return model
    layers = layers_with_weights(model)
    for layer in layers:
        hidden = isinstance(layer, nn.Linear) and layer is not layers[-1]
        edge = layer in (layers[0], layers[-1])
        set_normal(layer, _FULL_STD if hidden else _STD, bias=0.0 if edge else 1.0)
    return model
