"""From a network to the plain chain of layers that the chips' tools work on.

Each layer is a convolution, a full layer or a radial basis output, maybe followed by the squash.
Sub-sampling is a convolution of its own map with four equal weights and stride 2.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striate.accelerators.compiler.recorder import check_chain, record_layers
from striate.accelerators.ir.layers import FloatLayer
from striate.accelerators.ir.precision import full_precision
from striate.core.errors import UnsupportedLayer
from striate.models.layers.lenet import Squash, Subsample2d, TableConv2d
from striate.models.lenet5 import RbfOutput

_READABLE = (TableConv2d, Subsample2d, nn.Conv2d, nn.Linear, RbfOutput)


@torch.no_grad()
def layers_of(model: nn.Module) -> list[FloatLayer]:
    """Read a network as a chain of layers, in the order in which it computes.

    The network is run once, in evaluation mode and float32, and left as it was.

    Raises:
        UnsupportedLayer: a layer is of no known type, or holds weights that are not finite, or the
            network computes something between its layers that the chain lacks.
    """
    _check_parameters(model)
    generator = torch.Generator().manual_seed(0)
    probe = 1.5 * torch.randn(2, *input_shape(model), generator=generator)
    with _evaluating(model), full_precision():
        recorder, expected = record_layers(model, probe)
    chain: list[FloatLayer] = []
    for name, module in recorder.order:
        if type(module).forward is not Squash.forward:
            chain.append(_finite(_read(name, module)))
        elif chain and not chain[-1].squash:
            chain[-1] = _squashed(chain[-1])
        else:
            raise UnsupportedLayer(
                f"Layer {name}: a squash {'follows another' if chain else 'comes first'}.",
                "Squash the sums of a convolution, of sub-sampling or of a full layer, once.",
            )
    check_chain(model, recorder)
    if not chain or not _replays(chain, probe, expected):
        raise UnsupportedLayer(
            f"{type(model).__name__} computes more between its layers than the squash "
            f"({', '.join(layer.name for layer in chain)}).",
            "Chips run chains of convolutions, sub-sampling and full layers with Squash.",
        )
    return chain


def input_shape(model: nn.Module) -> tuple[int, ...]:
    """The network's `input_shape`, without the batch.

    Raises:
        UnsupportedLayer: it tells none.
    """
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple):
        raise UnsupportedLayer(
            f"{type(model).__name__} does not tell its input's size.",
            "Give it an attribute input_shape, (maps, height, width).",
        )
    return shape


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; each module's own mode comes back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check_parameters(model: nn.Module) -> None:
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_floating_point() and (value.dtype, value.device.type) != (torch.float32, "cpu"):
            raise UnsupportedLayer(
                f"{name} of {type(model).__name__} is {str(value.dtype).removeprefix('torch.')} on "
                f"{value.device.type}; the chips' tools read float32 on the CPU.",
                "Call model.float().cpu() first.",
            )


def _finite(layer: FloatLayer) -> FloatLayer:
    for what, values in (("weights", layer.weight), ("biases", layer.bias)):
        if values is not None and not bool(values.isfinite().all()):
            raise UnsupportedLayer(
                f"Layer {layer.name}: its {what} hold NaN or infinity.",
                "Take a checkpoint from before the training diverged.",
            )
    return layer


def _replays(chain: list[FloatLayer], states: Tensor, expected: Tensor) -> bool:
    try:
        for layer in chain:
            states = layer.forward(states)
    except RuntimeError:  # shapes that do not chain
        return False
    return states.shape == expected.shape and torch.allclose(states, expected, 1e-4, 1e-4)


def _squashed(layer: FloatLayer) -> FloatLayer:
    return FloatLayer(**{**vars(layer), "squash": True})


def _read(name: str, module: nn.Module) -> FloatLayer:
    if type(module).forward not in {kind.forward for kind in _READABLE}:
        raise _unreadable(name, module)
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
    raise _unreadable(name, module)


def _unreadable(name: str, module: nn.Module) -> UnsupportedLayer:
    return UnsupportedLayer(
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
