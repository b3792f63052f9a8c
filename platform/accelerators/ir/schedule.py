"""What a chip does, step by step: the operations that the emulator runs and the estimate counts."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Op(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoadWeights(_Op):
    """Write the weights of `layers`, `words` in all, into the chip; what was there is lost."""

    op: Literal["load-weights"] = "load-weights"
    layers: tuple[str, ...]
    words: int


class ReadInput(_Op):
    """Move the input's states into the chip."""

    op: Literal["input"] = "input"
    states: int


class Shift(_Op):
    """Move states into the shift registers that a layer's windows slide over."""

    op: Literal["shift"] = "shift"
    layer: str
    states: int


class Evaluate(_Op):
    """Evaluate a layer: `evaluations` vectors on all neurons make `outputs` states."""

    op: Literal["evaluate"] = "evaluate"
    layer: str
    evaluations: int
    outputs: int
    macs: int


class Store(_Op):
    """Store the states that a layer made."""

    op: Literal["store"] = "store"
    layer: str
    states: int


class WriteOutput(_Op):
    """Move the last layer's states out of the chip."""

    op: Literal["output"] = "output"
    states: int


class OnHost(_Op):
    """Compute a layer on the host in floating point."""

    op: Literal["host"] = "host"
    layer: str
    macs: int


MicroOp = Annotated[
    LoadWeights | ReadInput | Shift | Evaluate | Store | WriteOutput | OnHost,
    Field(discriminator="op"),
]


class Schedule(_Op):
    """The operations for one input, in order."""

    ops: tuple[MicroOp, ...]

    def evaluations(self) -> dict[str, int]:
        """Evaluations by layer."""
        return {op.layer: op.evaluations for op in self.ops if isinstance(op, Evaluate)}
