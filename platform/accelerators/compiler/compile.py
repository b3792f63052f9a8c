"""From a quantised network to a program: checked, scheduled, proven exact."""

from collections.abc import Mapping, Sequence
from typing import Any

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.compiler.quantize import QuantizedModel
from striate.accelerators.compiler.schedule import schedule
from striate.accelerators.emulator.evaluator import Evaluator
from striate.accelerators.emulator.program import Program, ProgramInfo
from striate.core.errors import UnsupportedLayer


def compile_program(
    quantized: QuantizedModel,
    spec: ChipSpec,
    *,
    allow_reload: bool = False,
    labels: Sequence[str] = (),
    preprocessing: Sequence[Mapping[str, Any]] = (),
    source: str = "",
    metrics: Mapping[str, float] | None = None,
) -> Program:
    """Compile a network that `striate.accelerators.compiler.quantize.quantize` made for the same
    chip.

    Args:
        quantized: the network in integers.
        spec: the chip.
        allow_reload: whether weights beyond the chip's capacity may be written again for every
            input; the time is counted.
        labels: class names in the order of the output.
        preprocessing: steps from a decoded image to the network's input, as in its bundle.
        source: where the network is from.
        metrics: figures to keep with the program, such as the float accuracy.

    Raises:
        UnsupportedLayer: no layer, a window, the weights or a sum do not fit the chip; the message
            names the layer, the reason and the fix.
    """
    if not quantized.chip:
        raise UnsupportedLayer(
            f"No layer of the network runs on {spec.name}.",
            "Choose another chip, or a network whose first layers fit this one.",
        )
    operations = schedule(quantized.chip, quantized.host, quantized.input_shape, spec, allow_reload)
    for layer in quantized.chip:
        Evaluator(layer, spec)  # proves the accumulator's bound, or refuses
    info = ProgramInfo(
        spec=spec,
        input_shape=quantized.input_shape,
        input_scale=quantized.input_scale.scale,
        input_zero=quantized.input_scale.zero,
        schedule=operations,
        labels=tuple(labels),
        preprocessing=tuple(dict(step) for step in preprocessing),
        source=source,
        metrics=dict(metrics or {}),
    )
    return Program(info, quantized.chip, quantized.host)
