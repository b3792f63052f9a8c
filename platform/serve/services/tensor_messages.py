"""From the messages of the Open Inference Protocol to arrays, and back; everything is checked.

Nothing is allocated by a number that a caller gives: sizes are compared with the bytes that came.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from striate.core.errors import PayloadTooLarge, RequestError
from striate.serve.common.limits import Limits
from striate.serve.common.tensors import DATATYPES, IMAGE, Array, ModelCard, TensorMeta, names
from striate.serve.protos.inference import inference_pb2 as pb

_FIELDS = tuple(field.name for field in pb.InferTensorContents.DESCRIPTOR.fields)
_LENGTH_BYTES = 4
_SHARED_MEMORY = "shared_memory_region"


def read_inputs(
    request: pb.ModelInferRequest, card: ModelCard, limits: Limits
) -> tuple[dict[str, Array], int]:
    """The arrays of a request by name, and their number of rows.

    Raises:
        RequestError: a name, type, shape or length is not the model's.
        PayloadTooLarge: more rows, images or bytes of an image than allowed.
    """
    check_count("inputs", len(request.inputs), limits)
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            f"There are {len(raw)} raw contents for {len(request.inputs)} inputs.",
            "Give raw contents for all of the inputs or for none.",
        )
    known = {meta.name: meta for meta in card.inputs}
    arrays: dict[str, Array] = {}
    rows: dict[str, int] = {}
    for index, tensor in enumerate(request.inputs):
        meta = _known(tensor, known, arrays)
        most_rows = limits.images if meta.datatype == "BYTES" else limits.rows
        count = meta.check_shape(tensor.shape, most_rows)
        if not raw:
            array = _from_contents(tensor.contents, meta, count)
        elif tensor.HasField("contents"):
            raise RequestError(f"{meta.name} has both contents and raw contents.", "Give one.")
        else:
            array = from_raw(raw[index], meta, count)
        if not isinstance(array, list):
            array = array.reshape(tuple(tensor.shape))
        else:
            _check_images(array, limits)
        arrays[meta.name] = array
        rows[meta.name] = tensor.shape[0] if tensor.shape else 1
    _check_complete(arrays, rows, card)
    return arrays, next(iter(rows.values()))


def from_raw(raw: bytes, meta: TensorMeta, count: int) -> Array:
    """`count` elements of raw contents; numbers are not copied.

    Raises:
        RequestError: there are more or fewer bytes.
    """
    dtype = DATATYPES[meta.datatype].numpy
    if dtype is None:
        return _split_bytes(raw, meta.name, count)
    if len(raw) != count * dtype.itemsize:
        raise RequestError(
            f"{meta.name} has {len(raw):,} bytes; its shape and type make"
            f" {_number(count * dtype.itemsize)}."
        )
    array = np.frombuffer(raw, dtype)
    if dtype.kind == "b" and array.size and int(array.view(np.uint8).max()) > 1:
        raise RequestError(f"{meta.name} holds a BOOL that is neither 0 nor 1.")
    return array


def to_raw(array: Array) -> bytes:
    """The raw contents of an array."""
    if isinstance(array, list):
        return b"".join(len(part).to_bytes(_LENGTH_BYTES, "little") + part for part in array)
    return array.tobytes()


def to_contents(array: Array, datatype: str) -> pb.InferTensorContents | None:
    """The typed contents of an array; None for a type that only raw contents can hold."""
    field = DATATYPES[datatype].contents
    if field is None:
        return None
    contents = pb.InferTensorContents()
    values: Any = array if isinstance(array, list) else array.ravel().tolist()
    getattr(contents, field).extend(values)
    return contents


def check_count(what: str, count: int, limits: Limits) -> None:
    """Accept a number of things named in a request.

    Raises:
        PayloadTooLarge: there are too many.
    """
    if count > limits.parameters:
        raise PayloadTooLarge(
            f"The request names {count:,} {what}; {limits.parameters} are allowed."
        )


def no_shared_memory(parameters: Mapping[str, Any]) -> None:
    """Refuse tensors that lie in a memory which caller and server would have to share.

    Raises:
        RequestError: the parameters name one.
    """
    if _SHARED_MEMORY in parameters:
        raise RequestError(
            "This server shares no memory with its callers.", "Send the contents in the request."
        )


def _known(
    tensor: "pb.ModelInferRequest.InferInputTensor",
    known: Mapping[str, TensorMeta],
    given: Mapping[str, Array],
) -> TensorMeta:
    meta = known.get(tensor.name)
    if meta is None:
        raise RequestError(
            f"The model has no input named {tensor.name[:64]!r}.", f"Its inputs: {_list(known)}."
        )
    if tensor.name in given:
        raise RequestError(f"The input {tensor.name} is given twice.")
    if tensor.datatype != meta.datatype:
        raise RequestError(
            f"{meta.name} is sent as {tensor.datatype[:16]!r}; the model takes {meta.datatype}."
        )
    no_shared_memory(tensor.parameters)
    return meta


def _check_complete(arrays: Mapping[str, Array], rows: Mapping[str, int], card: ModelCard) -> None:
    missing = [meta for meta in card.inputs if not meta.optional and meta.name not in arrays]
    if card.photos:
        either = (card.photos, IMAGE)
        count = sum(name in arrays for name in either)
        if count != 1:
            raise RequestError(f"{count} inputs are given.", f"Give one of {', '.join(either)}.")
        missing = [meta for meta in missing if meta.name != card.photos]
    if missing:
        raise RequestError(f"The input {names(missing)} is not given.")
    if len(set(rows.values())) > 1:
        raise RequestError(f"The inputs have different numbers of rows: {_list(rows)}.")


def _from_contents(contents: pb.InferTensorContents, meta: TensorMeta, count: int) -> Array:
    wanted = DATATYPES[meta.datatype]
    if wanted.contents is None:
        raise RequestError(f"{meta.name} is {meta.datatype}.", "Send it as raw contents.")
    wrong = [
        field for field in _FIELDS if field != wanted.contents and len(getattr(contents, field))
    ]
    if wrong:
        raise RequestError(f"{meta.name} has {wrong[0]}; {meta.datatype} is {wanted.contents}.")
    values: Sequence[Any] = getattr(contents, wanted.contents)
    if len(values) != count:
        raise RequestError(
            f"{meta.name} has {len(values):,} elements; its shape makes {_number(count)}."
        )
    if wanted.numpy is None:
        return list(values)
    wide = np.array(values, dtype=_WIDE.get(wanted.numpy.kind, wanted.numpy))
    array = wide.astype(wanted.numpy, copy=False)
    if wanted.numpy.kind in "iu" and not np.array_equal(wide, array):
        raise RequestError(f"{meta.name} holds a number that is no {meta.datatype}.")
    return array


_WIDE = {"i": np.dtype("<i8"), "u": np.dtype("<u8")}


def _split_bytes(raw: bytes, name: str, count: int) -> list[bytes]:
    """Elements, each after its length in four bytes."""
    parts: list[bytes] = []
    place, end = 0, len(raw)
    while place < end and len(parts) < count:
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(raw[place:start], "little")
        if start > end or place > end:
            raise RequestError(f"{name} ends within an element.")
        parts.append(raw[start:place])
    if place != end or len(parts) != count:
        raise RequestError(
            f"{name} does not hold the elements that its shape makes: {_number(count)}."
        )
    return parts


def _check_images(images: Sequence[bytes], limits: Limits) -> None:
    for image in images:
        if len(image) > limits.image_bytes:
            raise PayloadTooLarge(
                f"An image has {len(image):,} bytes; {limits.image_bytes:,} are allowed."
            )


def _number(count: int) -> str:
    return f"{count:,}" if count < 10**15 else "far more"


def _list(values: Mapping[str, Any]) -> str:
    return ", ".join(list(values)[:8])
