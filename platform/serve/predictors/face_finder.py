"""Finding the faces of a photo with a bundle's detector."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict

from striate.core.arrays import Pixels
from striate.core.bundle import Bundle
from striate.core.numbers import Count, Positive, Side
from striate.data.transforms.image.preprocess import apply, fit
from striate.models.evaluation.boxes import Box
from striate.models.evaluation.detect_faces import Face, detect_faces
from striate.models.evaluation.face_bundles import load_detector


class FinderSettings(BaseModel):
    """How faces are looked for.

    Attributes:
        longest_side: pixels; a larger photo is scaled down to it before it is looked at.
        least_side: of a face, in pixels of what is looked at; below 24 it is enlarged first.
        threshold: the greatest energy of a face; None takes the detector's own.
        most_faces: of a photo; of more the surest ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_side: Side = 800
    least_side: Positive = 24.0
    threshold: Positive | None = None
    most_faces: Count = 100


class FaceFinder:
    """Finds faces.

    Args:
        bundle: of a run of ``face-pose``.
        device: a torch device.
        settings: how faces are looked for.

    Raises:
        BundleError: the bundle's network finds no faces, or its weights do not fit.
    """

    def __init__(self, bundle: Bundle, device: str, settings: FinderSettings) -> None:
        model, threshold = load_detector(bundle)
        self._model = model.to(device)
        self._threshold = settings.threshold or threshold
        self._steps = bundle.spec.preprocessing
        self._settings = settings
        self._device = device

    def find(self, photo: Pixels) -> list[Face]:
        """The faces of a photo, the surest first; boxes in its pixels.

        Args:
            photo: (height, width, 3) uint8, upright.
        """
        scaled, scale = _scaled(photo, self._settings.longest_side)
        stored = torch.from_numpy(fit(scaled, self._steps))[None].to(self._device)
        grey = apply(self._steps, stored)[0, 0]
        found = detect_faces(
            self._model, grey, self._threshold, least_side=self._settings.least_side
        )
        return [_larger(face, scale) for face in found[: self._settings.most_faces]]


def _scaled(photo: Pixels, longest: int) -> tuple[Pixels, float]:
    """The photo no longer than that, and how many of its pixels make one there."""
    height, width = photo.shape[:2]
    scale = max(height, width) / longest
    if scale <= 1:
        return photo, 1.0
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR)), scale


def _larger(face: Face, scale: float) -> Face:
    edges = [edge * scale for edge in face.box.edges]
    return face if scale == 1 else replace(face, box=Box.of(edges, face.box.score))
