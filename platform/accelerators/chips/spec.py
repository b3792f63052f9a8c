"""What a chip is, as data: number formats, units, capacities, timing, and each figure's source.

A `ChipSpec` holds no code. The compiler, the emulator and the estimator read it; the presets in
this folder fill it.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:  # torch takes two seconds to import, and `striate chips ls` needs none
    from torch import Tensor

FigureSource = Literal[
    "read", "talk", "computed", "derived", "recall", "calibrated", "assumed", "defined"
]
"""How a figure is known.

``read`` in the publication; ``talk``: on a slide; ``computed`` from such figures; ``derived`` by an
argument; ``recall``: from general knowledge of a paper that was not read; ``calibrated``: fitted to
one published figure; ``assumed``: a stated default where nothing is known; ``defined`` by us.
"""


_MOST = 10**12  # of anything that is counted; beyond it, it is a mistake
Count = Annotated[int, Field(ge=1, le=_MOST)]
Picojoule = Annotated[float, Field(ge=0, le=1e15)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FixedPoint(_Frozen):
    """A format of integer codes; what one step is worth is the model's scale, not the chip's.

    Attributes:
        bits: width of a code; 24 at most, since codes are rounded in float32.
        symmetric: sign and magnitude, −(2^(bits−1)−1) … 2^(bits−1)−1; else two's complement.
        rounding: of a value halfway between two codes.
        overflow: what happens to a value outside the range.
    """

    bits: int = Field(ge=2, le=24)
    symmetric: bool = False
    rounding: Literal["half-even"] = "half-even"
    overflow: Literal["saturate"] = "saturate"

    @property
    def high(self) -> int:
        """The largest code."""
        return int(2 ** (self.bits - 1) - 1)

    @property
    def low(self) -> int:
        """The smallest code."""
        return -self.high if self.symmetric else -self.high - 1

    def encode(self, steps: "Tensor") -> "Tensor":
        """Round values given in steps to int32 codes, saturating."""
        return steps.round().clamp(self.low, self.high).int()


class NeuronArray(_Frozen):
    """Neurons that each take one vector of states against one vector of weights at a time.

    Attributes:
        count: neurons that work at once.
        vector: the most states one neuron takes in an evaluation.
    """

    count: Count
    vector: Count


class Host(_Frozen):
    """The processor beside the chip.

    Attributes:
        name: the part's name.
        macs_per_s: multiply-accumulates a second in floating point.
    """

    name: str
    macs_per_s: float = Field(gt=0, le=1e18)


class Noise(_Frozen):
    """Gaussian noise of an analog sum, as a share of its full scale."""

    sigma: float = Field(ge=0, le=1)


class Figure(_Frozen):
    """Where one figure of a spec comes from: the kind of knowledge and one sentence."""

    source: FigureSource
    note: str


class ChipSpec(_Frozen):
    """One chip.

    Attributes:
        name: as in `striate.accelerators.chips.CHIPS`.
        title: one line for people.
        clock_hz: None where time is not modelled.
        weight: format of weights; one scale a feature map.
        state: format of inputs and of states after the squash; 16 bits at most.
        accumulator_bits: width of the sum before the squash, two's complement.
        accumulator_overflow: what the sum does beyond that.
        units: what computes, one array; empty means without limit.
        weight_capacity: weights and biases that are held at once; None means without limit.
        weight_load_s: time to write all of `weight_capacity`; also one refresh of them.
        states_per_cycle: states that move in or out of the chip, or into its shift registers, in a
            cycle.
        cycles_per_evaluation: clocks for one vector on every neuron.
        cycles_per_evaluation_range: the range that the sources leave open, for the error band.
        host: what runs the layers that the chip does not.
        energy_pj: energy by kind of event; empty where no source gives any.
        analog: noise of the sums; None is the ideal chip, which is what `run` emulates bit by bit.
        provenance: for each figure above, where it comes from.
    """

    name: str
    title: str
    clock_hz: float | None = Field(None, gt=0, le=1e12)
    weight: FixedPoint
    state: FixedPoint
    accumulator_bits: int = Field(ge=8, le=52)
    accumulator_overflow: Literal["wrap", "saturate"]
    units: tuple[NeuronArray, ...] = ()
    weight_capacity: Count | None = None
    weight_load_s: float = Field(0.0, ge=0, le=1e6)
    states_per_cycle: Count | None = None
    cycles_per_evaluation: int | None = Field(None, ge=0, le=_MOST)
    cycles_per_evaluation_range: tuple[int, int] | None = None
    host: Host | None = None
    energy_pj: Mapping[str, Picojoule] = Field(default_factory=dict)
    analog: Noise | None = None
    provenance: Mapping[str, Figure]

    @model_validator(mode="after")
    def _states_fit_sixteen_bits(self) -> Self:
        if self.state.bits > 16:
            raise ValueError(f"the states of {self.name} have {self.state.bits} bits, over 16")
        return self

    @model_validator(mode="after")
    def _the_range_holds_the_cycles(self) -> Self:
        if self.cycles_per_evaluation_range is None:
            return self
        low, high = self.cycles_per_evaluation_range
        cycles = self.cycles_per_evaluation
        if cycles is None or not 0 <= low <= cycles <= high <= _MOST:
            said = f"the cycles_per_evaluation_range of {self.name}, {low} to {high},"
            raise ValueError(f"{said} must rise and hold its cycles_per_evaluation, {cycles}")
        return self

    @model_validator(mode="after")
    def _no_figure_is_ignored(self) -> Self:
        if len(self.units) > 1:
            raise ValueError(f"{self.name} has {len(self.units)} units, of which one would count")
        if self.weight_load_s and self.weight_capacity is None:
            raise ValueError(f"{self.name} has a weight_load_s but no weight_capacity to load")
        return self

    @model_validator(mode="after")
    def _every_figure_has_a_source(self) -> Self:
        figures = {
            name
            for name, field in type(self).model_fields.items()
            if name not in {"name", "title", "provenance"}
            and getattr(self, name) != field.get_default(call_default_factory=True)
        }
        if figures != set(self.provenance):
            wrong = ", ".join(sorted(figures ^ set(self.provenance)))
            raise ValueError(f"figures and provenance of {self.name} disagree on: {wrong}")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other figures, checked as a spec of its own is.

        Raises:
            ValidationError: a figure is out of range, or has no source.
        """
        return type(self).model_validate(dict(super().model_copy(update=update, deep=deep)))

    @property
    def neurons(self) -> NeuronArray | None:
        """The array that evaluates, or None where there is no limit."""
        return self.units[0] if self.units else None

    @property
    def peak_ops_per_s(self) -> float | None:
        """Multiplications and additions a second at full use, or None where time is unknown."""
        if self.clock_hz is None or self.neurons is None or not self.cycles_per_evaluation:
            return None
        macs = self.neurons.count * self.neurons.vector
        return 2 * macs * self.clock_hz / self.cycles_per_evaluation

    def evaluations(self, outputs: int) -> int:
        """Evaluations that compute `outputs` units, one neuron each."""
        return 0 if self.neurons is None else math.ceil(outputs / self.neurons.count)
