"""Tagging: from an encoded photo to the labels that it shows, each with a score."""

from typing import Self

import torch
from torch import Tensor

from striate.core.bundle import Bundle, BundleSpec
from striate.core.errors import BundleError
from striate.serve.common.tensors import takes_photos
from striate.serve.common.types import Tag, TagRequest
from striate.serve.predictors.image_reader import DEFAULT_PIXELS, ImageReader
from striate.serve.predictors.network import PlainNetwork, only_network, torch_network


class TaggingPredictor:
    """Softmax scores of a classification bundle.

    Args:
        spec: what the bundle says of its input, output and labels.
        logits: the network: float32 (N, C, H, W) after preprocessing to (N, classes).
        pixels: largest decoded image.

    Raises:
        BundleError: the bundle is not for tagging photos.
    """

    def __init__(
        self, spec: BundleSpec, logits: PlainNetwork, pixels: int = DEFAULT_PIXELS
    ) -> None:
        _check(spec)
        self.spec = spec
        self.reader = ImageReader(spec, pixels)
        self._logits = logits

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu", pixels: int = DEFAULT_PIXELS) -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: the bundle is not for classification, or its weights do not fit.
        """
        return cls(bundle.spec, only_network(bundle.spec, torch_network(bundle, device)), pixels)

    def decode(self, request: TagRequest) -> Tensor:
        """The stored form of a photo: uint8, CHW.

        Raises:
            RequestError: no readable image, or of a size that the model cannot take.
            PayloadTooLarge: more pixels than allowed.
        """
        return self.reader.stored(request.image)

    def predict(self, batch: Tensor) -> Tensor:
        """Scores (N, classes) of stored images (uint8, NCHW)."""
        return torch.softmax(self._logits(self.reader.inputs(batch)).float(), dim=1)

    def encode(self, output: Tensor, request: TagRequest) -> list[Tag]:
        """The best labels of one row of scores, which are finite; the best first."""
        values, places = output.topk(min(request.top_k, len(self.spec.labels)))
        scores, indices = values.tolist(), places.tolist()
        return [
            Tag(self.spec.labels[index], index, score)
            for score, index in zip(scores, indices, strict=True)
            if score >= request.min_score
        ]


def _check(spec: BundleSpec) -> None:
    if spec.task != "classification" or not takes_photos(spec):
        raise BundleError(f"The bundle is for {spec.task}, not for tagging photos.")
    if not spec.labels or spec.output.shape != (len(spec.labels),):
        raise BundleError(
            f"The bundle names {len(spec.labels)} labels for an output of {spec.output.shape}."
        )
