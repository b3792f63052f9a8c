"""Describing a photo by a vector: the output of any network on photos that does not classify."""

from typing import Self

import torch
from torch import Tensor

from striate.core.bundle import Bundle, BundleSpec
from striate.core.errors import BundleError
from striate.serve.common.tensors import takes_photos
from striate.serve.common.types import TagRequest
from striate.serve.predictors.image_reader import DEFAULT_PIXELS, ImageReader
from striate.serve.predictors.network import PlainNetwork, only_network, torch_network


class VectorPredictor:
    """The network's output as it is, one vector a photo.

    Args:
        spec: what the bundle says of its input and output.
        network: from its input to its output (N, length).
        pixels: largest decoded image.

    Raises:
        BundleError: the bundle does not make a vector of a photo.
    """

    def __init__(
        self, spec: BundleSpec, network: PlainNetwork, pixels: int = DEFAULT_PIXELS
    ) -> None:
        if not takes_photos(spec) or len(spec.output.shape) != 1:
            raise BundleError(f"The bundle is for {spec.task}, not for describing photos.")
        self.spec = spec
        self.reader = ImageReader(spec, pixels)
        self._network = network

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: the bundle does not make a vector of a photo, or its weights do not fit.
        """
        return cls(bundle.spec, only_network(bundle.spec, torch_network(bundle, device)))

    def decode(self, request: TagRequest) -> Tensor:
        """The stored form of a photo: uint8, CHW.

        Raises:
            RequestError, PayloadTooLarge: as `ImageReader.stored`.
        """
        return self.reader.stored(request.image)

    def predict(self, batch: Tensor) -> Tensor:
        """Vectors (N, length) of stored images (uint8, NCHW)."""
        return torch.flatten(self._network(self.reader.inputs(batch)).float(), 1)

    def encode(self, output: Tensor, request: TagRequest) -> list[float]:
        """The vector."""
        vector: list[float] = output.tolist()
        return vector
