"""The schedule: the chip's micro-operations for one input, in order, as plain data.

Pure functions of integers. The emulator executes the operations and the estimator prices them, so
that what is run and what is costed cannot drift apart. A repeated operation is one entry with a
count: the 392 evaluations of a layer differ only in where their window stands.
"""

from collections.abc import Sequence

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.compiler.constraints import capacity_problem, window_problem
from striate.accelerators.ir.layers import (
    FloatLayer,
    IntegerLayer,
)
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
from striate.core.errors import UnsupportedLayer


def schedule(
    chip: Sequence[IntegerLayer],
    host: Sequence[FloatLayer],
    input_shape: tuple[int, int, int],
    spec: ChipSpec,
    allow_reload: bool = False,
) -> Schedule:
    """Order the micro-operations of a network.

    Args:
        chip, host: the layers on the chip, and those after them on the host.
        input_shape: (maps, height, width).
        spec: the chip.
        allow_reload: whether weights may be written again for every input, at a cost in time.

    Raises:
        UnsupportedLayer: a window is too large, a layer is larger than its input, one layer's
            weights exceed what the chip holds, or all of them do and reloading is not allowed.
    """
    resident = _resident(chip, spec, allow_reload)
    ops: list[MicroOp] = []
    if resident and chip:
        words = sum(layer.stored for layer in chip)
        ops.append(LoadWeights(layers=tuple(layer.name for layer in chip), words=words))
    shape = input_shape
    ops.append(ReadInput(states=_size(shape)))
    for layer in chip:
        _check_window(layer, shape, spec)
        if not resident:
            ops.append(LoadWeights(layers=(layer.name,), words=layer.stored))
        ops += _layer_ops(layer, shape, spec)
        shape = layer.output_shape(shape)
    ops.append(WriteOutput(states=_size(shape)))
    for last in host:
        positions, shape = _host_positions(last, shape)
        ops.append(OnHost(layer=last.name, macs=last.synapses * positions))
    return Schedule(ops=tuple(ops))


def _layer_ops(
    layer: IntegerLayer, shape: tuple[int, int, int], spec: ChipSpec
) -> tuple[Shift, Evaluate, Store]:
    maps, rows, columns = layer.output_shape(shape)
    outputs = maps * rows * columns
    return (
        Shift(layer=layer.name, states=_shifted(layer, shape)),
        Evaluate(
            layer=layer.name,
            evaluations=spec.evaluations(outputs),
            outputs=outputs,
            macs=layer.synapses * rows * columns,
        ),
        Store(layer=layer.name, states=outputs),
    )


def _shifted(layer: IntegerLayer, shape: tuple[int, int, int]) -> int:
    """States shifted in: a row starts with a whole window, then `stride` new columns a step."""
    if layer.full:
        return _size(shape)
    height, width = layer.weight.shape[2:]
    _, rows, columns = layer.output_shape(shape)
    new = min(width, layer.stride)
    return shape[0] * rows * height * (width + (columns - 1) * new)


def _resident(chip: Sequence[IntegerLayer], spec: ChipSpec, allow_reload: bool) -> bool:
    """Whether all weights fit at once."""
    if spec.weight_capacity is None:
        return True
    total = 0
    for layer in chip:
        problem = capacity_problem(layer.name, layer.stored, spec)
        if problem is not None:
            raise problem
        total += layer.stored
        if total > spec.weight_capacity and not allow_reload:
            raise UnsupportedLayer(
                f"Layer {layer.name} cannot run on {spec.name}: with it the network has {total:,} "
                f"weights on the chip, which holds {spec.weight_capacity:,}.",
                "Allow reloading (--allow-reload), which costs time for every input, or keep "
                "the layer on the host.",
            )
    return total <= spec.weight_capacity


def _check_window(layer: IntegerLayer, shape: tuple[int, int, int], spec: ChipSpec) -> None:
    problem = window_problem(layer.name, layer.fan_in, spec)
    if problem is not None:
        raise problem
    expected = _size(shape) if layer.full else shape[0]
    if layer.weight.shape[1] * layer.groups != expected or _size(layer.output_shape(shape)) < 1:
        raise UnsupportedLayer(
            f"Layer {layer.name} does not fit its input of {shape[0]} maps, {shape[1]}×{shape[2]}.",
            "Give the network the input size that it was built for.",
        )


def _host_positions(
    layer: FloatLayer, shape: tuple[int, int, int]
) -> tuple[int, tuple[int, int, int]]:
    if layer.kind != "conv":
        return 1, (layer.outputs, 1, 1)
    height, width = layer.weight.shape[2:]
    rows = (shape[1] - height) // layer.stride + 1
    columns = (shape[2] - width) // layer.stride + 1
    return rows * columns, (layer.outputs, rows, columns)


def _size(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]
