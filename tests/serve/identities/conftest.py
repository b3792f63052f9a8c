"""Stores of faces, made-up models, and descriptions that are near where a test wants them near."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from striate.serve.identities.crops import CropFolder
from striate.serve.identities.faces import NewFace
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.store import IdentityStore

DIMENSION = 8
MODEL = ModelFingerprint(network="n1", detector="d1", dimension=DIMENSION, code_version="c1")
MakeFace = Callable[..., NewFace]


@pytest.fixture
def model() -> ModelFingerprint:
    """The model that all stores of tests serve first."""
    return MODEL


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    """An empty store in SQLite."""
    return IdentityStore.open(str(tmp_path / "faces.db"))


@pytest.fixture
def crops(tmp_path: Path) -> CropFolder:
    """An empty folder of crops."""
    return CropFolder(tmp_path / "crops")


@pytest.fixture
def new_face() -> MakeFace:
    """Makes a face whose description follows from a number: ``new_face(7, person="Ada")``.

    Codes of different numbers differ in some 128 bits; `flipped` bits of it are turned over.
    """

    def make(seed: int, flipped: int = 0, **fields: object) -> NewFace:
        fields.setdefault("photo_id", f"photo-{seed}-{flipped}")
        descriptor, code = describe(seed)
        bits = np.unpackbits(code)
        bits[:flipped] ^= 1
        descriptor = descriptor + np.float32(flipped)
        return NewFace(descriptor=descriptor, code=np.packbits(bits), **fields)  # type: ignore[arg-type]

    return make


def describe(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A descriptor and a code that follow from a number."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(DIMENSION).astype(np.float32), rng.integers(
        0, 256, 32, dtype=np.uint8
    )
