"""Descriptors to binary codes, and distances between codes.

Codes are learnt by iterative quantisation: Gong, Lazebnik, "Iterative quantization: a Procrustean
approach to learning binary codes", CVPR 2011, section 3. Descriptors are divided by the greatest
value of each entry over the training set and then by their length, as DeepFace's are (Taigman et
al., CVPR 2014, section 3.2); centred, projected on their first principal components, and rotated so
that rounding each to ±1 loses least.
"""

import hashlib
import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from striate.core.bundle import Bundle
from striate.core.errors import DataError, UsageError

Descriptors = NDArray[np.float32]
"""(n, d)."""

Codes = NDArray[np.uint8]
"""(n, bits / 8), the first bit the highest of the first byte."""

CODES_FILE = "codes.npz"
"""The bundle's asset that holds a `CodeProjection`."""

BITS = 256
ITERATIONS = 50
_ARRAYS = ("scale", "mean", "matrix")
_CHUNK = 65_536  # descriptors encoded at a time
_TINY = 1e-12


@dataclass(frozen=True)
class CodeProjection:
    """What turns descriptors into codes.

    Attributes:
        scale: (d,) float32, the greatest value of each entry in training, at least a tiny one.
        mean: (d,) float32, of the normalised descriptors.
        matrix: (d, bits) float32, principal components, rotated.
        version: a hash of the three: codes of two versions are not to be compared.
    """

    scale: NDArray[np.float32]
    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    version: str = field(init=False)

    def __post_init__(self) -> None:
        known = b"".join(np.ascontiguousarray(getattr(self, name)).tobytes() for name in _ARRAYS)
        object.__setattr__(self, "version", hashlib.sha256(known).hexdigest()[:16])

    @property
    def bits(self) -> int:
        """Of a code."""
        return int(self.matrix.shape[1])

    def encode(self, descriptors: Descriptors) -> Codes:
        """(n, d) float32 → (n, bits / 8) uint8.

        Raises:
            DataError: the descriptors are of another size, or one is not finite.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.scale):
            raise DataError(
                f"Descriptors of the shape {descriptors.shape} came to codes for"
                f" {len(self.scale)} entries.",
                "Describe the faces with the network that the codes belong to.",
            )
        codes = np.empty((len(descriptors), self.bits // 8), np.uint8)
        for first in range(0, len(descriptors), _CHUNK):
            part = descriptors[first : first + _CHUNK]
            if not np.isfinite(part).all():
                raise DataError("A descriptor is not finite.", "Describe the face again.")
            projected = (normalise(part, self.scale) - self.mean) @ self.matrix
            codes[first : first + _CHUNK] = np.packbits(projected > 0, axis=1)
        return codes

    def to_bytes(self) -> bytes:
        """As a file of arrays, without pickle."""
        out = io.BytesIO()
        np.savez(out, **{name: getattr(self, name) for name in _ARRAYS})
        return out.getvalue()

    @classmethod
    def of_bytes(cls, content: bytes) -> "CodeProjection":
        """The inverse of `to_bytes`.

        Raises:
            DataError: it is no such file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return cls(*(file[name].astype(np.float32) for name in _ARRAYS))
        except (ValueError, KeyError, OSError, EOFError) as error:
            raise DataError(f"The file of codes is damaged: {error}.") from None


def codes_of(bundle: Bundle) -> CodeProjection:
    """The codes of a bundle.

    Raises:
        BundleError: it has none.
        DataError: they are damaged.
    """
    return CodeProjection.of_bytes(bundle.asset_path(CODES_FILE).read_bytes())


def normalise(descriptors: Descriptors, scale: NDArray[np.float32]) -> Descriptors:
    """(n, d) over (d,) greatest values, then over their lengths; a descriptor of zeros stays."""
    scaled = descriptors / scale
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    normal: Descriptors = (scaled / np.maximum(lengths, _TINY)).astype(np.float32)
    return normal


def learn_codes(
    descriptors: Descriptors, bits: int = BITS, seed: int = 0, iterations: int = ITERATIONS
) -> CodeProjection:
    """Learn codes from descriptors of many faces.

    Where descriptors have fewer than `bits` directions that differ, as of few people, what is left
    is filled up by further directions of the space, so that codes always have their length.

    Args:
        descriptors: (n, d) float32, at least as many and as long as there are bits.
        bits: a multiple of 8.
        seed: of the first rotation.
        iterations: of the rotation's refinement; the paper's are 50.

    Raises:
        UsageError: the bits are no multiple of 8.
        DataError: there are fewer descriptors, or entries of one, than bits; or one is not finite.
    """
    if bits < 8 or bits % 8:
        raise UsageError(f"Codes of {bits} bits cannot be stored.", "Give a multiple of 8.")
    count, size = descriptors.shape
    if min(count, size) < bits:
        raise DataError(
            f"{count} descriptors of {size} entries are too few for {bits} bits.",
            "Describe more faces, or ask for fewer bits.",
        )
    if not np.isfinite(descriptors).all():
        raise DataError("A descriptor is not finite.", "Describe the face again.")
    scale = np.maximum(np.abs(descriptors).max(0), _TINY).astype(np.float32)
    normal = normalise(descriptors, scale).astype(np.float64)
    mean = normal.mean(0)
    centred = normal - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)
    components = vectors[:, ::-1][:, :bits]
    rotation = _rotate(centred @ components, seed, iterations)
    matrix = (components @ rotation).astype(np.float32)
    return CodeProjection(scale, mean.astype(np.float32), matrix)


def _rotate(projected: NDArray[np.float64], seed: int, iterations: int) -> NDArray[np.float64]:
    """The rotation R for which signs of V·R lie near V·R (equations 2 and 3)."""
    bits = projected.shape[1]
    rng = np.random.Generator(np.random.Philox(key=seed))
    rotation, _ = np.linalg.qr(rng.normal(size=(bits, bits)))
    for _ in range(iterations):
        signs = np.where(projected @ rotation > 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(projected.T @ signs)
        rotation = left @ right
    turned: NDArray[np.float64] = rotation
    return turned


def hamming(first: Codes, second: Codes) -> NDArray[np.int32]:
    """(n, b) and (m, b) codes → (n, m) numbers of bits that differ."""
    words = [_words(one) for one in (first, second)]
    different = np.bitwise_count(words[0][:, None] ^ words[1][None])
    apart: NDArray[np.int32] = different.sum(2, dtype=np.int32)
    return apart


def hamming_pairs(first: Codes, second: Codes) -> NDArray[np.int32]:
    """(n, b) codes twice → (n,) numbers of bits in which each pair differs."""
    apart: NDArray[np.int32] = np.bitwise_count(first ^ second).sum(1, dtype=np.int32)
    return apart


def _words(codes: Codes) -> NDArray[np.unsignedinteger]:
    """Codes as numbers of 8 bytes, where their length allows."""
    whole = np.ascontiguousarray(codes)
    return whole.view(np.uint64) if codes.shape[1] % 8 == 0 else whole
