"""From an encoded photo to what a bundle's preprocessing stores of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.bundle import BundleSpec
from striate.core.errors import PayloadTooLarge, RequestError
from striate.data.transforms.image.preprocess import apply, decode_image, fit

DEFAULT_PIXELS = 64_000_000

PHOTOS_PIXELS = 4
"""The images of one request may have this many times the pixels of the largest single one."""


class ImageReader:
    """Reads photos for one bundle.

    Args:
        spec: what the bundle says of its input.
        pixels: largest decoded image.
    """

    def __init__(self, spec: BundleSpec, pixels: int = DEFAULT_PIXELS) -> None:
        self.spec = spec
        self.pixels = pixels
        self._input = next(iter(spec.data.values()))
        self._fitting: set[torch.Size] = set()

    def stored(self, image: bytes | Pixels | Tensor) -> Tensor:
        """The stored form of a photo: uint8, CHW.

        Args:
            image: encoded bytes, (height, width, channels) pixels decoded before, or the
                stored form itself.

        Raises:
            RequestError: no readable image, or of a size that the model cannot take.
            PayloadTooLarge: more pixels than allowed.
        """
        if isinstance(image, Tensor):
            return image
        if isinstance(image, bytes):
            image = decode_image(image, max_pixels=self.pixels)
        sample = torch.from_numpy(fit(image, self.spec.preprocessing))
        self._check_size(sample)
        return sample

    def read(self, images: Sequence[bytes]) -> tuple[Tensor, bool]:
        """The photos of one request; one after another is decoded, and its stored form kept.

        Returns:
            Their stored form (uint8, NCHW) and False, or, where they are stored in several sizes,
            the network's input (N, C, H, W) and True.

        Raises:
            RequestError: as `stored`, or they become inputs of several sizes.
            PayloadTooLarge: one of them or all together have too many pixels.
        """
        total, most = 0, PHOTOS_PIXELS * self.pixels
        rows: list[Tensor] = []
        for image in images:
            pixels = decode_image(image, max_pixels=self.pixels)
            total += pixels.shape[0] * pixels.shape[1]
            if total > most:
                raise PayloadTooLarge(
                    f"The images of one request have over {most / 1e6:g} megapixels together.",
                    "Send them in several requests.",
                )
            rows.append(self.stored(pixels))
        if len({row.shape for row in rows}) == 1:
            return torch.stack(rows), False
        prepared = [self.inputs(row[None]) for row in rows]
        if len({row.shape for row in prepared}) > 1:
            raise RequestError("The images differ in size.", "Send each in a request of its own.")
        return torch.cat(prepared), True

    def inputs(self, stored: Tensor) -> Tensor:
        """The network's input (N, C, H, W) float32 of stored photos (uint8, NCHW)."""
        return apply(self.spec.preprocessing, stored)

    def _check_size(self, sample: Tensor) -> None:
        """A bundle without a resizing step takes images of one size only."""
        if sample.shape in self._fitting:
            return
        wanted = self._input.shape
        got = tuple(apply(self.spec.preprocessing, sample[None]).shape[1:])
        if not self._input.fits(got):
            raise RequestError(f"The image is {got} once prepared; the model takes {wanted}.")
        if not self._input.dimensions:  # else there is no end of them
            self._fitting.add(sample.shape)
