"""ANNA (Bell Labs, 1991): analog inside, digital outside; two presets, which differ in the states.

Sources: Boser, Säckinger, Bromley, LeCun, Jackel, "An analog neural network processor with
programmable topology", IEEE JSSC 26(12), 1991 (abstract); Säckinger et al., NIPS-4, 1991 and IEEE
TNN 3(3), 1992 (the board, with an AT&T DSP32C); LeCun's talk of 2015, which says 4-bit states.
Timing is calibrated on one figure, the peak of 4 GOPS; it is not cycle-accurate.
"""

from striate.accelerators.chips.spec import ChipSpec, Figure, FixedPoint, Host, NeuronArray

_PROVENANCE = {
    "clock_hz": Figure(source="talk", note="20 MHz"),
    "weight": Figure(
        source="read", note="6-bit weights (JSSC 1991, abstract); sign and 5 bits, one scale a map"
    ),
    "accumulator_bits": Figure(
        source="assumed", note="the analog sum is taken as exact; 24 bits hold every sum that fits"
    ),
    "accumulator_overflow": Figure(
        source="assumed", note="an analog sum saturates; programs that could reach it are refused"
    ),
    "units": Figure(
        source="derived",
        note="8 neurons × 256 = 2,048: 'more than 2000 multiplications and additions "
        "simultaneously' (JSSC 1991, abstract); 8 neurons and vectors of 64 to 256 are recalled",
    ),
    "weight_capacity": Figure(source="talk", note="4,096 multiply-accumulate operators (synapses)"),
    "weight_load_s": Figure(
        source="recall", note="refresh of all capacitors about 110 µs (TNN 1992)"
    ),
    "states_per_cycle": Figure(
        source="assumed", note="one 32-bit word of the DSP32C's bus, eight states, a cycle"
    ),
    "cycles_per_evaluation": Figure(
        source="calibrated", note="fitted to 4 GOPS peak (talk): 2 × 2,048 × 20 MHz / 20 = 4.1"
    ),
    "cycles_per_evaluation_range": Figure(
        source="recall", note="4 clocks (200 ns) are recalled, which gives 10 GC/s; 20 fit the talk"
    ),
    "host": Figure(
        source="recall", note="DSP32C, one multiply-accumulate in 80 ns; runs the last layer"
    ),
}


def _anna(name: str, title: str, state_bits: int, source: Figure) -> ChipSpec:
    return ChipSpec(
        name=name,
        title=title,
        clock_hz=20e6,
        weight=FixedPoint(bits=6, symmetric=True),
        state=FixedPoint(bits=state_bits),
        accumulator_bits=24,
        accumulator_overflow="saturate",
        units=(NeuronArray(count=8, vector=256),),
        weight_capacity=4096,
        weight_load_s=110e-6,
        states_per_cycle=8,
        cycles_per_evaluation=20,
        cycles_per_evaluation_range=(4, 20),
        host=Host(name="DSP32C", macs_per_s=12.5e6),
        provenance={**_PROVENANCE, "state": source},
    )


ANNA_TALK = _anna(
    "anna-talk",
    "ANNA as the 2015 talk describes it: 4-bit states",
    4,
    Figure(source="talk", note="4-bit states"),
)
ANNA_1991 = _anna(
    "anna-1991",
    "ANNA as the 1991 paper describes it: 3-bit states",
    3,
    Figure(source="read", note="3-bit states (JSSC 1991, abstract)"),
)
