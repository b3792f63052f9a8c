"""A second pass on what a detector takes for faces: its false positives become windows to learn.

Osadchy, LeCun, Miller, JMLR 8:1197-1215, 2007, section 5.1: after a first training the detector
runs over images without faces, and what it finds there is added to the windows that show none.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from striate.core.arrays import Pixels
from striate.core.bundle import Bundle
from striate.data.corpora.poses import SIDE, Window, append_windows
from striate.data.transforms.image.preprocess import apply, fit
from striate.models.evaluation.detect_faces import FACE_SHARE, Face, detect_faces
from striate.models.evaluation.face_bundles import load_detector


class Detector:
    """A bundle's network over images of any size.

    Args:
        bundle: of a run of ``face-pose``.

    Raises:
        BundleError: the bundle's network detects no faces.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.model, self.threshold = load_detector(bundle)
        self._steps = bundle.spec.preprocessing

    def find(
        self, image: Pixels, threshold: float | None = None, least_side: float = 24.0
    ) -> list[Face]:
        """The faces of a (height, width, channels) image; see `detect_faces`.

        Args:
            image: uint8, upright.
            threshold: the greatest energy of a face; the bundle's own by default.
            least_side: of a face's box, in pixels.
        """
        grey = apply(self._steps, torch.from_numpy(fit(image, self._steps))[None])[0, 0]
        most = self.threshold if threshold is None else threshold
        return detect_faces(self.model, grey, most, least_side=least_side)


def add_false_positives(
    detector: Detector, images: Iterable[Pixels], corpus: Path, most_per_image: int = 20
) -> int:
    """Add what the detector finds in images without faces to a corpus of windows.

    Args:
        detector: trained on the corpus.
        images: that show no face.
        corpus: folder of ``windows.csv``; ingest it anew afterwards, and train on it with
            ``model.weights`` the detector's bundle.
        most_per_image: the surest ones count.

    Returns:
        How many windows were added.

    Raises:
        PlatformError: the disk is full.
    """

    def found() -> Iterator[tuple[Window, str]]:
        for image in images:
            for face in detector.find(image)[:most_per_image]:
                yield Window(cut_window(image, face)), "train"

    return append_windows(corpus, found())


def cut_window(image: Pixels, face: Face) -> Pixels:
    """(32, 32) grey: the window in which a face was found."""
    box = face.box
    margin = (box.right - box.left) * (1 / FACE_SHARE - 1) / 2
    edges = (box.left - margin, box.top - margin, box.right + margin, box.bottom + margin)
    grey = Image.fromarray(image if image.shape[2] > 1 else image[..., 0]).convert("L")
    small = grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=_inside(edges, grey.size))
    return np.asarray(small)


def _inside(
    edges: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    left, top = (
        min(max(edge, 0.0), side - 1.0) for edge, side in zip(edges[:2], size, strict=True)
    )
    right, low = (min(edge, float(side)) for edge, side in zip(edges[2:], size, strict=True))
    return left, top, max(right, left + 1), max(low, top + 1)
