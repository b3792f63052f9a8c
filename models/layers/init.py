"""Initial weights, by name."""

import math
from typing import Literal

from torch import nn

from striate.core.errors import UnknownName

Init = Literal["published", "he"]
INITS = ("published", "he")
_OUTPUT_STD = 0.01
_WITH_WEIGHTS = (nn.Conv2d, nn.Conv3d, nn.Linear)


def init_or_default(init: Init | None, width: float) -> Init:
    """What is asked for; else the published way at full width, and He's at any other.

    A fixed deviation such as 0.01 suits the fan-ins that it was published for: in a narrow network
    signals would fade from layer to layer, and nothing would be learnt.

    Raises:
        UnknownName: there is no such way.
    """
    if init is None:
        return "published" if width == 1 else "he"
    if init not in INITS:
        raise UnknownName.of("initialisation", init, INITS)
    return init


def layers_with_weights(model: nn.Module) -> list[nn.Conv2d | nn.Conv3d | nn.Linear]:
    """Convolutions and full layers, in order of construction."""
    return [module for module in model.modules() if isinstance(module, _WITH_WEIGHTS)]


def he_normal(model: nn.Module) -> None:
    """Draw weights from N(0, 2 / fan-in), biases 0: signals keep their size through rectifiers.

    Layers named ``output`` get N(0, 0.01²), so that at first all classes are about equally likely.
    Source of the rest: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, _WITH_WEIGHTS):
            is_output = name.rpartition(".")[2] == "output"
            set_normal(layer, _OUTPUT_STD if is_output else math.sqrt(2 / layer.weight[0].numel()))


def glorot_uniform(model: nn.Module) -> None:
    """Draw weights uniformly within ±√(6 / (fan-in + fan-out)), biases 0.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.
    """
    for layer in layers_with_weights(model):
        nn.init.xavier_uniform_(layer.weight)
        set_bias(layer, 0)


def set_normal(layer: nn.Conv2d | nn.Conv3d | nn.Linear, std: float, bias: float = 0) -> None:
    """Draw a layer's weights from N(0, std²), and set its biases."""
    nn.init.normal_(layer.weight, std=std)
    set_bias(layer, bias)


def set_bias(layer: nn.Conv2d | nn.Conv3d | nn.Linear, bias: float) -> None:
    """Set a layer's biases."""
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
