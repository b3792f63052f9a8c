"""Whole images at several scales, for networks that are run at every place of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from striate.core.validation import check_arguments
from striate.data.pipelines.base import Places, Stored
from striate.data.pipelines.images import TestArguments, TestImages

SCALES = (256, 384, 512)
SCALE_PREFIX = "images_at_"


@dataclass(frozen=True)
class ScaledImages:
    """The largest square in the middle of each image, at each scale.

    Gives ``images`` (n, 3, S, S) at the first scale S, and ``images_at_S`` at each further one.

    Attributes:
        field: the crop that the network takes when it is not run at every place.
        scales: one pipeline a scale.
    """

    field: TestImages
    scales: tuple[TestImages, ...]
    units_per_row: int | None = 1

    @property
    def preprocessing(self) -> tuple[dict[str, Any], ...]:
        """The steps that make the crop in the centre, at the first scale, of a decoded image."""
        return self.field.preprocessing

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        first, *others = (scale(stored, places) for scale in self.scales)
        further = zip(self.scales[1:], others, strict=True)
        more = {f"{SCALE_PREFIX}{one.arguments.size}": made["images"] for one, made in further}
        return {**first, **more}


def dense(arguments: Mapping[str, Any], training: bool) -> ScaledImages:
    """The pipeline ``dense``; see `TestArguments`, `shorter` being the scales.

    Raises:
        RecipeError: an argument is unknown or wrong.
    """
    del training
    given = {"shorter": SCALES, **arguments}
    known = check_arguments(TestArguments, given, "pipeline dense")
    scales = (known.model_copy(update={"size": side, "shorter": (side,)}) for side in known.shorter)
    return ScaledImages(TestImages(known), tuple(TestImages(scale) for scale in scales))
