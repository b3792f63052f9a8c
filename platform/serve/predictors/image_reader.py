"""From an encoded photo to what a bundle's preprocessing stores of it."""

import torch
from torch import Tensor

from striate.core.bundle import BundleSpec
from striate.core.errors import RequestError
from striate.data.transforms.image.preprocess import apply, decode_image, fit
from striate.data.transforms.image.steps import Pixels

DEFAULT_PIXELS = 64_000_000


class ImageReader:
    """Reads photos for one bundle.

    Args:
        spec: what the bundle says of its input.
        pixels: largest decoded image.
    """

    def __init__(self, spec: BundleSpec, pixels: int = DEFAULT_PIXELS) -> None:
        self.spec = spec
        self.pixels = pixels
        self._fitting: set[torch.Size] = set()

    def stored(self, image: bytes | Pixels | Tensor) -> Tensor:
        """The stored form of a photo: uint8, CHW.

        Args:
            image: PNG or JPEG bytes, (height, width, channels) pixels decoded before, or the
                stored form itself.

        Raises:
            RequestError: no readable PNG or JPEG, or of a size that the model cannot take.
            PayloadTooLarge: more pixels than allowed.
        """
        if isinstance(image, Tensor):
            return image
        if isinstance(image, bytes):
            image = decode_image(image, max_pixels=self.pixels)
        sample = torch.from_numpy(fit(image, self.spec.preprocessing))
        self._check_size(sample)
        return sample

    def inputs(self, stored: Tensor) -> Tensor:
        """The network's input (N, C, H, W) float32 of stored photos (uint8, NCHW)."""
        return apply(self.spec.preprocessing, stored)

    def _check_size(self, sample: Tensor) -> None:
        """A bundle without a resizing step takes images of one size only."""
        if sample.shape in self._fitting:
            return
        wanted = self.spec.input.shape
        got = tuple(apply(self.spec.preprocessing, sample[None]).shape[1:])
        if not self.spec.input.fits(got):
            raise RequestError(f"The image is {got} once prepared; the model takes {wanted}.")
        self._fitting.add(sample.shape)
