"""Any bundle over tensors: its input as the network takes it, or encoded photos; its output."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.bundle import BundleSpec
from striate.core.errors import BundleError, PayloadTooLarge, RequestError
from striate.data.transforms.image.decode import decode_image
from striate.serve.common.tensors import (
    IMAGE,
    INPUT,
    LABELS,
    OUTPUT,
    Array,
    TensorAnswer,
    TensorRequest,
    best_labels,
    card_of,
)
from striate.serve.predictors.image_reader import DEFAULT_PIXELS, ImageReader
from striate.serve.predictors.network import Network

PHOTOS_PIXELS = 4
"""The images of one request may have this many times the pixels of the largest single one."""

_BITS = {"bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class _Rows:
    """Rows of one request, as the network takes them or as photos are stored (uint8, NCHW)."""

    rows: Tensor
    stored: bool


class TensorPredictor:
    """Answers requests of any number of rows; the network sees at most `rows` at a time.

    Args:
        spec: what the bundle says of its input and output.
        network: from its input to its output.
        pixels: largest decoded image.
        rows: most samples that the network computes at once, which bounds its memory.

    Raises:
        BundleError: an element type that the protocol does not have.
    """

    def __init__(
        self, spec: BundleSpec, network: Network, pixels: int = DEFAULT_PIXELS, rows: int = 32
    ) -> None:
        self.spec = spec
        self.card = card_of(spec)
        self._reader = ImageReader(spec, pixels)
        self._network = network
        self._rows = rows

    def answers(self, requests: Sequence[TensorRequest]) -> list[TensorAnswer | Exception]:
        """In the order of `requests`, the outputs of each, or why it has none."""
        answers: list[TensorAnswer | Exception] = [RequestError("")] * len(requests)
        taken: list[int] = []
        parts: list[_Rows] = []
        for index, request in enumerate(requests):
            try:
                parts.append(self.decode(request))
                taken.append(index)
            except Exception as error:  # told apart by the status table
                answers[index] = error
        if taken:
            outputs = self.predict(self._joined(parts))
            sizes = [len(part.rows) for part in parts]
            for index, output in zip(taken, torch.split(outputs, sizes), strict=True):
                answers[index] = self.encode(output, requests[index])
        return answers

    def decode(self, request: TensorRequest) -> _Rows:
        """The rows of one request: the network's input, or photos in their stored form.

        Raises:
            RequestError: an image is no readable PNG or JPEG, or of a wrong size.
            PayloadTooLarge: an image has too many pixels.
        """
        images = request.inputs.get(IMAGE)
        if isinstance(images, list):
            return self._of_images(images)
        return _Rows(tensor_of(request.inputs[INPUT], self.spec.input.dtype), stored=False)

    def _of_images(self, images: Sequence[bytes]) -> _Rows:
        """Photos are decoded one after another, and only their stored form is kept."""
        total, most = 0, PHOTOS_PIXELS * self._reader.pixels
        rows: list[Tensor] = []
        for image in images:
            pixels = decode_image(image, max_pixels=self._reader.pixels)
            total += pixels.shape[0] * pixels.shape[1]
            if total > most:
                raise PayloadTooLarge(
                    f"The images of one request have over {most / 1e6:g} megapixels together.",
                    "Send them in several requests.",
                )
            rows.append(self._reader.stored(pixels))
        if len({row.shape for row in rows}) > 1:  # each becomes the network's input in its own way
            return _Rows(torch.cat([self._reader.inputs(row[None]) for row in rows]), stored=False)
        return _Rows(torch.stack(rows), stored=True)

    def _joined(self, parts: Sequence[_Rows]) -> Tensor:
        """The network's input of all rows; photos of all requests are prepared together."""
        if all(part.stored for part in parts) and len({p.rows.shape[1:] for p in parts}) == 1:
            return self._reader.inputs(_cat([part.rows for part in parts]))
        return _cat(
            [self._reader.inputs(part.rows) if part.stored else part.rows for part in parts]
        )

    def predict(self, batch: Tensor) -> Tensor:
        """Rows of output for rows of input.

        Raises:
            BundleError: the network gives another number of rows, or of another shape.
        """
        output = _cat([self._network(part) for part in torch.split(batch, self._rows)])
        if tuple(output.shape) != (len(batch), *self.spec.output.shape):
            raise BundleError(
                f"The network gives {tuple(output.shape)} where its bundle says"
                f" {(len(batch), *self.spec.output.shape)}.",
                "Train the model again with this version of Striate.",
            )
        return output

    def encode(self, output: Tensor, request: TensorRequest) -> TensorAnswer:
        """The outputs that were asked for, all where none was named."""
        array = array_of(output, self.spec.output.dtype)
        answer: TensorAnswer = {OUTPUT: array}
        if self.card.labels and (not request.wanted or LABELS in request.wanted):
            answer[LABELS] = best_labels(output.float().numpy(), self.spec.labels)
        return answer

    def probe(self) -> TensorRequest:
        """A request of one row of zeros."""
        dtype = getattr(torch, self.spec.input.dtype)
        shape = self.spec.input.sizes(self.spec.example_sizes())
        zeros = torch.zeros((1, *shape), dtype=dtype)
        return TensorRequest({INPUT: array_of(zeros, self.spec.input.dtype)}, 1)


def _cat(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def sound(answer: TensorAnswer) -> bool:
    """Whether every number of an answer is finite."""
    output = answer[OUTPUT]
    return isinstance(output, list) or bool(np.isfinite(output).all())


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
