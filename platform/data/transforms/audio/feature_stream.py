"""Features of sound while it comes, the same however it is cut.

They are computed in blocks that lie where the sound begins and not where a piece of it ends, so
each number is the same, bit for bit, whoever cuts the sound.
"""

import torch
from torch import Tensor

from striate.data.transforms.audio.features import (
    BANDS,
    DELTA_REACH,
    HEAD,
    SPAN,
    Features,
    delta_channels,
    frames_of,
    normalise_running,
)
from striate.data.transforms.audio.frames import FRAME_LENGTH, FRAME_STEP

BLOCK = 20
"""Frames of a block, a fifth of a second."""

_BLOCK_SAMPLES = (BLOCK - 1) * FRAME_STEP + FRAME_LENGTH


class FeatureStream:
    """Samples in, blocks of frames out: those of `features_of`, normalised as ``running``.

    It holds no more than a few seconds of sound.

    Args:
        kind, bands, coefficients, delta_orders: as of `features_of`.
    """

    def __init__(
        self,
        kind: Features = "log-mel",
        bands: int = BANDS,
        coefficients: int = BANDS,
        delta_orders: int = 0,
    ) -> None:
        self._form = (kind, bands, coefficients)
        self._delta_orders = delta_orders
        self._reach = delta_orders * DELTA_REACH
        self._samples = torch.zeros(0)
        self._frames = frames_of(self._samples, *self._form)
        self._dropped = 0  # frames that came before `_frames`
        self._given = 0

    def accept(self, samples: Tensor) -> list[Tensor]:
        """Take in (n,) float32 samples at 16 kHz, which may be few or many.

        Returns:
            (channels, `BLOCK`, features) of each further block that can be told by now.
        """
        blocks = []
        self._samples = torch.cat([self._samples, samples])
        while len(self._samples) >= _BLOCK_SAMPLES:
            self._add(frames_of(self._samples[:_BLOCK_SAMPLES], *self._form))
            self._samples = self._samples[BLOCK * FRAME_STEP :]
            known = self._dropped + len(self._frames) - self._reach
            while known >= max(HEAD, self._given + BLOCK):
                blocks.append(self._give(self._given + BLOCK, is_last=False))
        return blocks

    def finish(self) -> list[Tensor]:
        """The blocks that are left; the last may have fewer frames. Nothing is accepted then."""
        blocks = []
        self._add(frames_of(self._samples, *self._form))
        known = self._dropped + len(self._frames)
        while self._given < known:
            blocks.append(self._give(min(self._given + BLOCK, known), is_last=True))
        return blocks

    def _add(self, frames: Tensor) -> None:
        self._frames = torch.cat([self._frames, frames])

    def _give(self, stop: int, is_last: bool) -> Tensor:
        orders = delta_channels(self._frames, self._delta_orders)
        # Slopes near a cut go by frames that are not there; an utterance's own edges are as they
        # are.
        front = self._reach if self._dropped else 0
        back = len(self._frames) - (0 if is_last else self._reach)
        first = self._dropped + front
        block = torch.stack(
            [
                normalise_running(order[front:back], self._given - first, stop - first)
                for order in orders
            ]
        )
        self._given = stop
        useless = max(0, stop - SPAN - self._reach) - self._dropped
        if useless > 0:
            self._frames, self._dropped = self._frames[useless:], self._dropped + useless
        return block
