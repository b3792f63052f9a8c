"""The emulator's speed: characters a second of LeNet-1 on the emulated ANNA, on one CPU.

Three rows a preset, on the same images in the same run: against the 2,000 characters a second that
are asked for, against the float network in plain PyTorch, and against the big-integer reference.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from harness import Row, interleaved, main

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import quantize
from striate.accelerators.emulator.program import Program
from striate.accelerators.emulator.reference import reference_layer
from striate.models import MODELS

TARGET = 2_000.0
BATCH = 256


def measure(quick: bool) -> list[Row]:
    """Characters a second for each preset, its float network and the reference."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MODELS["lenet1_32"]().eval()
    images = torch.rand(BATCH, 1, 32, 32) * 1.275 - 0.1
    seconds, rounds = (0.3, 3) if quick else (1.0, 7)
    rows = []
    for name in ("anna-talk", "anna-1991"):
        program = compile_program(quantize(model, CHIPS[name], images), CHIPS[name])
        run = _rate(partial(program.run, images), seconds)
        infer = _rate(partial(model, images), seconds)
        ours, peer = interleaved([run, infer], rounds)
        reference = _reference_rate(program, images[:1])
        rows += [
            Row(f"{name}, against the 2,000 asked for", ours, TARGET, "characters/s", 1.0),
            Row(f"{name}, against the float network", ours, peer, "characters/s"),
            Row(f"{name}, against the big-integer reference", ours, reference, "characters/s"),
        ]
    return rows


def _rate(work: Callable[[], object], seconds: float) -> Callable[[], float]:
    """A measure of images a second over at least `seconds`."""

    @torch.no_grad()
    def measured() -> float:
        work()
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            work()
            count += BATCH
        return count / (time.perf_counter() - began)

    return measured


def _reference_rate(program: Program, image: torch.Tensor) -> float:
    spec, states = program.info.spec, program.encode(image)[0].tolist()
    began = time.perf_counter()
    for layer in program.chip:
        states = reference_layer(
            states,
            layer.weight.tolist(),
            layer.thresholds.tolist(),
            stride=layer.stride,
            groups=layer.groups,
            lowest=spec.state.low,
            accumulator_bits=spec.accumulator_bits,
            overflow=spec.accumulator_overflow,
        )
    return 1 / (time.perf_counter() - began)


if __name__ == "__main__":
    main(measure, __doc__ or "", "three rounds of a third of a second")
