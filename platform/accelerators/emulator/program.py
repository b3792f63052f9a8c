"""A program for a chip: one schedule that is run, bit by bit, and priced."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.emulator.estimate import Report, estimate
from striate.accelerators.emulator.machine import Emulator
from striate.accelerators.emulator.program_file import read_program, write_program
from striate.accelerators.ir.layers import (
    FloatLayer,
    IntegerLayer,
)
from striate.accelerators.ir.schedule import Schedule
from striate.core.errors import BundleError, RequestError, UsageError
from striate.core.validation import describe_invalid


class ProgramInfo(BaseModel):
    """All of a program but its layers.

    Attributes:
        spec: the chip, whole, so that an old program keeps its meaning.
        input_shape: (maps, height, width) of the normalised input.
        input_scale, input_zero: state code c of the input means input_scale·c + input_zero.
        schedule: the micro-operations for one input.
        labels: class names in the order of the output.
        preprocessing: steps from a decoded image to the input, as in the bundle.
        source: where the network is from.
        metrics: figures known when it was compiled, such as ``float_accuracy``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: ChipSpec
    input_shape: tuple[int, int, int]
    input_scale: float
    input_zero: float
    schedule: Schedule
    labels: tuple[str, ...] = ()
    preprocessing: tuple[dict[str, Any], ...] = ()
    source: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)


class Program:
    """A compiled network; made by `striate.accelerators.compiler.compile.compile_program` or
    `load`."""

    def __init__(
        self, info: ProgramInfo, chip: Sequence[IntegerLayer], host: Sequence[FloatLayer]
    ) -> None:
        self.info = info
        self.chip = tuple(chip)
        self.host = tuple(host)

    @cached_property
    def _emulator(self) -> Emulator:
        return Emulator(self.info.spec, self.chip, self.host)

    def encode(self, batch: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) → state codes; integers are taken as codes already.

        Raises:
            RequestError: no tensor of numbers on the CPU, another shape, no image, values that are
                not finite, or integers that are no state codes.
        """
        state = self.info.spec.state
        if not isinstance(batch, Tensor) or batch.is_complex() or batch.device.type != "cpu":
            raise RequestError(
                f"The emulator cannot read a batch of type {_kind(batch)}.",
                "Give a torch.Tensor of real numbers on the CPU.",
            )
        if tuple(batch.shape[1:]) != self.info.input_shape:
            wanted = "×".join(str(size) for size in self.info.input_shape)
            given = "×".join(str(size) for size in batch.shape[1:])
            raise RequestError(f"The program takes inputs of {wanted}; these are {given}.")
        if not len(batch):
            raise RequestError("The batch is empty.", "Give at least one input.")
        if batch.is_floating_point():
            if not bool(batch.isfinite().all()):
                raise RequestError("The inputs hold NaN or infinity.")
            batch = batch if batch.dtype == torch.float64 else batch.float()
            return state.encode((batch - self.info.input_zero) / self.info.input_scale)
        if not state.low <= int(batch.min()) <= int(batch.max()) <= state.high:
            raise RequestError(
                f"Integer inputs are state codes from {state.low} to {state.high}.",
                "Give normalised images as floats to have them encoded.",
            )
        return batch

    def run(self, batch: Tensor) -> Tensor:
        """Run a batch through the chip, bit by bit, and the host's layers in floating point.

        Args:
            batch: (N, C, H, W): floats, the bundle's normalised input; or state codes.

        Returns:
            (N, classes) scores where the last layers run on the host, else state codes
            (N, maps, H', W').
        """
        return self._emulator.execute(self.info.schedule, self.encode(batch))[0]

    def trace(self, batch: Tensor) -> dict[str, Tensor]:
        """By layer: its state codes on the chip, its values on the host."""
        return self._emulator.execute(self.info.schedule, self.encode(batch))[1]

    def estimate(self, batch: int = 1) -> Report:
        """What the schedule that `run` executes costs on the chip, for `batch` inputs.

        Raises:
            UsageError: `batch` is no count.
        """
        if not isinstance(batch, int) or batch < 1:
            raise UsageError(f"There is no batch of {batch!r}.", "Give a whole number from 1.")
        return estimate(self.info.schedule, self.info.spec, batch)

    def save(self, folder: Path) -> None:
        """Write ``program.json`` and ``program.safetensors``, whole or not at all."""
        write_program(folder, self.info.model_dump(mode="json"), self.chip, self.host)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a program and check its hashes.

        Raises:
            BundleError: no program, another format, or damaged; the message names the file.
        """
        document, chip, host = read_program(folder)
        try:
            return cls(ProgramInfo.model_validate(document), chip, host)
        except ValidationError as error:
            raise BundleError(
                f"The program {folder.name} cannot be used: {describe_invalid(error)}.",
                "Compile it again with this version of Striate.",
            ) from None

    def predict(self, batch: Tensor) -> Tensor:
        """The class of each input, (N,) int64."""
        return torch.flatten(self.run(batch), 1).argmax(1)


def _kind(batch: object) -> str:
    """The type of what was given for a batch, for people."""
    if not isinstance(batch, Tensor):
        return type(batch).__name__
    return f"{batch.dtype} on {batch.device.type}"
