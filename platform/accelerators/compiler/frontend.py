"""From a network to the plain chain of layers that the chips' tools work on.

Each layer is a convolution, a full layer or a radial basis output, maybe followed by the squash.
Sub-sampling is a convolution of its own map with four equal weights and stride 2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from striate.accelerators.ir.layers import FloatLayer
from striate.core.errors import UnsupportedLayer
from striate.models.layers.lenet import Squash, Subsample2d, TableConv2d
from striate.models.lenet5 import RbfOutput


def layers_of(model: nn.Module) -> list[FloatLayer]:
    """Read a network as a chain of layers, in the order in which it computes.

    Raises:
        UnsupportedLayer: a layer is of no known type, or the network computes something between
            its layers that the chain lacks.
    """
    model.eval()
    probe = torch.rand(2, *_input_shape(model), generator=torch.Generator().manual_seed(0))
    chain: list[FloatLayer] = []
    with torch.no_grad():
        for name, module in _executed(model, probe):
            if isinstance(module, Squash):
                chain[-1] = _squashed(chain[-1])
            else:
                chain.append(_read(name, module))
        if not _replays(chain, probe, model(probe)):
            raise UnsupportedLayer(
                f"{type(model).__name__} computes more between its layers than the squash "
                f"({', '.join(layer.name for layer in chain)}).",
                "Chips run chains of convolutions, sub-sampling and full layers with Squash.",
            )
    return chain


def _replays(chain: list[FloatLayer], states: Tensor, expected: Tensor) -> bool:
    try:
        for layer in chain:
            states = layer.forward(states)
    except RuntimeError:  # shapes that do not chain
        return False
    return states.shape == expected.shape and torch.allclose(states, expected, 1e-4, 1e-4)


def _input_shape(model: nn.Module) -> tuple[int, ...]:
    shape = model.input_shape
    assert isinstance(shape, tuple)
    return shape


def _executed(model: nn.Module, probe: Tensor) -> list[tuple[str, nn.Module]]:
    order: list[tuple[str, nn.Module]] = []

    def recorder(name: str) -> Any:
        return lambda module, _inputs, _output: order.append((name, module))

    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    hooks = [module.register_forward_hook(recorder(name)) for name, module in leaves]
    try:
        model(probe)
    finally:
        for hook in hooks:
            hook.remove()
    return order


def _squashed(layer: FloatLayer) -> FloatLayer:
    return FloatLayer(**{**vars(layer), "squash": True})


def _read(name: str, module: nn.Module) -> FloatLayer:
    if isinstance(module, TableConv2d):
        used = module.kernels.numel()
        weight, bias = module.dense_weight().detach(), module.bias.detach()
        return FloatLayer(
            name, "conv", weight, bias, synapses=used, stored=used + len(module.table)
        )
    if isinstance(module, Subsample2d):
        return _subsample(name, module)
    if isinstance(module, nn.Conv2d) and module.padding == (0, 0) and module.dilation == (1, 1):
        return _convolution(name, module)
    if isinstance(module, nn.Linear):
        used = module.weight.numel()
        bias_or_none = None if module.bias is None else module.bias.detach()
        stored = used + (0 if bias_or_none is None else bias_or_none.numel())
        weight = module.weight.detach()
        return FloatLayer(name, "full", weight, bias_or_none, synapses=used, stored=stored)
    if isinstance(module, RbfOutput):
        used = module.codes.numel()
        return FloatLayer(name, "rbf", module.codes, None, synapses=used, stored=used)
    raise UnsupportedLayer(
        f"Layer {name}: {type(module).__name__} is no layer that a chip's tools can read.",
        "Use convolutions without padding, sub-sampling, full layers and Squash.",
    )


def _subsample(name: str, module: Subsample2d) -> FloatLayer:
    maps = module.coefficient.numel()
    weight = (module.coefficient.detach() / 4).view(maps, 1, 1, 1).repeat(1, 1, 2, 2)
    return FloatLayer(
        name,
        "conv",
        weight,
        module.bias.detach(),
        stride=2,
        groups=maps,
        synapses=4 * maps,
        stored=2 * maps,
        tied=True,
    )


def _convolution(name: str, module: nn.Conv2d) -> FloatLayer:
    if module.stride[0] != module.stride[1]:
        raise UnsupportedLayer(
            f"Layer {name}: a stride of {module.stride} differs between height and width.",
            "Use the same stride for both.",
        )
    weight = module.weight.detach()
    bias = None if module.bias is None else module.bias.detach()
    return FloatLayer(
        name,
        "conv",
        weight,
        bias,
        stride=module.stride[0],
        groups=module.groups,
        synapses=weight.numel(),
        stored=weight.numel() + (0 if bias is None else bias.numel()),
    )
