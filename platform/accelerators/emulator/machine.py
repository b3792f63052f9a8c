"""The machine that executes a schedule, exactly: the living specification of the chip.

It keeps what the chip keeps: the weights that are loaded, the states that are shifted in, the
states that were evaluated. An operation that the schedule does not prepare is a fault, not a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.emulator.evaluator import Evaluator
from striate.accelerators.ir.layers import (
    FloatLayer,
    IntegerLayer,
)
from striate.accelerators.ir.precision import full_precision
from striate.accelerators.ir.schedule import (
    Evaluate,
    LoadWeights,
    OnHost,
    ReadInput,
    Schedule,
    Shift,
    Store,
    WriteOutput,
)


@dataclass
class _Registers:
    states: Tensor
    loaded: frozenset[str] = frozenset()
    shifted: Tensor | None = None
    evaluated: Tensor | None = None
    values: Tensor | None = None
    trace: dict[str, Tensor] = field(default_factory=dict)


class Emulator:
    """A chip with a network's weights at hand.

    Args:
        spec: the chip.
        chip: the layers on the chip.
        host: the layers after them on the host.

    Raises:
        UnsupportedLayer: a layer's sums cannot be computed exactly.
    """

    def __init__(
        self, spec: ChipSpec, chip: Sequence[IntegerLayer], host: Sequence[FloatLayer]
    ) -> None:
        self._evaluators: Mapping[str, Evaluator] = {la.name: Evaluator(la, spec) for la in chip}
        self._host = {layer.name: layer for layer in host}
        self._last = chip[-1] if chip else None

    @torch.no_grad()
    @full_precision()
    def execute(self, schedule: Schedule, codes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Run every operation for a batch of inputs.

        Args:
            schedule: the operations.
            codes: state codes (N, maps, height, width).

        Returns:
            The result, float values where the host has layers and else state codes, and the
            states or values that each layer made.
        """
        registers = _Registers(codes)
        for op in schedule.ops:
            if isinstance(op, LoadWeights):
                registers.loaded = frozenset(op.layers)
            elif isinstance(op, ReadInput):
                assert registers.states[0].numel() == op.states, "input of another size"
            elif isinstance(op, Shift):
                registers.shifted = registers.states
            elif isinstance(op, Evaluate):
                self._evaluate(op, registers)
            elif isinstance(op, Store):
                self._store(op, registers)
            elif isinstance(op, WriteOutput):
                self._output(op, registers)
            else:
                self._on_host(op, registers)
        return self._result(registers), registers.trace

    def _evaluate(self, op: Evaluate, registers: _Registers) -> None:
        assert op.layer in registers.loaded, f"weights of {op.layer} are not loaded"
        assert registers.shifted is not None, f"no states are shifted in for {op.layer}"
        registers.evaluated = self._evaluators[op.layer].evaluate(registers.shifted)
        assert registers.evaluated[0].numel() == op.outputs, f"{op.layer} made other outputs"

    @staticmethod
    def _store(op: Store, registers: _Registers) -> None:
        assert registers.evaluated is not None, f"{op.layer} was not evaluated"
        registers.states = registers.evaluated
        registers.trace[op.layer] = registers.evaluated

    def _output(self, op: WriteOutput, registers: _Registers) -> None:
        assert registers.states[0].numel() == op.states, "output of another size"
        if self._last is not None:
            registers.values = registers.states.float() * self._last.scale + self._last.zero

    def _on_host(self, op: OnHost, registers: _Registers) -> None:
        assert registers.values is not None, f"nothing has left the chip for {op.layer}"
        registers.values = self._host[op.layer].forward(registers.values)
        registers.trace[op.layer] = registers.values

    def _result(self, registers: _Registers) -> Tensor:
        if not self._host:
            return registers.states
        assert registers.values is not None
        return registers.values
