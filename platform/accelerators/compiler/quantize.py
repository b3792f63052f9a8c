"""From a trained network to the integers of a chip.

Weights get one scale a feature map, states one scale and offset a layer, chosen for the least
squared error on calibration images. Fine-tuning passes gradients straight through the rounding.
The last layers run on the host in floating point, retrained on the chip's own states, as the ANNA
papers did (Säckinger et al., IEEE TNN 3(3), 1992).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from striate.accelerators.chips.spec import ChipSpec, FixedPoint
from striate.accelerators.compiler.arguments import (
    check_calibration,
    check_choices,
    check_labels,
)
from striate.accelerators.compiler.constraints import find_problem
from striate.accelerators.compiler.frontend import (
    input_shape,
    layers_of,
)
from striate.accelerators.compiler.qat import finetune, retrain_head
from striate.accelerators.emulator.evaluator import Evaluator
from striate.accelerators.ir.layers import (
    FloatLayer,
    IntegerLayer,
)
from striate.accelerators.ir.precision import full_precision
from striate.models.layers.lenet import AMPLITUDE, SLOPE

_NEVER = 2**60  # a threshold that no sum reaches
_CANDIDATES = 24  # state scales that the calibration tries


@dataclass(frozen=True)
class StateScale:
    """What state codes are worth: code c means scale·c + zero."""

    scale: float
    zero: float

    def encode(self, values: Tensor, state: FixedPoint) -> Tensor:
        """Values → the nearest state codes, saturating."""
        return state.encode((values - self.zero) / self.scale)

    def decode(self, codes: Tensor) -> Tensor:
        """State codes → values, float32."""
        return codes.float() * self.scale + self.zero


@dataclass(frozen=True)
class QuantizedModel:
    """A network for a chip.

    Attributes:
        input_shape: (maps, height, width).
        input_scale: how normalised images become state codes.
        chip: the layers on the chip, in order.
        host: the layers after them, in floating point on the host.
    """

    input_shape: tuple[int, int, int]
    input_scale: StateScale
    chip: tuple[IntegerLayer, ...]
    host: tuple[FloatLayer, ...]


@full_precision()
def quantize(
    model: nn.Module,
    spec: ChipSpec,
    calibration: Tensor,
    labels: Tensor | None = None,
    *,
    host_layers: int = 1,
    on_unsupported: str = "error",
    qat_epochs: int = 12,
    retrain_last: bool = True,
    seed: int = 0,
) -> QuantizedModel:
    """Quantise a network that `striate.accelerators.compiler.frontend.layers_of` can read.

    Args:
        model: the trained network; neither its weights nor its mode are changed.
        spec: the chip.
        calibration: normalised images (N, C, H, W), from training data.
        labels: their classes (N,), int64; without them nothing is trained.
        host_layers: how many last layers run on the host.
        on_unsupported: ``error``, or ``host``: run a layer that the chip cannot, and all after it,
            on the host.
        qat_epochs: passes of fine-tuning with rounded weights and states.
        retrain_last: whether to train the last layer on the chip's own states.
        seed: of the order in fine-tuning.

    Raises:
        UnsupportedLayer: the chip cannot run a layer; names it, the reason and the fix.
        UsageError: an argument cannot be meant.
    """
    layers = layers_of(model)
    check_choices(layers, host_layers, on_unsupported, qat_epochs, seed)
    check_calibration(calibration, input_shape(model), spec)
    calibration = calibration.float()
    if labels is not None:
        check_labels(labels, calibration, layers[-1].outputs)
    cut = _cut(layers, spec, host_layers, on_unsupported)
    chip, host = layers[:cut], layers[cut:]
    scales = _calibrate(chip, spec, calibration)
    trains = labels is not None and host[-1].kind == "full" if host else False
    if trains and labels is not None and qat_epochs:
        chip, host = finetune(
            chip,
            host,
            spec,
            [(s.scale, s.zero) for s in scales],
            calibration,
            labels,
            epochs=qat_epochs,
            seed=seed,
        )
    integers = _integers(chip, spec, scales)
    if trains and labels is not None and retrain_last:
        states = _features(integers, spec, scales, calibration)
        host = [*host[:-1], retrain_head(host, states, labels)]
    shape = calibration.shape[1], calibration.shape[2], calibration.shape[3]
    return QuantizedModel(shape, scales[0], tuple(integers), tuple(host))


def _cut(layers: list[FloatLayer], spec: ChipSpec, host_layers: int, on_unsupported: str) -> int:
    cut = len(layers) - host_layers
    for index, layer in enumerate(layers[:cut]):
        problem = find_problem(layer, spec)
        if problem is not None and on_unsupported == "host":
            return index
        if problem is not None:
            raise problem
    return cut


def _calibrate(chip: list[FloatLayer], spec: ChipSpec, images: Tensor) -> list[StateScale]:
    low, high = float(images.min()), float(images.max())
    levels = spec.state.high - spec.state.low
    step = max((high - low) / levels, 1e-6)
    scales = [StateScale(step, low - step * spec.state.low)]
    states = scales[0].decode(scales[0].encode(images, spec.state))
    with torch.no_grad():
        for layer in chip:
            values = replace(layer, weight=round_weights(layer, spec.weight)).forward(states)
            scales.append(_best_scale(values, spec.state))
            states = scales[-1].decode(scales[-1].encode(values, spec.state))
    return scales


def _best_scale(values: Tensor, state: FixedPoint) -> StateScale:
    """The symmetric scale of least squared error; no level is wasted on one sign."""
    levels = state.high - state.low
    largest = min(float(values.abs().max()), AMPLITUDE)
    sample = values.flatten()[:: max(1, values.numel() // 100_000)]
    best: tuple[float, StateScale] | None = None
    for part in range(_CANDIDATES // 3, _CANDIDATES + 1):
        step = max(2 * largest * part / _CANDIDATES, 1e-6) / levels
        scale = StateScale(step, -step * (state.high + state.low) / 2)
        error = float((scale.decode(scale.encode(sample, state)) - sample).square().mean())
        if best is None or error < best[0]:
            best = (error, scale)
    assert best is not None
    return best[1]


def weight_scales(layer: FloatLayer, weight: FixedPoint) -> Tensor:
    """What one step of a weight code is worth, for every output, (outputs,)."""
    return (layer.weight.abs().flatten(1).amax(1) / weight.high).clamp(min=1e-12)


def round_weights(layer: FloatLayer, weight: FixedPoint) -> Tensor:
    """The layer's weights rounded to codes, as values again."""
    scale = weight_scales(layer, weight).view(-1, *[1] * (layer.weight.dim() - 1))
    return weight.encode(layer.weight / scale) * scale


def _integers(
    chip: list[FloatLayer], spec: ChipSpec, scales: list[StateScale]
) -> list[IntegerLayer]:
    return [
        integer_layer(layer, spec, before, after)
        for layer, before, after in zip(chip, scales, scales[1:], strict=False)
    ]


def integer_layer(
    layer: FloatLayer, spec: ChipSpec, before: StateScale, after: StateScale
) -> IntegerLayer:
    """Turn a layer's weights into codes and its bias, scales and squash into thresholds.

    Output code c or higher is due where squash(a) ≥ after.scale·(c − ½) + after.zero, with
    a = weight scale · Σ code · (before.scale·state + before.zero) + bias.
    """
    steps = weight_scales(layer, spec.weight).double()
    codes = spec.weight.encode(
        layer.weight / steps.float().view(-1, *[1] * (layer.weight.dim() - 1))
    )
    codes = codes.view(len(codes), -1, 1, 1) if layer.kind == "full" else codes
    bias = torch.zeros(len(codes)) if layer.bias is None else layer.bias
    offset = bias.double() + steps * before.zero * codes.flatten(1).sum(1)
    edges = _activation_edges(spec.state, after)
    exact = (edges.view(1, -1) - offset.view(-1, 1)) / (steps.view(-1, 1) * before.scale)
    thresholds = torch.ceil(exact.clamp(-_NEVER, _NEVER)).long()
    return IntegerLayer(
        layer.name,
        codes,
        thresholds,
        after.scale,
        after.zero,
        full=layer.kind == "full",
        stride=layer.stride,
        groups=layer.groups,
        synapses=layer.synapses,
        stored=layer.stored,
    )


def _activation_edges(state: FixedPoint, after: StateScale) -> Tensor:
    """The activations at which the squashed value crosses from one state code to the next."""
    codes = torch.arange(state.low + 1, state.high + 1, dtype=torch.float64)
    ratio = (after.scale * (codes - 0.5) + after.zero) / AMPLITUDE
    edges: Tensor = torch.atanh(ratio.clamp(-1, 1)) / SLOPE  # ±infinity beyond the amplitude
    return edges


def _features(
    chip: list[IntegerLayer], spec: ChipSpec, scales: list[StateScale], images: Tensor
) -> Tensor:
    codes = scales[0].encode(images, spec.state)
    for layer in chip:
        codes = Evaluator(layer, spec).evaluate(codes)
    return scales[-1].decode(codes)
