"""Whether a chip can run a network or a layer: pure rules, each with the reason and the fix."""

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.ir.layers import FloatLayer
from striate.core.bundle import BundleSpec
from striate.core.errors import BundleError, UnsupportedLayer

_TORCH = "Run it on a cpu or gpu pool."
_TO_HOST = "Run it and what follows on the host (--on-unsupported host), or change the layer."


def check_tensors(spec: BundleSpec) -> None:
    """Accept a network of one input of a fixed size and one output, as a chip's program has them.

    Raises:
        BundleError: it has others.
    """
    for what, tensors in (("input", spec.inputs), ("output", spec.outputs)):
        if len(tensors) > 1:
            raise BundleError(
                f"A chip's program takes one {what}; the bundle has {', '.join(tensors)}.", _TORCH
            )
        name, tensor = next(iter(tensors.items()))
        if tensor.dimensions:
            raise BundleError(
                f"A chip's program has fixed sizes; {', '.join(tensor.dimensions)} of the {what}"
                f" {name} has none.",
                _TORCH,
            )


def find_problem(layer: FloatLayer, spec: ChipSpec) -> UnsupportedLayer | None:
    """Why `spec` cannot run `layer`, or None if it can."""
    if layer.kind == "rbf":
        return _refusal(layer, spec, "it has no unit for radial basis functions")
    if not layer.squash:
        return _refusal(layer, spec, "its neurons end in a squash and this layer has none")
    return window_problem(layer.name, layer.fan_in, spec) or capacity_problem(
        layer.name, layer.stored, spec
    )


def capacity_problem(name: str, stored: int, spec: ChipSpec) -> UnsupportedLayer | None:
    """Why a layer of `stored` weights and biases cannot be held at once, or None if it can."""
    if spec.weight_capacity is None or stored <= spec.weight_capacity:
        return None
    return UnsupportedLayer(
        f"Layer {name} cannot run on {spec.name}: it alone has {stored:,} weights, and the chip "
        f"holds {spec.weight_capacity:,}.",
        _TO_HOST,
    )


def window_problem(name: str, fan_in: int, spec: ChipSpec) -> UnsupportedLayer | None:
    """Why a window of `fan_in` inputs does not fit, or None if it does."""
    if spec.neurons is None or fan_in <= spec.neurons.vector:
        return None
    return UnsupportedLayer(
        f"Layer {name} cannot run on {spec.name}: its window has {fan_in:,} inputs and a neuron "
        f"takes at most {spec.neurons.vector:,}.",
        _TO_HOST,
    )


def _refusal(layer: FloatLayer, spec: ChipSpec, reason: str) -> UnsupportedLayer:
    return UnsupportedLayer(f"Layer {layer.name} cannot run on {spec.name}: {reason}.", _TO_HOST)
