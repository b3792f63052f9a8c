"""The second opinion: a layer evaluated in Python's unbounded integers, one multiplication at a
time, in the order in which a neuron would add. It shares no code with the emulator; tests hold the
two against each other bit for bit."""

from collections.abc import Sequence
from typing import Literal

Maps = Sequence[Sequence[Sequence[int]]]


def reference_layer(
    states: Maps,
    weight: Sequence[Maps],
    thresholds: Sequence[Sequence[int]],
    *,
    stride: int,
    groups: int,
    lowest: int,
    accumulator_bits: int,
    overflow: Literal["wrap", "saturate"],
) -> list[list[list[int]]]:
    """State codes [map][row][column] → state codes, one unit after the other.

    Args:
        states: the input's state codes.
        weight: weight codes [output][input in its group][row][column].
        thresholds: [output], ascending.
        stride, groups: of the convolution.
        lowest: the code where no threshold is reached.
        accumulator_bits: width of the sum, two's complement.
        overflow: what each addition does beyond that width.
    """
    per_group = len(weight) // groups
    result = []
    for output, kernels in enumerate(weight):
        first = (output // per_group) * len(kernels)
        sources = states[first : first + len(kernels)]
        height, width = len(kernels[0]), len(kernels[0][0])
        result.append(
            [
                [
                    lowest
                    + _reached(
                        _sum(sources, kernels, top, left, accumulator_bits, overflow),
                        thresholds[output],
                    )
                    for left in range(0, len(states[0][0]) - width + 1, stride)
                ]
                for top in range(0, len(states[0]) - height + 1, stride)
            ]
        )
    return result


def _sum(sources: Maps, kernels: Maps, top: int, left: int, bits: int, overflow: str) -> int:
    high = 2 ** (bits - 1) - 1
    total = 0
    for source, kernel in zip(sources, kernels, strict=True):
        for row, line in enumerate(kernel):
            for column, weight in enumerate(line):
                total += weight * source[top + row][left + column]
                if overflow == "saturate":
                    total = min(max(total, -high - 1), high)
                elif not -high - 1 <= total <= high:
                    total = (total + high + 1) % 2**bits - high - 1
    return total


def _reached(total: int, thresholds: Sequence[int]) -> int:
    count = 0
    for threshold in thresholds:
        if total >= threshold:
            count += 1
    return count
