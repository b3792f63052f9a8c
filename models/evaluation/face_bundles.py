"""The networks of bundles that find and describe faces, held against what they are for."""

import json

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.models import build_from
from striate.models.deepface import DeepFace
from striate.models.face_pose import FacePose

DETECTOR_FILE = "detector.json"
"""The asset of a bundle that says ``{"threshold": …}``, the greatest energy of a face."""


def load_detector(bundle: Bundle) -> tuple[FacePose, float]:
    """The network that finds faces, in evaluation mode, and the greatest energy of a face.

    Raises:
        BundleError: it is no such network, its weights do not fit, or it says no energy.
    """
    model = build_from(bundle)
    if not isinstance(model, FacePose):
        raise BundleError(
            f"The bundle {bundle.path.name} detects no faces.",
            "Train one with the recipe face-pose.",
        )
    try:
        threshold = float(json.loads(bundle.asset(DETECTOR_FILE))["threshold"])
    except (ValueError, TypeError, KeyError):
        raise BundleError(
            f"{DETECTOR_FILE} of the bundle {bundle.path.name} says no threshold."
        ) from None
    return model, threshold


def load_describer(bundle: Bundle) -> DeepFace:
    """The network that describes faces, in evaluation mode.

    Raises:
        BundleError: it is no such network, or its weights do not fit.
    """
    model = build_from(bundle)
    if not isinstance(model, DeepFace):
        raise BundleError(
            f"The bundle {bundle.path.name} describes no faces.",
            "Train one with a recipe of DeepFace.",
        )
    return model
