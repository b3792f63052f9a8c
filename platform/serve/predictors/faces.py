"""Faces: from an encoded photo to each face in it, cut out upright, described, and as a code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.bundle import WEIGHTS_FILE, Bundle
from striate.core.errors import BundleError, RequestError
from striate.data.transforms.binary_codes import CodeProjection, codes_of
from striate.data.transforms.image.preprocess import apply, decode_image, fit
from striate.models.deepface import DeepFace
from striate.models.evaluation.boxes import Box
from striate.models.evaluation.describe import describe
from striate.models.evaluation.detect_faces import Face
from striate.models.evaluation.face_bundles import load_describer
from striate.serve.common.face_types import (
    SAME_BOX,
    UNMEASURED,
    WHOLE,
    FaceBox,
    FaceQuality,
    FaceRequest,
    SeenFace,
    SeenPhoto,
)
from striate.serve.predictors.face_crops import ALIGNMENT, CROP_SIDE, cut_face, middle_of
from striate.serve.predictors.face_finder import FaceFinder, FinderSettings
from striate.serve.predictors.image_reader import DEFAULT_PIXELS

BITS = 256
"""Of a code."""
_AT_A_TIME = 32  # faces in the network
Find = Callable[[Pixels], list[Face]]


@dataclass(frozen=True)
class FaceOrigin:
    """What descriptors and codes of a predictor depend on.

    Attributes:
        network_sha256: of the weights of the network that describes, hexadecimal.
        detector_sha256: of the weights of the detector, hexadecimal.
        dimension: floats of a descriptor.
        code_version: names the projection from descriptors to codes, and how faces are cut out.
    """

    network_sha256: str
    detector_sha256: str
    dimension: int
    code_version: str


class FacePredictor:
    """Finds, cuts out, describes and codes faces: of many photos, one batch of faces.

    Args:
        find: the faces of an upright photo (height, width, 3), the surest first.
        network: describes faces; in evaluation mode, on `device`.
        steps: from a face cut out to the network's input: the bundle's preprocessing.
        codes: from descriptors to codes.
        origin: what all that depends on.
        device: a torch device.
        pixels: largest decoded photo.

    Raises:
        BundleError: the codes are not for the network, or of another length than 256 bits.
    """

    def __init__(
        self,
        find: Find,
        network: DeepFace,
        steps: Sequence[Mapping[str, Any]],
        codes: CodeProjection,
        origin: FaceOrigin,
        device: str = "cpu",
        pixels: int = DEFAULT_PIXELS,
    ) -> None:
        if codes.bits != BITS or len(codes.scale) != network.descriptor_size:
            raise BundleError(
                f"The bundle's codes have {codes.bits} bits of {len(codes.scale)} entries, and the"
                f" network describes by {network.descriptor_size}.",
                f"Learn {BITS} bits from the network's own descriptors.",
            )
        self.origin = origin
        self.pixels = pixels
        self._find = find
        self._network, self._steps, self._codes = network, tuple(steps), codes
        self._device = device

    @classmethod
    def load(
        cls,
        network: Bundle,
        detector: Bundle,
        device: str = "cpu",
        settings: FinderSettings | None = None,
        pixels: int = DEFAULT_PIXELS,
    ) -> Self:
        """Of two bundles.

        Args:
            network: DeepFace with its codes.
            detector: of a run of ``face-pose``.
            device: a torch device.
            settings: how faces are looked for.
            pixels: largest decoded photo.

        Raises:
            BundleError: a bundle is for something else, or has no codes.
            DataError: the codes are damaged.
        """
        finder = FaceFinder(detector, device, settings or FinderSettings())
        model, codes = load_describer(network).to(device), codes_of(network)
        origin = FaceOrigin(
            network_sha256=network.files[WEIGHTS_FILE].sha256,
            detector_sha256=detector.files[WEIGHTS_FILE].sha256,
            dimension=model.descriptor_size,
            code_version=f"{codes.version}-{ALIGNMENT}",
        )
        steps = network.spec.preprocessing
        return cls(finder.find, model, steps, codes, origin, device, pixels)

    def decode(self, request: FaceRequest) -> Pixels:
        """The upright photo, (height, width, 3) uint8.

        Raises:
            RequestError, PayloadTooLarge: as `decode_image`.
        """
        image = request.image
        if isinstance(image, bytes):
            image = decode_image(image, max_pixels=self.pixels)
        return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)

    def see(self, request: FaceRequest) -> SeenPhoto:
        """The faces of one photo, cut out and not described yet.

        Raises:
            RequestError: the photo cannot be used, or is no kept crop where one is told of.
        """
        photo = self.decode(request)
        height, width = photo.shape[:2]
        if request.kept:
            return SeenPhoto(height, width, (_kept(photo),))
        faces = [(face, _share(face.box, height, width)) for face in self._find(photo)]
        if request.only is not None:
            best = max(faces, key=lambda one: _overlap(one[1], request.only), default=None)
            near = best is not None and _overlap(best[1], request.only) >= SAME_BOX
            faces = [best] if best is not None and near else []
        return SeenPhoto(height, width, tuple(_seen(photo, face, box) for face, box in faces))

    def predict(self, crops: Sequence[Pixels]) -> np.ndarray:
        """Descriptors, float32 (n, dimension), of crops (CROP_SIDE, CROP_SIDE, 3)."""
        parts = []
        for start in range(0, len(crops), _AT_A_TIME):
            stored = [fit(middle_of(one), self._steps) for one in crops[start : start + _AT_A_TIME]]
            images = torch.from_numpy(np.stack(stored)).to(self._device)
            parts.append(self._described(apply(self._steps, images)))
        return np.concatenate(parts) if parts else np.zeros((0, self.origin.dimension), np.float32)

    def encode(self, descriptors: np.ndarray) -> np.ndarray:
        """Codes, uint8 (n, 32), of descriptors, float32 (n, dimension), which are finite."""
        return self._codes.encode(descriptors)

    def answers(self, requests: Sequence[FaceRequest]) -> list[SeenPhoto | Exception]:
        """What is in each photo; one that cannot be used fails alone."""
        seen = [self._tried(request) for request in requests]
        crops = [
            face.crop
            for request, photo in zip(requests, seen, strict=True)
            if request.describe and isinstance(photo, SeenPhoto)
            for face in photo.faces
        ]
        vectors = iter(self.predict(crops))
        return [
            self._with_descriptions(photo, vectors)
            if request.describe and isinstance(photo, SeenPhoto)
            else photo
            for request, photo in zip(requests, seen, strict=True)
        ]

    def describe_kept(self, crops: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors and codes of kept crops, as encoded pictures.

        Raises:
            RequestError: one is no kept crop.
            BundleError: the model's numbers are not finite.
        """
        faces = [self.see(FaceRequest(crop, kept=True)).faces[0].crop for crop in crops]
        vectors = self.predict(faces)
        if not np.isfinite(vectors).all():
            raise _not_finite()
        return vectors, self.encode(vectors)

    def _tried(self, request: FaceRequest) -> SeenPhoto | Exception:
        try:
            return self.see(request)
        except Exception as error:  # told apart by the status table
            return error

    def _described(self, images: Tensor) -> np.ndarray:
        described: np.ndarray = describe(self._network, images).cpu().numpy()
        return described

    def _with_descriptions(
        self, photo: SeenPhoto, vectors: Iterator[np.ndarray]
    ) -> SeenPhoto | Exception:
        mine = np.stack([next(vectors) for _ in photo.faces]) if photo.faces else None
        if mine is None:
            return photo
        if not np.isfinite(mine).all():
            return _not_finite()
        faces = zip(photo.faces, mine, self.encode(mine), strict=True)
        return replace(photo, faces=tuple(replace(f, descriptor=d, code=c) for f, d, c in faces))


def _not_finite() -> BundleError:
    return BundleError("The model's numbers are not finite.", "Deploy another version.")


def _share(box: Box, height: int, width: int) -> FaceBox:
    return FaceBox(
        box.left / width,
        box.top / height,
        (box.right - box.left) / width,
        (box.bottom - box.top) / height,
    )


def _overlap(box: FaceBox, other: FaceBox | None) -> float:
    return 0.0 if other is None else box.overlap(other)


def _seen(photo: Pixels, face: Face, box: FaceBox) -> SeenFace:
    cut = cut_face(photo, face)
    side = min(face.box.right - face.box.left, face.box.bottom - face.box.top)
    quality = FaceQuality(side, cut.sharpness, face.yaw_deg, face.roll_deg)
    return SeenFace(box, face.box.score, quality, cut.crop)


def _kept(crop: Pixels) -> SeenFace:
    if crop.shape != (CROP_SIDE, CROP_SIDE, 3):
        raise RequestError(
            f"A kept crop has {CROP_SIDE}×{CROP_SIDE} pixels, and this one "
            f"{crop.shape[0]}×{crop.shape[1]}.",
            "Enrol the face anew.",
        )
    return SeenFace(WHOLE, 0.0, UNMEASURED, crop)
