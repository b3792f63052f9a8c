"""Which model a descriptor or a code came from: only those of one fingerprint are compared."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from striate.serve.identities.errors import OtherModel

CODE_BYTES = 32
"""Of a code: 256 bits."""
CODE_BITS = 8 * CODE_BYTES


class ModelFingerprint(BaseModel):
    """What a descriptor and its code depend on.

    Content and no name: the same weights under a new name are the same model, and a detector that
    crops otherwise is another one, even where the dimension is equal.

    Attributes:
        network: hash of the network's weights, hexadecimal.
        detector: hash of the detector's weights, hexadecimal.
        dimension: floats of a descriptor.
        code_version: names the projection from descriptors to codes, for example its hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = Field(min_length=1, max_length=200)
    detector: str = Field(min_length=1, max_length=200)
    dimension: int = Field(ge=1, le=65536)
    code_version: str = Field(min_length=1, max_length=200)

    def check_same(self, other: Self) -> None:
        """Refuse another model, and name what differs.

        Raises:
            OtherModel: it is another one.
        """
        mine, others = self.model_dump(), other.model_dump()
        for name, value in mine.items():
            if others[name] != value:
                what = name.replace("_", " ")
                raise OtherModel(
                    f"The descriptor comes from another model: its {what} is {others[name]}, and "
                    f"the index holds {value}.",
                    "Describe the face with the model that serves, or run `striate faces reindex`.",
                )


def check_descriptions(
    fingerprint: ModelFingerprint, descriptors: np.ndarray, codes: np.ndarray
) -> None:
    """Whether arrays have the model's shapes.

    Args:
        fingerprint: the model.
        descriptors: float32 (n, dimension).
        codes: uint8 (n, 32).

    Raises:
        OtherModel: another dimension or another length.
    """
    if descriptors.ndim != 2 or descriptors.shape[1] != fingerprint.dimension:
        raise OtherModel(
            f"A descriptor has the shape {descriptors.shape[1:]}, and the model's has "
            f"{fingerprint.dimension} floats.",
            "Describe the face with the model that serves.",
        )
    if not np.isfinite(descriptors).all():
        raise OtherModel("A descriptor holds a number that is not finite.", "Describe it again.")
    check_codes(codes)
    if len(codes) != len(descriptors):
        raise OtherModel(
            f"There are {len(descriptors)} descriptors and {len(codes)} codes.", "Give one each."
        )


def check_codes(codes: np.ndarray) -> None:
    """Whether an array holds codes: uint8 (n, 32).

    Raises:
        OtherModel: it does not.
    """
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != CODE_BYTES:
        raise OtherModel(
            f"A code is {CODE_BYTES} bytes, and this is {codes.dtype} of shape {codes.shape[1:]}.",
            "Describe the face with the model that serves.",
        )
