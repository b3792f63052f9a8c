"""Faces as predictors see them and as the store of people keeps them: what both agree on."""

from dataclasses import dataclass, field

import numpy as np

from striate.core.arrays import Pixels

SAME_BOX = 0.5
"""Two boxes of one photo that share this much (intersection over union) hold one face: the measure
by which a detection is said to be right in the PASCAL VOC challenge (Everingham et al., IJCV 2010,
section 4.2)."""


@dataclass(frozen=True)
class FaceBox:
    """Where a face is, as shares of the photo's width and height."""

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def overlap(self, other: "FaceBox") -> float:
        """Intersection over union, from 0 to 1."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(0.0, across) * max(0.0, down)
        union = self.width * self.height + other.width * other.height - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True)
class FaceQuality:
    """What the gate at enrolment looks at.

    Attributes:
        size_px: the shorter side of the face in the photo, in pixels.
        sharpness: variance of the Laplacian of the crop; small is blurred (Pech-Pacheco et al.,
            ICPR 2000).
        yaw_deg: turned to a side; 0 looks into the camera.
        roll_deg: leaning to a shoulder.
    """

    size_px: float = 0.0
    sharpness: float = 0.0
    yaw_deg: float = 0.0
    roll_deg: float = 0.0


WHOLE = FaceBox()
"""The whole photo."""
UNMEASURED = FaceQuality()
"""Of a face that nobody measured: no gate judges it."""


@dataclass(frozen=True)
class FaceRequest:
    """What is asked of a face predictor.

    Attributes:
        image: an encoded photo, or one that was decoded: (height, width, 3) uint8, upright.
        describe: whether faces are described, too.
        only: the face that is here, whose box shares half of itself or more with it; None for all.
        kept: the image is a kept crop of a face (`SeenFace.crop`): that one is described again.
    """

    image: "bytes | Pixels" = field(repr=False)
    describe: bool = True
    only: FaceBox | None = None
    kept: bool = False


@dataclass(frozen=True)
class SeenFace:
    """A face that a predictor found.

    Attributes:
        box: where.
        confidence: the detector's threshold less the face's energy; more is surer.
        quality: what the gate at enrolment looks at.
        crop: the face cut out upright with some of what is around it, (side, side, 3) uint8; all
            that the description is made of.
        descriptor: float32 (dimension,); None where none was asked for.
        code: uint8 (32,); None where none was asked for.
    """

    box: FaceBox
    confidence: float
    quality: FaceQuality
    crop: Pixels = field(repr=False)
    descriptor: np.ndarray | None = field(default=None, repr=False)
    code: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SeenPhoto:
    """What a predictor saw in a photo.

    Attributes:
        height, width: of the upright photo, in pixels.
        faces: the surest first.
    """

    height: int
    width: int
    faces: tuple[SeenFace, ...]
