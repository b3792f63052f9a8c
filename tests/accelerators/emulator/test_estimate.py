"""Each figure of the estimate, held to a hand count of two layers on a chip of round numbers.

The input is 2 maps of 6×9. Layer `a` is a 3×3 convolution to 4 maps (of 4×7), layer `b` sub-samples
them by 2×2 (to 2×3, one column is left over), and a full layer of 24 × 10 runs on the host.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.accelerators.chips.spec import ChipSpec, Figure
from striate.accelerators.compiler.schedule import schedule
from striate.accelerators.emulator.estimate import LayerEstimate, Report, estimate
from striate.accelerators.ir.layers import FloatLayer, IntegerLayer
from striate.accelerators.ir.schedule import Shift

pytestmark = pytest.mark.unit

FIGURES = {
    "clock_hz": 1e6,  # a cycle is a microsecond
    "weight": {"bits": 6, "symmetric": True},
    "state": {"bits": 4},
    "accumulator_bits": 24,
    "accumulator_overflow": "wrap",
    "units": [{"count": 3, "vector": 32}],
    "weight_capacity": 200,
    "weight_load_s": 400e-6,
    "states_per_cycle": 4,
    "cycles_per_evaluation": 3,
    "cycles_per_evaluation_range": (2, 7),
    "host": {"name": "host", "macs_per_s": 1e6},
}


def layer(
    name: str,
    weight: tuple[int, ...],
    *,
    synapses: int,
    stored: int,
    stride: int = 1,
    groups: int = 1,
    full: bool = False,
) -> IntegerLayer:
    thresholds = torch.zeros(weight[0], 1, dtype=torch.int64)
    codes = torch.ones(weight, dtype=torch.int32)
    return IntegerLayer(
        name, codes, thresholds, 1.0, 0.0, full, stride, groups, synapses=synapses, stored=stored
    )


A = layer("a", (4, 2, 3, 3), synapses=72, stored=76)
B = layer("b", (4, 1, 2, 2), synapses=16, stored=8, stride=2, groups=4)
OUTPUT = FloatLayer("output", "full", torch.ones(10, 24), None, synapses=240, stored=240)


def round_chip(**figures: object) -> ChipSpec:
    provenance = dict.fromkeys(FIGURES, Figure(source="defined", note="round"))
    return ChipSpec.model_validate(
        {"name": "round", "title": "round", **FIGURES, **figures, "provenance": provenance}
    )


def priced(*, allow_reload: bool = False, batch: int = 1, **figures: object) -> Report:
    spec = round_chip(**figures)
    return estimate(schedule([A, B], [OUTPUT], (2, 6, 9), spec, allow_reload), spec, batch)


def shifted(one: IntegerLayer, shape: tuple[int, int, int]) -> int:
    operations = schedule([one], [], shape, round_chip(units=[{"count": 3, "vector": 64}])).ops
    (shift,) = (op for op in operations if isinstance(op, Shift))
    return shift.states


ROWS = (
    # 84 words of 6 bits, at 2 cycles each
    LayerEstimate(name="load a, b", where="chip", cycles=168, traffic_bytes=63),
    # 2 · 6 · 9 = 108 states of half a byte, four a cycle
    LayerEstimate(name="states in", where="chip", cycles=27, traffic_bytes=54),
    # 4 · 4 · 7 = 112 outputs by threes. In each of 4 rows and of 2 maps: a window of 9 states, then
    # 6 columns of 3, 216 in all; with the outputs 328 states, 82 cycles, which hide behind the 114.
    LayerEstimate(
        name="a",
        where="chip",
        evaluations=38,
        evaluation_cycles=114,
        stall_cycles=0,
        cycles=114,
        macs=72 * 28,
        utilisation=(72 * 28) / (38 * 3 * 32),
        traffic_bytes=164,
    ),
    # 4 · 2 · 3 = 24 outputs by threes. In each of 2 rows and of 4 maps: a window of 4 states, then
    # twice 2 columns of 2, 96 in all; with the outputs 120 states, 30 cycles, 6 more than the 24.
    LayerEstimate(
        name="b",
        where="chip",
        evaluations=8,
        evaluation_cycles=24,
        stall_cycles=6,
        cycles=30,
        macs=16 * 6,
        utilisation=(16 * 6) / (8 * 3 * 32),
        traffic_bytes=60,
    ),
    LayerEstimate(name="states out", where="chip", cycles=6, traffic_bytes=12),
    LayerEstimate(name="output", where="host", cycles=240, macs=240),
)


def test_every_row_is_that_of_a_hand_count() -> None:
    assert priced().rows == ROWS


def test_every_total_is_that_of_a_hand_count() -> None:
    report = priced(batch=3)
    assert (report.chip, report.batch) == ("round", 3)
    assert report.cycles == 168 + 27 + 114 + 30 + 6 + 240 == 585
    assert report.macs == 2016 + 96 + 240 == 2352
    assert report.seconds == pytest.approx(3 * 585e-6)
    assert report.characters_per_s == pytest.approx(1 / 585e-6)
    assert report.peak_ops_per_s == pytest.approx(2 * 3 * 32 * 1e6 / 3)
    assert report.sustained_ops_per_s == pytest.approx(2 * 2352 / 585e-6)
    # At 2 cycles an evaluation both layers wait for their states: 82 and 30.
    assert report.seconds_low == pytest.approx(3e-6 * (168 + 27 + 82 + 30 + 6 + 240))
    # At 7 cycles 266 and 56; then moving (54 + 28, 24 + 6) and the other 116 words one by one.
    slow = 168 + 27 + 266 + 56 + 6 + 240 + (54 + 28 + 24 + 6) + 2 * 116
    assert report.seconds_high == pytest.approx(3e-6 * slow)
    assert report.energy_pj is None
    timing = set(FIGURES) - {"weight", "state", "accumulator_bits", "accumulator_overflow"}
    assert set(report.provenance) == timing - {"weight_capacity"}


def test_a_reloaded_network_is_that_of_a_hand_count() -> None:
    """80 words are written in 400 cycles, 5 a word: 76 of `a`, then 8 of `b` for every input."""
    report = priced(allow_reload=True, weight_capacity=80)
    loads = [(row.name, row.cycles) for row in report.rows if row.name.startswith("load")]
    assert loads == [("load a", 380), ("load b", 40)]
    assert report.cycles == 380 + 27 + 114 + 40 + 30 + 6 + 240
    slow = 380 + 27 + 266 + 40 + 56 + 6 + 240 + (54 + 28 + 24 + 6) + 5 * (4 + 72)
    assert report.seconds_high == pytest.approx(1e-6 * slow)


@given(
    maps=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    beyond=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    stride=st.integers(1, 5),
)
def test_states_shifted_in_are_those_that_a_window_had_not_seen(
    maps: int, kernel: tuple[int, int], beyond: tuple[int, int], stride: int
) -> None:
    """A window that walks along each row, counted state by state."""
    (height, width), rows, columns = kernel, kernel[0] + beyond[0], kernel[1] + beyond[1]
    entered = 0
    for _ in range(0, rows - height + 1, stride):
        seen: set[int] = set()
        for left in range(0, columns - width + 1, stride):
            window = set(range(left, left + width))
            entered += maps * height * len(window - seen)
            seen = window
    walked = layer("walked", (1, maps, height, width), synapses=1, stored=1, stride=stride)
    assert shifted(walked, (maps, rows, columns)) == entered


def test_a_full_layer_shifts_every_state_in_once() -> None:
    full = layer("full", (5, 54, 1, 1), synapses=170, stored=170, full=True)
    assert shifted(full, (2, 3, 9)) == 54
