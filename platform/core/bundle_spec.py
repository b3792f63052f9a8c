"""What a bundle says of its model, and how an older way of saying it is read.

Format 1 had one input and one output without names; they are read as ``input`` and ``output``, the
names under which the Open Inference Protocol has always served them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from striate.core.errors import BundleError
from striate.core.number_ends import MOST_COUNT
from striate.core.numbers import FreeArguments, Total

FORMAT_VERSION = 2
INPUT, OUTPUT = "input", "output"
"""Names of a model's tensors where it has one of each and nothing calls for another name."""

NETWORK = "network"
"""The kind of a bundle that is one torch module."""

DEFAULT_SIZE = 32
"""Of a named dimension, where a model is tried out and nothing is said of its sizes."""

DimensionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
Size = Annotated[int, Field(gt=0, le=MOST_COUNT)]
Shape = tuple[Size | DimensionName, ...]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Document):
    """One tensor at the model's edge.

    Attributes:
        dtype: torch's name of the element type, for example ``float32``.
        shape: sizes without the batch dimension; a dimension of any size stands by its name, for
            example ``(3, "height", "width")``. The same name means the same size everywhere.
        layout: one letter a dimension, for example ``CHW``; ``C`` alone for a vector of classes.
        units: what a number means, for example ``normalised intensity`` or ``logit``.
        mask: whether this input tells which places of the others hold a sample (1) and which are
            padding (0). Its shape is of named dimensions only. A model with a mask takes samples of
            different sizes in one batch, padded with zeros at the end of those dimensions; a caller
            need not send the mask.
    """

    dtype: str
    shape: Shape
    layout: str
    units: str
    mask: bool = False

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions that have no fixed size."""
        return tuple(size for size in self.shape if isinstance(size, str))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a sample's shape is one of this tensor; sizes by name are not compared."""
        return len(shape) == len(self.shape) and all(
            isinstance(wanted, str) or wanted == size
            for wanted, size in zip(self.shape, shape, strict=True)
        )

    def sizes(self, of: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with the named dimensions as large as `of` says."""
        return tuple(of[size] if isinstance(size, str) else size for size in self.shape)


class DimensionSpec(_Document):
    """The sizes that a named dimension may have.

    Attributes:
        least: the smallest.
        most: the largest; None for no limit of the model's own.
        multiple_of: what every size is a multiple of.
    """

    least: Size = 1
    most: Size | None = None
    multiple_of: Size = 1

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        if self.most is not None and self.example > self.most:
            raise ValueError("no size is between least and most")
        return self

    def allows(self, size: int) -> bool:
        """Whether it may have a size."""
        most = size if self.most is None else self.most
        return self.least <= size <= most and size % self.multiple_of == 0

    @property
    def example(self) -> int:
        """A size to try the model with: `DEFAULT_SIZE`, or the allowed one next to it."""
        step = self.multiple_of
        size = max(DEFAULT_SIZE if self.most is None else min(DEFAULT_SIZE, self.most), self.least)
        up, down = -(-size // step) * step, size // step * step
        return up if self.most is None or up <= self.most or down < self.least else down


class Architecture(_Document):
    """A network that code builds, and the arguments that build it.

    Attributes:
        name: in `striate.models.MODELS`, or in what the package adds to it.
        arguments: of the function of that name.
        package: the installed distribution that defines it.
        version: of that distribution when the bundle was made; None where nobody said.
    """

    name: str
    arguments: FreeArguments = Field(default_factory=dict)
    package: str = "striate"
    version: str | None = None


class PipelineSpec(_Document):
    """A name in `striate.data.pipelines.registry.PIPELINES` and its arguments."""

    name: str
    arguments: FreeArguments = Field(default_factory=dict)


class Provenance(_Document):
    """Where a model comes from.

    Attributes:
        run_id: MLflow run, or None outside a run.
        recipe: the recipe's name.
        data_manifest_sha256: hash of the manifest of the shards it was trained on.
        source_revision: version and revision of the code.
        metrics: final metrics over the whole evaluation set.
    """

    run_id: str | None = None
    recipe: str | None = None
    data_manifest_sha256: str | None = None
    source_revision: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class FileEntry(_Document):
    """Hash and size of one file of a bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: Total


class BundleSpec(_Document):
    """What ``bundle.json`` says, less the table of files.

    Attributes:
        kind: how to run it. ``network``: one torch module that takes the inputs by position, in
            the order of `inputs`, and gives the one output as a tensor, or several as a mapping
            by name or as a sequence in the order of `outputs`.
        architecture: the network.
        task: what its output means, for example ``classification``.
        inputs: the network's inputs by name, after `preprocessing`; the batch comes first.
        outputs: the network's outputs by name; the batch comes first.
        dimensions: the sizes that named dimensions may have; one that is not here has any.
        preprocessing: steps from a decoded image to the input, in order; each holds an ``op`` and
            its arguments, as `striate.data.transforms.image.preprocess` reads them. Of several
            inputs, to each one whose layout is ``CHW``.
        pipeline: what made the inputs of stored samples when the model was evaluated, and is the
            way to them where samples are no single images; None for raw images.
        labels: class names in the order of the output.
        provenance: where it comes from.
    """

    kind: str = Field(default=NETWORK, pattern="^[a-z][a-z0-9_]*$")
    architecture: Architecture
    task: str
    inputs: dict[TensorName, TensorSpec] = Field(min_length=1)
    outputs: dict[TensorName, TensorSpec] = Field(min_length=1)
    dimensions: dict[DimensionName, DimensionSpec] = Field(default_factory=dict)
    preprocessing: tuple[FreeArguments, ...] = ()
    pipeline: PipelineSpec | None = None
    labels: tuple[str, ...] = ()
    provenance: Provenance = Provenance()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        known = {name for spec in self.data.values() for name in spec.dimensions}
        if not self.data:
            raise ValueError("all inputs are masks")
        if unknown := sorted(self.dimensions.keys() - known):
            raise ValueError(f"no input has the dimension {unknown[0]}")
        for name, spec in self.masks.items():
            if not spec.shape or not known.issuperset(spec.shape):
                raise ValueError(f"the shape of the mask {name} is not of the inputs' dimensions")
        for name, spec in self.outputs.items():
            if spec.mask:
                raise ValueError(f"the output {name} is a mask; only inputs are")
            if self.masks and not known.issuperset(spec.dimensions):
                raise ValueError(f"padding cannot be cut from {name}: no input has its dimensions")
        return self

    @property
    def data(self) -> dict[str, TensorSpec]:
        """The inputs that are no masks."""
        return {name: spec for name, spec in self.inputs.items() if not spec.mask}

    @property
    def masks(self) -> dict[str, TensorSpec]:
        """The inputs that are masks."""
        return {name: spec for name, spec in self.inputs.items() if spec.mask}

    @property
    def prepared(self) -> tuple[str, ...]:
        """Names of the inputs that `preprocessing` leads to."""
        if not self.preprocessing:
            return ()
        several = len(self.data) > 1
        return tuple(n for n, spec in self.data.items() if not several or spec.layout == "CHW")

    @property
    def input(self) -> TensorSpec:
        """The one input.

        Raises:
            BundleError: there are several.
        """
        return _only(self.inputs, "inputs")

    @property
    def output(self) -> TensorSpec:
        """The one output.

        Raises:
            BundleError: there are several.
        """
        return _only(self.outputs, "outputs")

    def example_sizes(self) -> dict[str, int]:
        """A size of every named dimension of the inputs, to try the model with."""
        named = (name for spec in self.inputs.values() for name in spec.dimensions)
        return {name: self.dimensions.get(name, DimensionSpec()).example for name in named}


def upgrade(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of format 1 as one of format 2; any other one as it is."""
    if document.get("format_version") != 1:
        return dict(document)
    new = {**document, "format_version": 2}
    for old, name, many in (("input", INPUT, "inputs"), ("output", OUTPUT, "outputs")):
        if old in new:
            new[many] = {name: new.pop(old)}
    return new


def _only(tensors: Mapping[str, TensorSpec], what: str) -> TensorSpec:
    if len(tensors) > 1:
        raise BundleError(
            f"The bundle has the {what} {', '.join(tensors)}, where one is called for.",
            "Call it with named tensors, over the Open Inference Protocol.",
        )
    return next(iter(tensors.values()))
