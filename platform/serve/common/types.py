"""What is asked of a tagging model and what it answers, for server and client alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # a client needs no torch
    from torch import Tensor


class ModelName(NamedTuple):
    """A model's name and version, as answers carry them."""

    name: str
    version: str


@dataclass(frozen=True)
class TagRequest:
    """A photo, how many labels at most, and the least score.

    The photo is encoded bytes, or what `ImageReader.stored` of the same model made of them.
    """

    image: "bytes | Tensor"
    top_k: int = 5
    min_score: float = 0.0


@dataclass(frozen=True)
class Tag:
    """One label: its name, its place in the model's output, its score from 0 to 1."""

    name: str
    index: int
    score: float
