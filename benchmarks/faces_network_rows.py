"""DeepFace's locally connected layers against unfolding and one product for each place.

The peer is `striate.models.layers.locally_connected.reference`: `torch.nn.functional.unfold`, then
`torch.einsum`, its gradients by autograd. Both sides have the same maps and weights, in float32, on
one thread, and take turns; a round is the forward and the backward pass of one batch.
"""

import os
import time
from collections.abc import Callable

import torch
from harness import Row, in_turns
from torch import Tensor

from striate.models.layers.locally_connected import LocallyConnected2d, reference

AT_LEAST = 5.0
# DeepFace's at a width of 1: maps in and out, side of the input, kernel, stride.
LAYERS = {"L4": (16, 16, 63, 9, 1), "L5": (16, 16, 55, 7, 2), "L6": (16, 16, 25, 5, 1)}
BATCH, QUICK_BATCH = 32, 8


def rows(quick: bool) -> list[Row]:
    """Forward and backward together, for each of the three layers and for all of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("STRIATE_BENCH_THREADS", "1")))
    try:
        return _rows(*((1, QUICK_BATCH) if quick else (9, BATCH)))
    finally:
        torch.set_num_threads(before)


def _rows(rounds: int, batch: int) -> list[Row]:
    samples: list[list[float]] = [[0.0] * rounds, [0.0] * rounds]
    found = []
    for name, (maps, out_maps, side, kernel, stride) in LAYERS.items():
        layer = LocallyConnected2d(maps, out_maps, (side, side), kernel, stride)
        inputs = torch.randn(batch, maps, side, side, requires_grad=True)
        above = torch.randn(batch, out_maps, *layer.places)
        measures = [_both(layer, inputs, above), _unfolded(layer, inputs, above)]
        ours, peer = in_turns(measures, rounds)
        label = f"{name}, {kernel}×{kernel} stride {stride}, batch {batch}: unfold and einsum"
        found.append(_row(label, batch, ours, peer))
        for total, seconds in zip(samples, (ours, peer), strict=True):
            total[:] = [a + b for a, b in zip(total, seconds, strict=True)]
    label = f"L4 to L6, forward and backward, batch {batch}: unfold and einsum"
    found.append(_row(label, batch, samples[0], samples[1], AT_LEAST))
    return found


def _row(
    name: str, batch: int, ours: list[float], peer: list[float], at_least: float | None = None
) -> Row:
    rates = [[batch / seconds for seconds in side] for side in (ours, peer)]
    return Row.paired(name, rates[0], rates[1], "images/s", at_least)


def _both(layer: LocallyConnected2d, inputs: Tensor, above: Tensor) -> Callable[[], float]:
    return lambda: _timed(lambda: layer(inputs), layer, inputs, above)


def _unfolded(layer: LocallyConnected2d, inputs: Tensor, above: Tensor) -> Callable[[], float]:
    def forward() -> Tensor:
        return reference(inputs, layer.weight, layer.bias, layer.stride)

    return lambda: _timed(forward, layer, inputs, above)


def _timed(
    forward: Callable[[], Tensor], layer: LocallyConnected2d, inputs: Tensor, above: Tensor
) -> float:
    """Seconds of one forward and backward pass."""
    layer.zero_grad(set_to_none=True)
    inputs.grad = None
    began = time.perf_counter()
    torch.autograd.backward(forward(), above)
    return time.perf_counter() - began
