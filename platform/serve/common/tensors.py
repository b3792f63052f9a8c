"""Tensors of the Open Inference Protocol: its data types, and what a model takes and gives.

An array of BYTES is a list of `bytes`; BF16 has no type in numpy and stands as its bits in uint16.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.bundle import BundleSpec, TensorSpec
from striate.core.errors import BundleError, RequestError

INPUT, IMAGE, OUTPUT, LABELS = "input", "image", "output", "labels"
"""Names of a bundle's tensors: its input as it is, encoded photos, its output, the best labels."""

Array = NDArray[Any] | list[bytes]


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
    """One tensor at a model's edge: name, data type, and shape with -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

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
        inputs: for a model of photos, `image` and `input` are two ways to say the same: one call
            gives one of them. For another model all are given.
        outputs: all that can be asked for.
        labels: names of the classes, in the order of the last dimension of the output.
        either: whether one of the inputs is enough.
        platform: what runs it.
    """

    inputs: tuple[TensorMeta, ...]
    outputs: tuple[TensorMeta, ...]
    labels: tuple[str, ...] = ()
    either: bool = False
    platform: str = "striate_torch"


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
    inputs = [_meta(INPUT, spec.input)]
    if takes_photos(spec):
        inputs.append(TensorMeta(IMAGE, "BYTES", (-1,)))
    outputs = [_meta(OUTPUT, spec.output)]
    classifies = bool(spec.labels) and spec.output.shape == (len(spec.labels),)
    if classifies:
        outputs.append(TensorMeta(LABELS, "BYTES", (-1,)))
    labels = spec.labels if classifies else ()
    return ModelCard(tuple(inputs), tuple(outputs), labels, len(inputs) > 1, platform)


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
    return TensorMeta(name, OF_TORCH[spec.dtype], (-1, *sizes))


def _short(shape: Sequence[int]) -> str:
    shown = ", ".join(map(str, shape[:8]))
    return f"[{shown}, … {len(shape)} sizes]" if len(shape) > 8 else f"[{shown}]"


def takes_photos(spec: BundleSpec) -> bool:
    """Whether the bundle's preprocessing leads from a decoded photo to its input."""
    return spec.input.layout == "CHW" and (bool(spec.preprocessing) or spec.pipeline is None)
