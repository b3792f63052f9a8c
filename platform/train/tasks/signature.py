"""What a task's network takes and gives, as its bundle says it and a server offers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from striate.core.bundle import INPUT, OUTPUT, DimensionSpec, TensorSpec


@dataclass(frozen=True)
class Signature:
    """The tensors at the edge of a network.

    Attributes:
        inputs: by name.
        outputs: by name.
        labels: names of the classes that an output tells apart; empty where none does.
        dimensions: the sizes that named dimensions may have.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    labels: tuple[str, ...] = ()
    dimensions: Mapping[str, DimensionSpec] = field(default_factory=dict)

    @classmethod
    def of_classes(cls, taken: TensorSpec, labels: tuple[str, ...]) -> "Signature":
        """Of a network that gives one logit for each class."""
        logits = TensorSpec(dtype="float32", shape=(len(labels),), layout="C", units="logit")
        return cls({INPUT: taken}, {OUTPUT: logits}, labels)
