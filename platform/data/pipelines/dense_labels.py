"""The pipeline ``dense-labels``: images with a class for each pixel, changed both alike.

Training: a crop at a random place and a flip half of the time. Evaluation: the whole image on a
canvas that all images fit, what is beside it being unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import DataError, RequestError
from striate.core.numbers import Deviation, Real, Side
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.images import MEAN, STD
from striate.data.shards.schema import UNKNOWN, dense_classes
from striate.data.transforms.image.crops import draw_box
from striate.data.transforms.image.decode import decode_image
from striate.data.transforms.image.jpeg import damage
from striate.data.transforms.image.preprocess import apply
from striate.data.transforms.random import uniforms

_FLIP, _DRAWS = 2, 3  # which draw is for what; the first two are the crop's place

Classes = NDArray[np.int64]


class DenseArguments(BaseModel):
    """Of the pipeline.

    Attributes:
        height: of the crops in training, and of the canvas in evaluation, in pixels.
        width: the same.
        canvas: (height, width) of evaluation, where it is another.
        mean: taken from red, green and blue, in levels of 255.
        std: what they are then divided by.
        flip: whether half of the crops are mirrored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: Side
    width: Side
    canvas: tuple[Side, Side] | None = None
    mean: tuple[Real, Real, Real] = MEAN
    std: tuple[Deviation, Deviation, Deviation] = STD
    flip: bool = True


@dataclass(frozen=True)
class DenselyLabelled:
    """``images`` (n, 3, height, width) float32, ``labels`` (n, height, width) int64, −1 unknown.

    Attributes:
        arguments: sizes and the like.
        training: whether crops are drawn; else whole images are placed on the canvas.
    """

    arguments: DenseArguments
    training: bool
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> tuple[dict[str, Any], ...]:
        """The steps from a decoded image of any size to the network's input of that size."""
        mean, std = list(self.arguments.mean), list(self.arguments.std)
        return ({"op": "rgb"}, {"op": "normalise", "mean": mean, "std": std})

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what it gives."""
        arguments = self.arguments
        whole = None if self.training else arguments.canvas
        return whole or (arguments.height, arguments.width)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        draws = uniforms(places.seed, places.epochs, places.positions, _DRAWS)
        made = []
        for index, sample in enumerate(stored):
            image, classes = read_labelled(sample)
            if self.training:
                image, classes = self._crop(image, classes, draws[:, index].tolist())
            else:
                image, classes = _fit(image, classes, self.size)
            made.append(self._on_canvas(image, classes))
        images, labels = zip(*made, strict=True)
        return {"images": torch.stack(images), "labels": torch.stack(labels)}

    def _crop(
        self, image: Pixels, classes: Classes, draws: Sequence[float]
    ) -> tuple[Pixels, Classes]:
        """A crop at a random place, a whole side where the image is smaller; maybe mirrored."""
        wanted = (min(self.size[0], image.shape[0]), min(self.size[1], image.shape[1]))
        box = draw_box((image.shape[0], image.shape[1]), wanted, draws[:2])
        image, classes = box.cut(image), box.cut(classes)
        if self.arguments.flip and draws[_FLIP] < 0.5:
            return image[:, ::-1], classes[:, ::-1]
        return image, classes

    def _on_canvas(self, image: Pixels, classes: Classes) -> tuple[Tensor, Tensor]:
        """Normalised, in the upper left corner of a grey field whose classes are unknown."""
        pixels = torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))
        ready = apply(self.preprocessing, pixels[None])[0]
        labels = torch.from_numpy(np.array(classes, order="C"))
        padding = (0, self.size[1] - ready.shape[2], 0, self.size[0] - ready.shape[1])
        return (
            torch.nn.functional.pad(ready, padding),
            torch.nn.functional.pad(labels, padding, value=UNKNOWN),
        )


def read_labelled(stored: Stored) -> tuple[Pixels, Classes]:
    """An image (height, width, 3) uint8, and (height, width) int64 classes, −1 where unknown.

    Raises:
        DamagedSample: the image cannot be used, or has another size than its labels.
        DataError: the shards have no label for each pixel.
    """
    if not isinstance(stored.label, bytes | memoryview):
        raise DataError(
            f"{stored.key or f'Row {stored.row}'} has no class for each pixel.",
            "Ingest a corpus of dense labels, stanford or scenes.",
        )
    try:
        image = decode_image(bytes(stored.payload))
    except RequestError as error:
        raise DamagedSample(stored.key, damage(error)) from None
    classes = dense_classes(stored.label)
    if classes.size != image.shape[0] * image.shape[1]:
        raise DamagedSample(stored.key, "labels and image differ in size")
    coloured = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
    return coloured, classes.reshape(image.shape[:2]).astype(np.int64)


def fit_size(image: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """(height, width) at which an image stands on a canvas: its own, or smaller, its shape kept."""
    scale = min(1.0, canvas[0] / image[0], canvas[1] / image[1])
    return max(1, int(image[0] * scale)), max(1, int(image[1] * scale))


def dense_labels(arguments: Mapping[str, Any], training: bool) -> DenselyLabelled:
    """The pipeline of that name; see `DenseArguments`.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    checked = check_arguments(DenseArguments, arguments, "pipeline dense-labels")
    return DenselyLabelled(checked, training)


def _fit(image: Pixels, classes: Classes, canvas: tuple[int, int]) -> tuple[Pixels, Classes]:
    """The whole image, scaled down where it is larger than the canvas; classes are not mixed."""
    height, width = fit_size((image.shape[0], image.shape[1]), canvas)
    if (height, width) == image.shape[:2]:
        return image, classes
    smaller = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    nearest = Image.fromarray(classes.astype(np.int32)).resize(
        (width, height), Image.Resampling.NEAREST
    )
    return np.asarray(smaller), np.asarray(nearest).astype(np.int64)
