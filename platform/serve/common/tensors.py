"""Tensors of the Open Inference Protocol: its data types, and what a model takes and gives.

An array of BYTES is a list of `bytes`; BF16 has no type in numpy and stands as its bits in uint16.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.core.bundle import BundleSpec, DimensionSpec, TensorSpec
from striate.core.errors import BundleError, RequestError

IMAGE, LABELS = "image", "labels"
"""What is served beside a bundle's own tensors: encoded photos in the place of its input, and the
best labels; under these names, unless the bundle has one of the name."""

Array = NDArray[Any] | list[bytes]


class Shaped(Protocol):
    """An array or a tensor, of which only the shape is asked."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its dimensions."""
        ...


@dataclass(frozen=True)
class Datatype:
    """One data type.

    Attributes:
        numpy: the little-endian element type; None for BYTES.
        contents: field of InferTensorContents that holds it; None where only raw contents can.
    """

    numpy: "np.dtype[Any] | None"
    contents: str | None


DATATYPES: dict[str, Datatype] = {
    "BOOL": Datatype(np.dtype("?"), "bool_contents"),
    "UINT8": Datatype(np.dtype("u1"), "uint_contents"),
    "UINT16": Datatype(np.dtype("<u2"), "uint_contents"),
    "UINT32": Datatype(np.dtype("<u4"), "uint_contents"),
    "UINT64": Datatype(np.dtype("<u8"), "uint64_contents"),
    "INT8": Datatype(np.dtype("i1"), "int_contents"),
    "INT16": Datatype(np.dtype("<i2"), "int_contents"),
    "INT32": Datatype(np.dtype("<i4"), "int_contents"),
    "INT64": Datatype(np.dtype("<i8"), "int64_contents"),
    "FP16": Datatype(np.dtype("<f2"), None),
    "BF16": Datatype(np.dtype("<u2"), None),
    "FP32": Datatype(np.dtype("<f4"), "fp32_contents"),
    "FP64": Datatype(np.dtype("<f8"), "fp64_contents"),
    "BYTES": Datatype(None, "bytes_contents"),
}

OF_TORCH = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
}
"""Data types by torch's names."""


@dataclass(frozen=True)
class TensorMeta:
    """One tensor at a model's edge.

    Attributes:
        name: of the tensor.
        datatype: the protocol's name of the element type.
        shape: with the batch first, and -1 for any size.
        dimensions: the names of the dimensions, empty ones where the size is fixed; none at all
            where every size but the batch's is.
        optional: whether a request may leave it out.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    dimensions: tuple[str, ...] = ()
    optional: bool = False

    def check_shape(self, shape: Sequence[int], most_rows: int) -> int:
        """Accept a shape.

        Args:
            shape: as a caller gave it; any integers.
            most_rows: samples allowed in the first dimension, the batch.

        Returns:
            The number of elements.

        Raises:
            RequestError: it is not the model's, or holds nothing, or too much.
        """
        given, wanted = list(shape), list(self.shape)
        rows = given[0] if given else 1
        fits = len(given) == len(wanted) and all(
            w in {-1, g} and g >= 1 for g, w in zip(given[1:], wanted[1:], strict=True)
        )
        if not fits or rows < 0 or (given and wanted[0] not in {-1, rows}):
            raise RequestError(
                f"The shape of {self.name} is {_short(given)}; the model takes {wanted}."
            )
        if not 1 <= rows <= most_rows:
            raise RequestError(f"{self.name} has {rows} rows; from 1 to {most_rows} are allowed.")
        return math.prod(given)


@dataclass(frozen=True)
class ModelCard:
    """What a model takes and gives, as ModelMetadata tells it.

    Attributes:
        inputs: all that can be given.
        outputs: all that can be asked for.
        labels: names of the classes, in the order of the last dimension of `scores`.
        scores: the output whose best classes are named; empty for none.
        photos: the input in whose place `image` may be given; empty for none.
        sizes: what is allowed of the dimensions of inputs; one that is not here has any size.
        platform: what runs it.
    """

    inputs: tuple[TensorMeta, ...]
    outputs: tuple[TensorMeta, ...]
    labels: tuple[str, ...] = ()
    scores: str = ""
    photos: str = ""
    sizes: Mapping[str, DimensionSpec] = field(default_factory=dict)
    platform: str = "striate_torch"

    @cached_property
    def _dynamic(self) -> dict[str, tuple[str, ...]]:
        return {meta.name: meta.dimensions for meta in self.inputs if any(meta.dimensions)}

    def sizes_of(self, inputs: "Mapping[str, Shaped | list[bytes]]") -> dict[str, int]:
        """The size of every dimension of a request's inputs that has a name.

        Raises:
            RequestError: inputs differ in a size, or it is none that the model allows.
        """
        sizes: dict[str, int] = {}
        for name, dimensions in self._dynamic.items():
            array = inputs.get(name)
            if array is None or isinstance(array, list):
                continue
            for dimension, size in zip(dimensions, array.shape, strict=True):
                if dimension and sizes.setdefault(dimension, size) != size:
                    raise RequestError(
                        f"{dimension} is {sizes[dimension]} in one input and {size} in {name}."
                    )
        for dimension, size in sizes.items():
            _check_size(dimension, size, self.sizes.get(dimension))
        return sizes


@dataclass(frozen=True)
class TensorRequest:
    """One inference request, checked against the model's card.

    Attributes:
        inputs: arrays by name; all have the same number of rows.
        rows: samples.
        wanted: names of the outputs to give; empty for all.
    """

    inputs: Mapping[str, Array]
    rows: int
    wanted: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes that its inputs hold."""
        return sum(
            sum(map(len, array)) if isinstance(array, list) else array.nbytes
            for array in self.inputs.values()
        )


TensorAnswer = dict[str, Array]
"""Arrays by the output's name."""


def card_of(spec: BundleSpec, platform: str = "striate_torch") -> ModelCard:
    """The card of a bundle.

    Raises:
        BundleError: an element type that the protocol does not have.
    """
    inputs = [_meta(name, tensor) for name, tensor in spec.inputs.items()]
    outputs = [_meta(name, tensor) for name, tensor in spec.outputs.items()]
    photos = next(iter(spec.data)) if takes_photos(spec) and IMAGE not in spec.inputs else ""
    if photos:
        inputs.append(TensorMeta(IMAGE, "BYTES", (-1,), optional=True))
    scores = _scores(spec)
    if scores:
        outputs.append(TensorMeta(LABELS, "BYTES", (-1,)))
    labels = spec.labels if scores else ()
    return ModelCard(
        tuple(inputs), tuple(outputs), labels, scores, photos, spec.dimensions, platform
    )


def is_scores(meta: TensorMeta) -> bool:
    """Whether a tensor is a row of numbers for each sample, by which `classification` sorts."""
    numpy = DATATYPES[meta.datatype].numpy
    ordered = numpy is not None and numpy.kind in "fi"  # BF16 stands as bits, which do not sort
    return ordered and len(meta.shape) == 2 and meta.shape[1] > 0


def classification(scores: NDArray[Any], count: int, labels: Sequence[str]) -> list[bytes]:
    """Triton's classification extension: each row's best classes as ``score:index:label``.

    Args:
        scores: (rows, classes).
        count: how many a row; at most the number of classes.
        labels: names of the classes; may be empty.

    Returns:
        rows × count elements, row after row.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return [
        f"{row[index]:f}:{index}{':' + labels[index] if labels else ''}".encode()
        for row, places in zip(scores, best, strict=True)
        for index in places.tolist()
    ]


def best_labels(scores: NDArray[Any], labels: Sequence[str]) -> list[bytes]:
    """The label of each row's highest score."""
    return [labels[index].encode() for index in scores.argmax(axis=1).tolist()]


def names(metas: Iterable[TensorMeta]) -> str:
    """Their names, for a sentence."""
    return ", ".join(meta.name for meta in metas)


def _meta(name: str, spec: TensorSpec) -> TensorMeta:
    if spec.dtype not in OF_TORCH:
        raise BundleError(f"The bundle's {name} is of {spec.dtype}, which no client can send.")
    sizes = (-1 if isinstance(size, str) else size for size in spec.shape)
    names = ("", *(size if isinstance(size, str) else "" for size in spec.shape))
    dimensions = names if spec.dimensions else ()
    return TensorMeta(name, OF_TORCH[spec.dtype], (-1, *sizes), dimensions, spec.mask)


def _scores(spec: BundleSpec) -> str:
    """The one output that has a number for each label, where `labels` is free as a name."""
    if not spec.labels or LABELS in spec.outputs:
        return ""
    found = [n for n, tensor in spec.outputs.items() if tensor.shape == (len(spec.labels),)]
    return found[0] if len(found) == 1 else ""


def _check_size(dimension: str, size: int, allowed: DimensionSpec | None) -> None:
    if allowed is None or allowed.allows(size):
        return
    most = "" if allowed.most is None else f" to {allowed.most}"
    step = "" if allowed.multiple_of == 1 else f", a multiple of {allowed.multiple_of}"
    raise RequestError(
        f"{dimension} is {size}; the model takes it from {allowed.least}{most}{step}."
    )


def _short(shape: Sequence[int]) -> str:
    shown = ", ".join(map(str, shape[:8]))
    return f"[{shown}, … {len(shape)} sizes]" if len(shape) > 8 else f"[{shown}]"


def takes_photos(spec: BundleSpec) -> bool:
    """Whether the bundle's preprocessing leads from a decoded photo to its one input."""
    if len(spec.data) > 1 or next(iter(spec.data.values())).layout != "CHW":
        return False
    return bool(spec.preprocessing) or spec.pipeline is None
