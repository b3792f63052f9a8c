"""The pipeline ``speech-frames``: one window of features for each labelled frame of speech."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.errors import DataError, RecipeError, RequestError
from striate.core.validation import check_arguments
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.transforms.audio.features import (
    BANDS,
    WINDOW,
    Normalisation,
    features_of,
    pad_edges,
)
from striate.data.transforms.audio.load import load_mono, reason_of


class SpeechFrames(BaseModel):
    """Utterances to windows of frames, each labelled with the state of its centre frame.

    Attributes:
        features: ``log-mel`` or ``mfcc``.
        bands: mel bands.
        coefficients: cepstral coefficients, for ``mfcc``.
        window: frames of a window; its frame ``window // 2`` is the centre.
        delta_orders: 0: one channel; 1 and 2 add slopes, and their slopes, as channels.
        normalisation: ``utterance``, over all of it; ``running``, over the three seconds before a
            frame, so that speech can be read while it is said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: Literal["log-mel", "mfcc"] = "log-mel"
    bands: int = Field(default=BANDS, ge=1, le=128)
    coefficients: int = Field(default=BANDS, ge=1, le=128)
    window: int = Field(default=WINDOW, ge=1, le=1000)
    delta_orders: Literal[0, 1, 2] = 0
    normalisation: Normalisation = "utterance"
    layout: ClassVar[str] = "CFT"

    @property
    def units(self) -> str:
        """What a window holds, for people."""
        kind = "log-mel energy" if self.features == "log-mel" else "cepstral coefficient"
        return f"normalised {kind}"

    @property
    def units_per_row(self) -> None:
        """The column ``units``: an utterance has as many as frames."""
        return

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, features, window) of a sample."""
        height = self.bands if self.features == "log-mel" else self.coefficients
        return 1 + self.delta_orders, height, self.window

    def prepare(self, stored: Stored) -> Tensor:
        """The whole utterance's features, normalised, edges repeated for its outermost windows.

        Returns:
            (channels, frames + window − 1, features) float32.

        Raises:
            DamagedSample: the sound cannot be used, or has another number of frames than labels.
            DataError: the shards have no frame labels.
        """
        if isinstance(stored.label, int):
            raise DataError(
                f"{stored.key or f'Row {stored.row}'} has no frame labels.",
                "Put alignments beside the corpus and ingest it again.",
            )
        try:
            samples = torch.from_numpy(load_mono(stored.payload))
        except RequestError as error:
            raise DamagedSample(stored.key, reason_of(error)) from None
        made = features_of(
            samples,
            self.features,
            self.bands,
            self.coefficients,
            self.delta_orders,
            self.normalisation,
        )
        if made.shape[1] != len(stored.label):
            raise DamagedSample(stored.key, "the sound has another number of frames than labels")
        return pad_edges(made, self.window)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """``features`` (n, channels, features, window) float32 and ``labels`` (n,) int64.

        Raises:
            DamagedSample: as `prepare`.
        """
        del places  # nothing here is drawn
        out = torch.empty((len(stored), *self.shape))
        for at, sample in enumerate(stored):
            padded = self.prepare(sample) if sample.prepared is None else sample.prepared
            out[at] = padded[:, sample.unit : sample.unit + self.window].transpose(1, 2)
        states = [_state(sample) for sample in stored]
        return {"features": out, "labels": torch.tensor(states, dtype=torch.int64)}


def speech_frames(arguments: Mapping[str, Any], training: bool) -> SpeechFrames:
    """The pipeline of that name; the same in training and in evaluation.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    del training
    made = check_arguments(SpeechFrames, arguments, "pipeline speech-frames")
    if made.features == "mfcc" and made.coefficients > made.bands:
        raise RecipeError(
            f"{made.bands} mel bands do not have {made.coefficients} cepstral coefficients.",
            "Ask for at most as many coefficients as bands.",
        )
    return made


def _state(stored: Stored) -> int:
    assert not isinstance(stored.label, int | bytes), "prepare lets frame labels pass alone"
    return int(np.asarray(stored.label)[stored.unit])
