"""Tagging: from an encoded photo to the labels that it shows, each with a score."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from striate.core.bundle import Bundle, BundleSpec
from striate.core.errors import BundleError, RequestError
from striate.data.transforms.preprocess import apply, decode_image, fit
from striate.models import build_from
from striate.serve.tags import Tag, TagRequest

DEFAULT_PIXELS = 64_000_000


class TaggingPredictor:
    """Softmax scores of a classification bundle.

    Args:
        spec: what the bundle says of its input, output and labels.
        logits: the network: float32 (N, C, H, W) after preprocessing to (N, classes).
        pixels: largest decoded image.
    """

    def __init__(
        self, spec: BundleSpec, logits: Callable[[Tensor], Tensor], pixels: int = DEFAULT_PIXELS
    ) -> None:
        self.spec = spec
        self.pixels = pixels
        self._logits = logits
        self._fitting: set[torch.Size] = set()
        _check(spec)

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Build the bundle's network on a torch device.

        Raises:
            BundleError: the bundle is not for classification, or its weights do not fit.
        """
        model = build_from(bundle).to(device).eval()

        def logits(images: Tensor) -> Tensor:
            with torch.inference_mode():
                output: Tensor = model(images.to(device))
            return output.cpu()

        return cls(bundle.spec, logits)

    def decode(self, request: TagRequest) -> Tensor:
        """The stored form of a photo: uint8, CHW.

        Raises:
            RequestError: no readable PNG or JPEG, or of a size that the model cannot take.
            PayloadTooLarge: more pixels than allowed.
        """
        image = decode_image(request.image, max_pixels=self.pixels)
        sample = torch.tensor(fit(image, self.spec.preprocessing))  # a copy: Pillow's is read-only
        self._check_size(sample)
        return sample

    def predict(self, batch: Tensor) -> Tensor:
        """Scores (N, classes) of stored images (uint8, NCHW)."""
        return torch.softmax(self._logits(apply(self.spec.preprocessing, batch)).float(), dim=1)

    def encode(self, output: Tensor, request: TagRequest) -> list[Tag]:
        """The best labels of one row of scores, the best first."""
        scores, indices = output.topk(min(request.top_k, len(self.spec.labels)))
        return [
            Tag(self.spec.labels[index], index, score)
            for score, index in zip(scores.tolist(), indices.tolist(), strict=True)
            if score >= request.min_score
        ]

    def _check_size(self, sample: Tensor) -> None:
        """A bundle without a resizing step takes images of one size only."""
        if sample.shape in self._fitting:
            return
        wanted = self.spec.input.shape
        got = tuple(apply(self.spec.preprocessing, sample[None]).shape[1:])
        if got != wanted:
            raise RequestError(f"The image is {got} once prepared; the model takes {wanted}.")
        self._fitting.add(sample.shape)


def _check(spec: BundleSpec) -> None:
    if spec.task != "classification":
        raise BundleError(f"The bundle is for {spec.task}, not for tagging photos.")
    if not spec.labels or spec.output.shape != (len(spec.labels),):
        raise BundleError(
            f"The bundle names {len(spec.labels)} labels for an output of {spec.output.shape}."
        )
