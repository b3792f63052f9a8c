"""Any bundle over tensors: its inputs as the network takes them, or encoded photos; its outputs."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.bundle import BundleSpec
from striate.core.errors import BundleError, RequestError
from striate.serve.common.isolate import isolate
from striate.serve.common.tensors import (
    IMAGE,
    LABELS,
    Array,
    TensorAnswer,
    TensorRequest,
    best_labels,
    card_of,
)
from striate.serve.predictors.finite import (
    is_finite,
    require_finite_inputs,
    require_finite_outputs,
)
from striate.serve.predictors.image_reader import DEFAULT_PIXELS, ImageReader
from striate.serve.predictors.network import NamedNetwork
from striate.serve.predictors.padding import cat, cut, join, round_up

_BITS = {"bfloat16": torch.bfloat16}


class _Rows(NamedTuple):
    """Rows of one request.

    Attributes:
        rows: how many.
        inputs: as the network takes them, by name.
        sizes: of the named dimensions of `inputs`.
        stored: photos as they are stored (uint8, NCHW), in the place of their input.
    """

    rows: int
    inputs: Mapping[str, Tensor]
    sizes: Mapping[str, int]
    stored: Tensor | None = None


class TensorPredictor:
    """Answers requests of any number of rows; the network sees at most `rows` at a time.

    Samples that differ in size are computed together where the bundle has a mask: in buckets of
    about a size, padded with zeros, and what is padding is cut from the outputs. Without a mask
    those of each size are computed for themselves.

    Args:
        spec: what the bundle says of its inputs and outputs.
        network: from its inputs to its outputs.
        pixels: largest decoded image.
        rows: most samples that the network computes at once, which bounds its memory.

    Raises:
        BundleError: an element type that the protocol does not have.
    """

    def __init__(
        self, spec: BundleSpec, network: NamedNetwork, pixels: int = DEFAULT_PIXELS, rows: int = 32
    ) -> None:
        self.spec = spec
        self.card = card_of(spec)
        self._reader = ImageReader(spec, pixels) if self.card.photos else None
        self._network = network
        self._rows = rows
        self._dynamic = bool(spec.example_sizes())
        self._padded = {name for mask in spec.masks.values() for name in mask.dimensions}

    def bucket(self, request: TensorRequest) -> Hashable:
        """Requests of one bucket can be computed together; the sizes of photos are not known yet.

        Raises:
            RequestError: as `ModelCard.sizes_of`.
        """
        return self._bucket(self.card.sizes_of(request.inputs)) if self._dynamic else None

    def _bucket(self, sizes: Mapping[str, int]) -> Hashable:
        return tuple(
            round_up(sizes[name]) if name in self._padded else sizes[name] for name in sorted(sizes)
        )

    def answers(self, requests: Sequence[TensorRequest]) -> list[TensorAnswer | Exception]:
        """In the order of `requests`, the outputs of each, or why it has none."""
        answers: list[TensorAnswer | Exception] = [RequestError("")] * len(requests)
        parts: dict[int, _Rows] = {}
        for index, request in enumerate(requests):
            try:
                parts[index] = self.decode(request)
            except Exception as error:  # told apart by the status table
                answers[index] = error
        for places in self._together(parts):
            found = isolate(self._computed, [parts[index] for index in places])
            for index, outputs in zip(places, found, strict=True):
                answers[index] = self._answer(outputs, requests[index])
        return answers

    def _answer(
        self, outputs: dict[str, Tensor] | Exception, request: TensorRequest
    ) -> TensorAnswer | Exception:
        if isinstance(outputs, Exception):
            return outputs
        try:
            self._check_finite(outputs, request)
            return self.encode(outputs, request)
        except Exception as error:
            return error

    def _together(self, parts: Mapping[int, _Rows]) -> Iterable[list[int]]:
        """Which requests are computed together: all, or those of each bucket."""
        if not self._dynamic:
            return [list(parts)] if parts else []
        groups: dict[Hashable, list[int]] = {}
        for index, part in parts.items():
            groups.setdefault(self._bucket(part.sizes), []).append(index)
        return groups.values()

    def decode(self, request: TensorRequest) -> _Rows:
        """The rows of one request: the network's inputs, or a photo in its stored form.

        Raises:
            RequestError: an image is no readable image, or of a wrong size, or a number is
                not finite.
            PayloadTooLarge: an image has too many pixels.
        """
        inputs: dict[str, Tensor] = {}
        stored = None
        for name, array in request.inputs.items():
            if not isinstance(array, list):
                inputs[name] = tensor_of(array, self.spec.inputs[name].dtype)
                continue
            assert self._reader is not None and name == IMAGE
            rows, prepared = self._reader.read(array)
            if prepared or self._dynamic:
                inputs[self.card.photos] = rows if prepared else self._reader.inputs(rows)
            else:
                stored = rows
        require_finite_inputs(inputs)
        sizes = self.card.sizes_of(inputs) if self._dynamic else {}
        return _Rows(request.rows, inputs, sizes, stored)

    def _computed(self, parts: Sequence[_Rows]) -> list[dict[str, Tensor]]:
        """The outputs of each request of a batch, without padding."""
        sizes = {name: max(part.sizes[name] for part in parts) for name in parts[0].sizes}
        inputs = {name: self._joined(name, parts, sizes) for name in self.spec.inputs}
        outputs = self.predict(inputs, sizes)
        counts = [part.rows for part in parts]
        split = [torch.split(output, counts) for output in outputs.values()]
        found = [dict(zip(outputs, rows, strict=True)) for rows in zip(*split, strict=True)]
        if self._padded:
            for part, rows in zip(parts, found, strict=True):
                for name, spec in self.spec.outputs.items():
                    rows[name] = cut(rows[name], spec.sizes(part.sizes))
        return found

    def _joined(self, name: str, parts: Sequence[_Rows], sizes: Mapping[str, int]) -> Tensor:
        """One input of all rows."""
        if name == self.card.photos and any(part.stored is not None for part in parts):
            return self._of_photos(name, parts)
        spec = self.spec.inputs[name]
        if spec.mask:
            dtype = getattr(torch, spec.dtype)
            rows = [
                part.inputs[name]
                if name in part.inputs
                else torch.ones((part.rows, *spec.sizes(part.sizes)), dtype=dtype)
                for part in parts
            ]
        else:
            rows = [part.inputs[name] for part in parts]
        return join(rows, spec.sizes(sizes)) if self._padded else cat(rows)

    def _of_photos(self, name: str, parts: Sequence[_Rows]) -> Tensor:
        """The input of photos, prepared together where all are stored in one size."""
        assert self._reader is not None
        stored = [part.stored for part in parts if part.stored is not None]
        if len(stored) == len(parts) and len({rows.shape[1:] for rows in stored}) == 1:
            return self._reader.inputs(cat(stored))
        return cat(
            [
                part.inputs[name] if part.stored is None else self._reader.inputs(part.stored)
                for part in parts
            ]
        )

    def predict(self, inputs: Mapping[str, Tensor], sizes: Mapping[str, int]) -> dict[str, Tensor]:
        """Rows of outputs for rows of inputs whose named dimensions have these sizes.

        Raises:
            BundleError: the network gives another number of rows, or of another shape.
            RequestError: it cannot compute these sizes, but others.
        """
        rows = len(next(iter(inputs.values())))
        try:
            outputs = self._network(inputs) if rows <= self._rows else self._in_parts(inputs, rows)
        except RuntimeError as error:
            if not self._is_of_size(sizes, error):
                raise
            said = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise RequestError(f"The model cannot compute these sizes: {said}.") from error
        self._check(outputs, rows, sizes)
        return outputs

    def _in_parts(self, inputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
        chunks = [
            self._network({name: t[first : first + self._rows] for name, t in inputs.items()})
            for first in range(0, rows, self._rows)
        ]
        return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}

    def _is_of_size(self, sizes: Mapping[str, int], error: RuntimeError) -> bool:
        """Whether a failure is one of these sizes: the network still computes its example."""
        if not sizes or sizes == self.spec.example_sizes():
            return False
        if isinstance(error, torch.OutOfMemoryError):
            return True
        try:
            self._network(self._example())
        except RuntimeError:
            return False
        return True

    def _check(self, outputs: Mapping[str, Tensor], rows: int, sizes: Mapping[str, int]) -> None:
        for name, spec in self.spec.outputs.items():
            got = tuple(outputs[name].shape)
            if got == (rows, *spec.shape):
                continue
            wanted = tuple(sizes.get(s, s) if isinstance(s, str) else s for s in spec.shape)
            fits = len(got) == len(wanted) + 1 and all(
                isinstance(w, str) or w == g for w, g in zip(wanted, got[1:], strict=True)
            )
            if not fits or got[0] != rows:
                raise BundleError(
                    f"The network gives {got} as {name}, where its bundle says {(rows, *wanted)}.",
                    "Train the model again with this version of Striate.",
                )

    def _check_finite(self, outputs: Mapping[str, Tensor], request: TensorRequest) -> None:
        """Refuse numbers that are not finite.

        Raises:
            BundleError: the model gives none of its own example either, or of photos.
            RequestError: only tensors that are too large for it, say, lead there.
        """
        try:
            require_finite_outputs(outputs.values())
        except BundleError:
            if any(isinstance(array, list) for array in request.inputs.values()):
                raise
            if not all(map(is_finite, self._network(self._example()).values())):
                raise
            raise RequestError(
                "The model's numbers for these inputs are not finite.",
                "Send numbers of the size that it was trained on.",
            ) from None

    def encode(self, outputs: Mapping[str, Tensor], request: TensorRequest) -> TensorAnswer:
        """The outputs that were asked for, all where none was named."""
        answer: TensorAnswer = {
            name: array_of(output, self.spec.outputs[name].dtype)
            for name, output in outputs.items()
            if not request.wanted or name in request.wanted
        }
        if self.card.scores and (not request.wanted or LABELS in request.wanted):
            scores = outputs[self.card.scores].float().numpy()
            answer[LABELS] = best_labels(scores, self.spec.labels)
        return answer

    def probe(self) -> TensorRequest:
        """A request of one row: zeros, and a mask of ones."""
        example = self._example()
        return TensorRequest(
            {name: array_of(t, self.spec.inputs[name].dtype) for name, t in example.items()}, 1
        )

    def _example(self) -> dict[str, Tensor]:
        sizes = self.spec.example_sizes()
        return {
            name: torch.full((1, *spec.sizes(sizes)), spec.mask, dtype=getattr(torch, spec.dtype))
            for name, spec in self.spec.inputs.items()
        }


def tensor_of(array: Array, dtype: str) -> Tensor:
    """A tensor of an array's elements; a copy, since an array on a message cannot be written."""
    assert not isinstance(array, list)
    copy = torch.from_numpy(np.array(array))
    return copy.view(_BITS[dtype]) if dtype in _BITS else copy


def array_of(tensor: Tensor, dtype: str) -> NDArray[np.generic]:
    """An array of a tensor's elements in the element type that a bundle names."""
    tensor = tensor.to(getattr(torch, dtype)).contiguous()
    array: NDArray[np.generic] = (
        tensor.view(torch.uint16).numpy() if dtype in _BITS else tensor.numpy()
    )
    return array
