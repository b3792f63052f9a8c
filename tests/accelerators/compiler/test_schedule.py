"""The schedule, what it costs, and what a chip refuses."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from striate.accelerators.chips import CHIPS, chip
from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import QuantizedModel, quantize
from striate.accelerators.emulator.program import Program
from striate.accelerators.ir.schedule import (
    Evaluate,
    LoadWeights,
    OnHost,
)
from striate.core.errors import UnknownName, UnsupportedLayer
from striate.models import MODELS

pytestmark = pytest.mark.unit

ANNAS = ["anna-talk", "anna-1991"]


@pytest.fixture(scope="module")
def quantized() -> QuantizedModel:
    torch.manual_seed(0)
    return quantize(MODELS["lenet1_32"](), CHIPS["anna-talk"], torch.rand(4, 1, 32, 32))


@pytest.fixture(scope="module")
def program(quantized: QuantizedModel) -> Program:
    return compile_program(quantized, CHIPS["anna-talk"])


def wide(quantized: QuantizedModel, maps: int) -> QuantizedModel:
    """The network with `maps` copies of what its last layer on the chip holds."""
    last = quantized.chip[-1]
    return replace(quantized, chip=(*quantized.chip[:-1], replace(last, stored=24 * maps)))


def test_evaluations_of_the_anna_network(program: Program) -> None:
    assert program.info.schedule.evaluations() == {"h1": 392, "h2": 98, "h3": 150, "h4": 38}
    assert sum(program.info.schedule.evaluations().values()) == 678
    assert sum(op.macs for op in program.info.schedule.ops if isinstance(op, OnHost)) == 3_000
    macs = {op.layer: op.macs for op in program.info.schedule.ops if isinstance(op, Evaluate)}
    assert macs["h1"] + macs["h3"] + 3_000 == 131_400  # conv and full layers, "over 130,000"


@pytest.mark.parametrize("name", ANNAS)
def test_a_character_takes_at_most_a_millisecond_all_costs_in(
    quantized: QuantizedModel, name: str
) -> None:
    """Boser et al., JSSC 1991, abstract: more than 130,000 connections in 1 ms."""
    report = compile_program(quantized, CHIPS[name]).estimate()
    cycles = {row.name: row.evaluation_cycles for row in report.rows if row.evaluations}
    assert cycles == {"h1": 7_840, "h2": 1_960, "h3": 3_000, "h4": 760}
    assert report.cycles <= 20_000
    assert report.seconds is not None and report.seconds <= 1e-3
    assert report.seconds > 678e-6, "input, output, weights and host cost something"
    assert {row.where for row in report.rows} == {"chip", "host"}
    assert report.seconds_low is not None and report.seconds_high is not None
    assert report.seconds_low < report.seconds < report.seconds_high
    assert report.energy_pj is None, "no source gives any energy"


@pytest.mark.parametrize("name", ANNAS)
def test_the_peak_is_4_gops(name: str) -> None:
    """LeCun's talk of 2015: 4 GOPS; within 3 %."""
    peak = CHIPS[name].peak_ops_per_s
    assert peak is not None
    assert abs(peak / 4e9 - 1) <= 0.03


def test_the_estimate_prices_the_schedule_that_is_run(program: Program) -> None:
    """Take an operation away: the run fails and the estimate falls."""
    ops = program.info.schedule.ops
    without = tuple(op for op in ops if not isinstance(op, LoadWeights))
    schedule = program.info.schedule.model_copy(update={"ops": without})
    poorer = Program(
        program.info.model_copy(update={"schedule": schedule}), program.chip, program.host
    )
    assert poorer.estimate().cycles < program.estimate().cycles
    with pytest.raises(AssertionError, match="h1 are not loaded"):
        poorer.run(torch.rand(1, 1, 32, 32))
    assert list(poorer.estimate().diff(program.estimate())) == ["load h1, h2, h3, h4"]


def test_a_batch_takes_its_multiple(program: Program) -> None:
    one, ten = program.estimate(), program.estimate(10)
    assert one.seconds is not None
    assert ten.seconds == pytest.approx(10 * one.seconds)


def test_more_weights_than_the_chip_holds_are_refused_or_reloaded(
    quantized: QuantizedModel, program: Program
) -> None:
    spec = CHIPS["anna-talk"]
    on_chip = sum(layer.stored for layer in quantized.chip)
    assert on_chip + 3_010 == 3_658
    fits = replace(quantized.chip[-1], stored=4096 - on_chip + 24)
    compile_program(replace(quantized, chip=(*quantized.chip[:-1], fits)), spec)
    heavy = wide(quantized, 170)
    with pytest.raises(UnsupportedLayer, match=r"h4 .*4,704 weights .*4,096.*--allow-reload"):
        compile_program(heavy, spec)
    reloading = compile_program(heavy, spec, allow_reload=True)
    loads = [op for op in reloading.info.schedule.ops if isinstance(op, LoadWeights)]
    assert [op.layers for op in loads] == [("h1",), ("h2",), ("h3",), ("h4",)]
    assert reloading.estimate().cycles > program.estimate().cycles
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(reloading.run(images), program.run(images))


def test_a_layer_that_the_chip_cannot_hold_is_refused_even_with_reloading(
    quantized: QuantizedModel,
) -> None:
    with pytest.raises(UnsupportedLayer, match=r"h4 .* alone has 4,104 weights, .* holds 4,096"):
        compile_program(wide(quantized, 171), CHIPS["anna-talk"], allow_reload=True)


@pytest.mark.parametrize(
    ("model", "layer", "reason"),
    [("lenet5", "c5", "400 inputs"), ("lenet5_modern", "LeNet5Modern", "squash")],
)
def test_unsupported_layers_are_named_with_reason_and_fix(
    model: str, layer: str, reason: str
) -> None:
    with pytest.raises(UnsupportedLayer) as caught:
        quantize(MODELS[model](), CHIPS["anna-talk"], torch.rand(4, 1, 32, 32))
    assert layer in caught.value.message
    assert reason in caught.value.message
    assert caught.value.remedy


def test_a_host_fallback_is_asked_for_timed_and_reported() -> None:
    torch.manual_seed(0)
    spec, images = CHIPS["anna-talk"], torch.rand(4, 1, 32, 32)
    model = MODELS["lenet5"]()
    asked = compile_program(quantize(model, spec, images, on_unsupported="host"), spec)
    on_host = {row.name: row.cycles for row in asked.estimate().rows if row.where == "host"}
    assert list(on_host) == ["c5", "f6", "rbf"]
    assert on_host["c5"] == 48_000 / 12.5e6 * 20e6
    assert asked.run(images).shape == (4, 10)


def test_a_saturating_accumulator_that_could_be_reached_is_refused(
    quantized: QuantizedModel,
) -> None:
    narrow = CHIPS["anna-talk"].model_copy(update={"accumulator_bits": 8})
    with pytest.raises(UnsupportedLayer, match=r"h1: sums up to [\d,]+ could saturate the 8-bit"):
        compile_program(quantized, narrow)


def test_every_figure_has_a_source_or_the_spec_is_refused() -> None:
    fields = CHIPS["anna-1991"].model_dump()
    assert CHIPS["anna-1991"].state.bits == 3
    assert CHIPS["anna-1991"].provenance["state"].source == "read"
    assert CHIPS["anna-talk"].state.bits == 4
    del fields["provenance"]["clock_hz"]
    with pytest.raises(ValidationError, match="clock_hz"):
        ChipSpec.model_validate(fields)


def test_an_unknown_chip_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownName, match="anna-talk"):
        chip("anna-talks")
