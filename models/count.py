"""Counting a network: parameters, connections and multiply-accumulates.

Connections are counted as the LeNet papers do: every arithmetic use of a weight, a bias or a
sub-sampling input, so that the published figures come out exactly (1998, section II-B: layer S2
has 12 parameters and 5,880 connections, five to a unit). `macs` counts the multiply-accumulates of
convolutions, full layers and LSTMs (batch first) alone, as later papers do.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from striate.models.layers.lenet import Subsample2d, TableConv2d
from striate.models.layers.locally_connected import LocallyConnected2d
from striate.models.layers.norm_limit import NormLimitedLinear
from striate.models.lenet5 import RbfOutput

_Rule = Callable[[Any, Tensor], int]
_SUBSAMPLE_CONNECTIONS = 5  # four inputs and a bias a unit


def parameters(model: nn.Module, trainable: bool = True) -> int:
    """Number of trainable parameters; with ``trainable=False``, fixed ones (the codes) as well."""
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
    if trainable:
        return learnt
    return learnt + sum(m.codes.numel() for m in model.modules() if isinstance(m, RbfOutput))


def connections(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Connections that one input of `input_shape` (no batch dimension) uses, biases included."""
    return _count(model, input_shape, _CONNECTIONS)


def macs(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of convolutions, full layers and LSTMs for one input, without biases."""
    return _count(model, input_shape, _MACS)


def _count(
    model: nn.Module, input_shape: tuple[int, ...], rules: Mapping[type[nn.Module], _Rule]
) -> int:
    total = 0

    def add(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        total += rules[type(module)](module, output)

    hooks = [m.register_forward_hook(add) for m in model.modules() if type(m) in rules]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *input_shape, device=_device(model)))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return total


def _device(model: nn.Module) -> torch.device:
    """Where the model is; ``meta``, where no memory is held, for the large ones."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _positions(output: Tensor) -> int:
    return output[0, 0].numel()  # places at which one feature map is computed


def _lstm_weights(layer: nn.LSTM) -> int:
    return sum(one.numel() for name, one in layer.named_parameters() if name.startswith("weight"))


def _numel(parameter: Tensor | None) -> int:
    return 0 if parameter is None else parameter.numel()


_MACS: dict[type[nn.Module], _Rule] = {
    TableConv2d: lambda layer, output: layer.kernels.numel() * _positions(output),
    nn.Conv2d: lambda layer, output: layer.weight.numel() * _positions(output),
    nn.Conv3d: lambda layer, output: layer.weight.numel() * _positions(output),
    LocallyConnected2d: lambda layer, _output: layer.weight.numel(),
    nn.LSTM: lambda layer, output: _lstm_weights(layer) * output[0].shape[1],
    nn.Linear: lambda layer, output: layer.weight.numel() * (output[0].numel() // output.shape[-1]),
    NormLimitedLinear: lambda layer, _output: layer.weight.numel(),
}
_CONNECTIONS: dict[type[nn.Module], _Rule] = {
    TableConv2d: lambda m, out: _MACS[TableConv2d](m, out) + _numel(m.bias) * _positions(out),
    nn.Conv2d: lambda m, out: _MACS[nn.Conv2d](m, out) + _numel(m.bias) * _positions(out),
    nn.Conv3d: lambda m, out: _MACS[nn.Conv3d](m, out) + _numel(m.bias) * _positions(out),
    LocallyConnected2d: lambda m, _out: m.weight.numel() + m.bias.numel(),
    nn.Linear: lambda m, out: _MACS[nn.Linear](m, out) + _numel(m.bias),
    Subsample2d: lambda _m, out: out[0].numel() * _SUBSAMPLE_CONNECTIONS,
    RbfOutput: lambda m, _out: m.codes.numel(),
}
