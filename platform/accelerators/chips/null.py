"""The null chip: wide integers, no limits, no cost. A fake for tests and for telling apart what
quantisation loses from what a chip's narrow formats lose. Nothing ever falls back to it."""

from striate.accelerators.chips.spec import ChipSpec, Figure, FixedPoint

_OURS = Figure(source="defined", note="the null chip is no real chip")

NULL = ChipSpec(
    name="null",
    title="No chip: wide integers, no limits, zero cycles, energy unknown",
    weight=FixedPoint(bits=16, symmetric=True),
    state=FixedPoint(bits=12),
    accumulator_bits=48,
    accumulator_overflow="wrap",
    cycles_per_evaluation=0,
    provenance=dict.fromkeys(
        (
            "weight",
            "state",
            "accumulator_bits",
            "accumulator_overflow",
            "cycles_per_evaluation",
        ),
        _OURS,
    ),
)
