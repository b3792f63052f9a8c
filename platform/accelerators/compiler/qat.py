"""Training that knows of the rounding: straight-through fine-tuning, the retrained last layer."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec, FixedPoint
from striate.accelerators.ir.layers import FloatLayer

_BATCH = 64
_LEARNING_RATE = 1e-3
_DECAY = 1e-3  # pull of the retrained layer towards where it was


def finetune(
    chip: list[FloatLayer],
    host: list[FloatLayer],
    spec: ChipSpec,
    scales: Sequence[tuple[float, float]],
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
) -> tuple[list[FloatLayer], list[FloatLayer]]:
    """Train all layers with the chip's rounding in the forward pass.

    The gradient takes a rounding for the identity (Bengio, Léonard, Courville, 2013,
    "straight-through"). Kernels that are zero stay zero; tied weights stay tied.

    Args:
        chip, host: the layers before and after the cut.
        spec: the chip.
        scales: (scale, zero) of the input's states and of each chip layer's.
        images: normalised images (N, C, H, W).
        labels: classes (N,).
        epochs: passes over them.
        seed: of their order.

    Returns:
        The layers with their new weights.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = [_trainable(layer) for layer in (*chip, *host)]
    masks = [layer.weight.detach() != 0 for layer in layers]
    parameters = [p for layer in layers for p in (layer.weight, layer.bias) if p is not None]
    optimiser = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=0.0)
    steps = epochs * -(-len(images) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(images), generator=generator), _BATCH):
            used = [_constrained(la, mask) for la, mask in zip(layers, masks, strict=True)]
            scores = _forward(used, len(chip), spec, scales, images[rows])
            optimiser.zero_grad()
            torch.autograd.backward(F.cross_entropy(scores, labels[rows]))
            optimiser.step()
            schedule.step()
    done = [_frozen(_constrained(la, mask)) for la, mask in zip(layers, masks, strict=True)]
    return done[: len(chip)], done[len(chip) :]


def retrain_head(host: list[FloatLayer], states: Tensor, labels: Tensor) -> FloatLayer:
    """Train the last layer on the states that the chip really gives.

    Args:
        host: the layers on the host; the last one is a full layer.
        states: values of the chip's last states (N, maps, H, W).
        labels: classes (N,).
    """
    with torch.no_grad():
        for layer in host[:-1]:
            states = layer.forward(states)
    head = _trainable(host[-1])
    trained = [head.weight] if head.bias is None else [head.weight, head.bias]
    start = head.weight.detach().clone()
    optimiser = torch.optim.LBFGS(trained, max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(head.forward(states), labels)
        value = value + _DECAY * (head.weight - start).square().sum()
        torch.autograd.backward(value)
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return _frozen(head)


def _forward(
    layers: list[FloatLayer],
    on_chip: int,
    spec: ChipSpec,
    scales: Sequence[tuple[float, float]],
    images: Tensor,
) -> Tensor:
    states = _round_states(images, spec.state, scales[0])
    for index, layer in enumerate(layers):
        if index < on_chip:
            rounded = replace(layer, weight=_round_weight(layer.weight, spec.weight))
            states = _round_states(rounded.forward(states), spec.state, scales[index + 1])
        else:
            states = layer.forward(states)
    return states


def _round_states(values: Tensor, state: FixedPoint, scale: tuple[float, float]) -> Tensor:
    step, zero = scale
    inside = values.clamp(step * state.low + zero, step * state.high + zero)
    rounded = state.encode((values.detach() - zero) / step) * step + zero
    return inside + (rounded - inside).detach()


def _round_weight(weight: Tensor, form: FixedPoint) -> Tensor:
    scale = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-12) / form.high
    scale = scale.view(-1, *[1] * (weight.dim() - 1))
    return weight + (form.encode(weight.detach() / scale) * scale - weight).detach()


def _trainable(layer: FloatLayer) -> FloatLayer:
    bias = None if layer.bias is None else layer.bias.clone().requires_grad_()
    return replace(layer, weight=layer.weight.clone().requires_grad_(), bias=bias)


def _frozen(layer: FloatLayer) -> FloatLayer:
    bias = None if layer.bias is None else layer.bias.detach()
    return replace(layer, weight=layer.weight.detach(), bias=bias)


def _constrained(layer: FloatLayer, mask: Tensor) -> FloatLayer:
    weight = layer.weight * mask
    if layer.tied:
        weight = weight.mean((2, 3), keepdim=True).expand_as(weight)
    return replace(layer, weight=weight)
