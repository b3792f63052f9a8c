"""The emulator against the big-integer reference, bit for bit."""

import random
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import Tensor

from striate.accelerators.chips import CHIPS
from striate.accelerators.chips.spec import ChipSpec, FixedPoint
from striate.accelerators.emulator.evaluator import (
    FLOAT32_EXACT,
    Evaluator,
)
from striate.accelerators.emulator.program import Program
from striate.accelerators.emulator.reference import reference_layer
from striate.accelerators.ir.layers import IntegerLayer
from striate.core.errors import UnsupportedLayer

pytestmark = pytest.mark.unit

LAYERS = 10_000
Overflow = Literal["wrap", "saturate"]
OVERFLOWS: tuple[Overflow, ...] = ("wrap", "wrap", "saturate")


@dataclass(frozen=True)
class Case:
    layer: IntegerLayer
    spec: ChipSpec
    states: Tensor


def random_case(draw: random.Random) -> Case:
    """A random layer on a random chip, with random inputs, small enough for the reference."""
    generator = torch.Generator().manual_seed(draw.getrandbits(48))
    weight_bits, state_bits = draw.randint(2, 16), draw.randint(2, 12)
    overflow = draw.choice(OVERFLOWS)
    spec = chip(weight_bits, state_bits, draw.randint(8, 52), overflow)
    groups = draw.choice([1, 1, 2, 3])
    inputs, outputs = groups * draw.randint(1, 3), groups * draw.randint(1, 3)
    height, width = draw.randint(1, 3), draw.randint(1, 3)
    rows, columns = height + draw.randint(0, 3), width + draw.randint(0, 3)
    shape = outputs, inputs // groups, height, width
    weight = integers(spec.weight, shape, generator)
    bound = max(spec.state.high, -spec.state.low) * int(weight.abs().flatten(1).sum(1).max())
    edge = min(bound, 2 ** (spec.accumulator_bits - 1)) + 2
    states = integers(spec.state, (draw.randint(1, 2), inputs, rows, columns), generator)
    stride = draw.randint(1, 3)
    anywhere = torch.randint(-edge, edge, (outputs, draw.randint(1, 8)), generator=generator)
    sums = torch.nn.functional.conv2d(states.long(), weight.long(), None, stride, groups=groups)
    near = sums[0].flatten(1)[:, :6] + draw.randint(0, 1)  # a sum that is off by one shows
    thresholds = torch.cat([anywhere, near], 1)
    layer = IntegerLayer(
        "random", weight, thresholds.sort(1).values, 1.0, 0.0,
        stride=stride, groups=groups,
    )  # fmt: skip
    return Case(layer, spec, states)


def chip(weight_bits: int, state_bits: int, accumulator_bits: int, overflow: Overflow) -> ChipSpec:
    return CHIPS["null"].model_copy(
        update={
            "weight": FixedPoint(bits=weight_bits, symmetric=True),
            "state": FixedPoint(bits=state_bits),
            "accumulator_bits": accumulator_bits,
            "accumulator_overflow": overflow,
        }
    )


def integers(form: FixedPoint, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    values = torch.randint(form.low, form.high + 1, shape, generator=generator, dtype=torch.int32)
    if torch.rand((), generator=generator) < 0.2:  # the corners, where sums are largest
        values = torch.where(values >= 0, form.high, form.low).to(torch.int32)
    return values


def reference(case: Case) -> list[list[list[list[int]]]]:
    return [
        reference_layer(
            image,
            case.layer.weight.tolist(),
            case.layer.thresholds.tolist(),
            stride=case.layer.stride,
            groups=case.layer.groups,
            lowest=case.spec.state.low,
            accumulator_bits=case.spec.accumulator_bits,
            overflow=case.spec.accumulator_overflow,
        )
        for image in case.states.tolist()
    ]


def test_ten_thousand_random_layers_equal_the_reference() -> None:
    draw = random.Random(1991)
    compared, refused, kinds = 0, 0, {"float32": 0, "float64": 0, "wrap": 0}
    while compared < LAYERS:
        case = random_case(draw)
        try:
            evaluator = Evaluator(case.layer, case.spec)
        except UnsupportedLayer:
            assert case.spec.accumulator_overflow == "saturate"
            assert case.layer.bound(case.spec.state) >= 2 ** (case.spec.accumulator_bits - 1)
            refused += 1
            continue
        assert evaluator.evaluate(case.states).tolist() == reference(case), case
        kinds[str(evaluator.dtype).removeprefix("torch.")] += 1
        kinds["wrap"] += evaluator.wraps
        compared += 1
    assert refused > 100, "the draw has to reach saturation"
    assert min(kinds.values()) > 500, kinds


def test_float32_is_not_used_beyond_its_exact_range() -> None:
    """Odd sums just above 2^24 are where float32 goes wrong, by one."""
    spec = chip(16, 12, 52, "wrap")
    weight = torch.full((1, 1, 1, 9), 32_767, dtype=torch.int32)
    states = torch.full((1, 1, 1, 9), 2047, dtype=torch.int32)
    states[..., -1] = 2046
    exact = int((weight.long() * states.long()).sum())
    assert exact > FLOAT32_EXACT
    assert exact % 2 == 1 or exact % 4 != 0
    layer = IntegerLayer("wide", weight, torch.tensor([[exact, exact + 1]]), 1.0, 0.0)
    assert Evaluator(layer, spec).evaluate(states).item() == spec.state.low + 1


@pytest.mark.parametrize("name", ["anna-talk", "anna-1991", "null"])
def test_a_trained_program_equals_the_reference(programs: dict[str, Program], name: str) -> None:
    program = programs[name]
    images = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(3)) * 1.275 - 0.1
    trace, states = program.trace(images), program.encode(images)
    for layer in program.chip:
        assert trace[layer.name].tolist() == reference(Case(layer, program.info.spec, states))
        states = trace[layer.name]
