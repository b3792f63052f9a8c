"""The pipeline ``sounds``: each sound as one image of its log-mel energies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.errors import RequestError
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored, class_labels
from striate.data.transforms.audio.features import BANDS, WINDOW, log_mel
from striate.data.transforms.audio.frames import FRAME_S
from striate.data.transforms.audio.load import load_mono, reason_of
from striate.data.transforms.random import uniforms

_SMALLEST_STD = 1e-2


class SoundArguments(BaseModel):
    """Of ``sounds``.

    Attributes:
        seconds: of a sound that are seen: of a longer one a stretch, drawn in training and else
            from the middle; a shorter one is padded at both ends.
        bands: mel bands.
        columns: into which the stretch's frames are averaged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=1.0, ge=FRAME_S, le=3600, allow_inf_nan=False)
    bands: int = Field(default=BANDS, ge=1, le=128)
    columns: int = Field(default=WINDOW, ge=1, le=1000)


@dataclass(frozen=True)
class Sounds:
    """Whole sounds, one label each.

    A sound's energies are normalised over all of its bands and frames at once: how loud it is does
    not matter, and its spectrum does.
    """

    arguments: SoundArguments
    training: bool
    units_per_row: int | None = 1
    layout: ClassVar[str] = "CFT"
    units: ClassVar[str] = "normalised log-mel energy"

    def energies(self, stored: Stored) -> Tensor:
        """(frames, bands) float32 log-mel energies of the whole sound, normalised.

        Raises:
            DamagedSample: the sound cannot be used.
        """
        try:
            samples = torch.from_numpy(load_mono(stored.payload))
        except RequestError as error:
            raise DamagedSample(stored.key, reason_of(error)) from None
        energies = log_mel(samples, self.arguments.bands)
        if not len(energies):
            raise DamagedSample(stored.key, "the sound is shorter than one frame")
        centred = energies - energies.mean()
        return centred / centred.square().mean().sqrt().clamp_min(_SMALLEST_STD)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """``features`` (n, 1, bands, columns) float32 and ``labels`` (n,) int64.

        Raises:
            DamagedSample: as `energies`.
            DataError: a sound has a label for each frame.
        """
        labels = class_labels(stored)
        draws = uniforms(places.seed, places.epochs, places.positions, 1)[0].tolist()
        made = []
        for sample, draw in zip(stored, draws, strict=True):
            stretch = self._stretch(self.energies(sample), draw if self.training else 0.5)
            made.append(F.adaptive_avg_pool1d(stretch.T, self.arguments.columns))
        return {"features": torch.stack(made).unsqueeze(1), "labels": labels}

    def _stretch(self, energies: Tensor, at: float) -> Tensor:
        """(frames of `seconds`, bands): a part of the sound from `at` of the way on, or padded."""
        wanted = max(1, round(self.arguments.seconds / FRAME_S))
        spare = len(energies) - wanted
        if spare >= 0:
            return energies.narrow(0, int(at * (spare + 1)), wanted)
        before = int(at * (1 - spare))
        return F.pad(energies, (0, 0, before, -spare - before))


def sounds(arguments: Mapping[str, Any], training: bool) -> Sounds:
    """The pipeline of that name; see `SoundArguments`.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    return Sounds(check_arguments(SoundArguments, arguments, "pipeline sounds"), training)
