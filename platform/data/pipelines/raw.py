"""Images stored as raw pixels: the pipeline of small corpora, and the fast path of the stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.core.errors import UnknownName
from striate.data.pipelines.base import Places, Stored, class_labels
from striate.data.transforms.image.augment import AUGMENTATIONS
from striate.data.transforms.image.preprocess import Preprocessing, apply, steps_of


@dataclass(frozen=True)
class RawImages:
    """Raw pixels, augmented as whole batches and preprocessed.

    Attributes:
        shape: (channels, height, width) of every stored image.
        augment: name in `AUGMENTATIONS`, or None.
        preprocessing: the model's steps; see `striate.data.transforms.image.preprocess`.
    """

    shape: tuple[int, int, int]
    augment: str | None = None
    preprocessing: Preprocessing = ()
    units_per_row: int | None = 1

    def __post_init__(self) -> None:
        if self.augment is not None and self.augment not in AUGMENTATIONS:
            raise UnknownName.of("augmentation", self.augment, AUGMENTATIONS)
        steps_of(self.preprocessing)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """``images`` (n, c, h, w) float32 and ``labels`` (n,) int64."""
        pixels = np.frombuffer(b"".join(sample.payload for sample in stored), np.uint8).copy()
        labels = class_labels(stored).numpy()
        return self.of_arrays(pixels.reshape(len(stored), *self.shape), labels, places)

    def of_arrays(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], places: Places
    ) -> dict[str, Tensor]:
        """The same of (n, c, h, w) pixels that lie in one array already."""
        images = torch.from_numpy(pixels)
        if self.augment is not None:
            images = AUGMENTATIONS[self.augment](images, places)
        images = apply(self.preprocessing, images)
        return {"images": images, "labels": torch.from_numpy(labels)}


def raw_images(arguments: Mapping[str, Any], training: bool) -> RawImages:
    """The pipeline ``digits``: `shape`, `augment` (in training only) and `preprocessing`."""
    channels, height, width = arguments.get("shape", (1, 28, 28))
    return RawImages(
        shape=(channels, height, width),
        augment=arguments.get("augment") if training else None,
        preprocessing=tuple(arguments.get("preprocessing", ())),
    )
