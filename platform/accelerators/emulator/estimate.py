"""What a program costs: the schedule, priced by the chip's figures.

Evaluation, shifting and storing overlap, so a layer takes the longest of evaluating and of moving
states. Loading weights, moving states in and out and the host's layers do not overlap with
anything. A figure without a source is None and said to be unknown, never zero.
"""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.accelerators.chips.spec import ChipSpec, Figure
from striate.accelerators.ir.schedule import (
    Evaluate,
    LoadWeights,
    MicroOp,
    OnHost,
    ReadInput,
    Schedule,
    Shift,
    Store,
    WriteOutput,
)

_TIMING = (
    "clock_hz",
    "cycles_per_evaluation",
    "cycles_per_evaluation_range",
    "states_per_cycle",
    "weight_load_s",
    "host",
    "units",
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerEstimate(_Frozen):
    """One step of the schedule, for one input.

    Attributes:
        name: the layer, or what is moved.
        where: ``chip`` or ``host``.
        evaluations: vectors on all neurons.
        evaluation_cycles: of them alone.
        stall_cycles: in which the neurons wait for states.
        cycles: all of the step, in cycles of the chip's clock.
        macs: multiply-accumulates of real connections.
        utilisation: share of the neurons' multiply-accumulates that real connections use.
        traffic_bytes: states and weights moved.
        energy_pj: None where no source gives a figure.
    """

    name: str
    where: str
    evaluations: int = 0
    evaluation_cycles: int = 0
    stall_cycles: int = 0
    cycles: float = 0
    macs: int = 0
    utilisation: float | None = None
    traffic_bytes: float = 0
    energy_pj: float | None = None


class Report(_Frozen):
    """The predicted cost of a program.

    Attributes:
        chip: the chip's name.
        batch: inputs that the totals are for, one after the other.
        rows: per step, for one input.
        cycles: of one input, all costs in.
        seconds: of the batch; None where the chip's time is not modelled.
        seconds_low, seconds_high: the error band: the shortest evaluation that the sources leave
            open; and nothing overlapping with a refresh of every weight.
        characters_per_s: inputs a second, one after the other.
        peak_ops_per_s: at full use, 2 a multiply-accumulate.
        sustained_ops_per_s: on this network.
        energy_pj: of one input; None is unknown.
        provenance: of the figures that the times rest on.
    """

    chip: str
    batch: int
    rows: tuple[LayerEstimate, ...]
    cycles: float
    seconds: float | None
    seconds_low: float | None
    seconds_high: float | None
    characters_per_s: float | None
    peak_ops_per_s: float | None
    sustained_ops_per_s: float | None
    energy_pj: float | None
    provenance: dict[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """The report as a plain document."""
        return self.model_dump(mode="json")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input, chip and host."""
        return sum(row.macs for row in self.rows)

    def diff(self, other: "Report") -> dict[str, tuple[float, float]]:
        """Cycles by step where this report and another differ: (this, other)."""
        mine = {row.name: row.cycles for row in self.rows}
        theirs = {row.name: row.cycles for row in other.rows}
        return {
            name: (mine.get(name, 0), theirs.get(name, 0))
            for name in (*mine, *(name for name in theirs if name not in mine))
            if mine.get(name, 0) != theirs.get(name, 0)
        }


def estimate(schedule: Schedule, spec: ChipSpec, batch: int = 1) -> Report:
    """Price a schedule on a chip.

    Args:
        schedule: the micro-operations for one input.
        spec: the chip.
        batch: number of inputs.
    """
    rows = _rows(schedule, spec)
    cycles = sum(row.cycles for row in rows)
    seconds = None if spec.clock_hz is None else cycles / spec.clock_hz
    low, high = _band(schedule, spec)
    macs = sum(row.macs for row in rows)
    return Report(
        chip=spec.name,
        batch=batch,
        rows=rows,
        cycles=cycles,
        seconds=_times(seconds, batch),
        seconds_low=_times(low, batch),
        seconds_high=_times(high, batch),
        characters_per_s=None if not seconds else 1 / seconds,
        peak_ops_per_s=spec.peak_ops_per_s,
        sustained_ops_per_s=None if not seconds else 2 * macs / seconds,
        energy_pj=None,
        provenance={name: spec.provenance[name] for name in _TIMING if name in spec.provenance},
    )


def _rows(schedule: Schedule, spec: ChipSpec) -> tuple[LayerEstimate, ...]:
    rows, moved = [], 0
    for op in schedule.ops:
        if isinstance(op, Shift):
            moved = op.states
        elif isinstance(op, Evaluate):
            rows.append(_layer(op, moved, spec))
        elif not isinstance(op, Store):
            rows.append(_step(op, spec))
    return tuple(rows)


def _layer(op: Evaluate, shifted: int, spec: ChipSpec) -> LayerEstimate:
    evaluating = op.evaluations * (spec.cycles_per_evaluation or 0)
    moving = _moving(shifted + op.outputs, spec)
    stall = max(0, moving - evaluating)
    return LayerEstimate(
        name=op.layer,
        where="chip",
        evaluations=op.evaluations,
        evaluation_cycles=evaluating,
        stall_cycles=stall,
        cycles=evaluating + stall,
        macs=op.macs,
        utilisation=_utilisation(op, spec),
        traffic_bytes=(shifted + op.outputs) * spec.state.bits / 8,
    )


def _step(op: MicroOp, spec: ChipSpec) -> LayerEstimate:
    if isinstance(op, LoadWeights):
        share = op.words / spec.weight_capacity if spec.weight_capacity else 0
        cycles = math.ceil(share * spec.weight_load_s * (spec.clock_hz or 0))
        name = "load " + ", ".join(op.layers)
        traffic = op.words * spec.weight.bits / 8
        return LayerEstimate(name=name, where="chip", cycles=cycles, traffic_bytes=traffic)
    if isinstance(op, OnHost):
        seconds = op.macs / spec.host.macs_per_s if spec.host else 0
        cycles = math.ceil(seconds * (spec.clock_hz or 0))
        return LayerEstimate(name=op.layer, where="host", cycles=cycles, macs=op.macs)
    assert isinstance(op, ReadInput | WriteOutput)
    return LayerEstimate(
        name="states in" if isinstance(op, ReadInput) else "states out",
        where="chip",
        cycles=_moving(op.states, spec),
        traffic_bytes=op.states * spec.state.bits / 8,
    )


def _moving(states: int, spec: ChipSpec) -> int:
    return 0 if spec.states_per_cycle is None else math.ceil(states / spec.states_per_cycle)


def _utilisation(op: Evaluate, spec: ChipSpec) -> float | None:
    if spec.neurons is None or not op.evaluations:
        return None
    return op.macs / (op.evaluations * spec.neurons.count * spec.neurons.vector)


def _band(schedule: Schedule, spec: ChipSpec) -> tuple[float | None, float | None]:
    if spec.clock_hz is None or spec.cycles_per_evaluation_range is None:
        return None, None
    low, high = spec.cycles_per_evaluation_range
    fast = sum(row.cycles for row in _rows(schedule, _with_cycles(spec, low)))
    slow = sum(row.cycles for row in _rows(schedule, _with_cycles(spec, high)))
    serial = sum(_moving(op.states, spec) for op in schedule.ops if isinstance(op, Shift | Store))
    loads = [op for op in schedule.ops if isinstance(op, LoadWeights)]
    refresh = sum(1 - op.words / (spec.weight_capacity or op.words) for op in loads)
    slow += serial + max(0.0, refresh) * spec.weight_load_s * spec.clock_hz
    return fast / spec.clock_hz, slow / spec.clock_hz


def _with_cycles(spec: ChipSpec, cycles: int) -> ChipSpec:
    return spec.model_copy(update={"cycles_per_evaluation": cycles})


def _times(seconds: float | None, batch: int) -> float | None:
    return None if seconds is None else seconds * batch
