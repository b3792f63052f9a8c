"""Verification as LFW does it: are two pictures of one person? Ten folds, mean, standard error.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts,
Technical report 07-49, 2007, section 3: the threshold that a fold is judged by comes from the other
nine; the estimate is the folds' mean, and its standard error their deviation over the root of ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import DataError
from striate.core.text import decode_text
from striate.data.corpora.celeba import PAIRS
from striate.data.corpora.lfw_lists import FacePair, read_pairs
from striate.data.storage import Source
from striate.data.transforms.binary_codes import Codes, Descriptors, hamming_pairs
from striate.train.faces.described import Described

Distance = Literal["euclidean", "manhattan", "chi2"]


@dataclass(frozen=True)
class Verification:
    """How well pairs of one person are told from pairs of two.

    Attributes:
        accuracies: of each fold.
        thresholds: of each fold: the distance below which a pair is taken for one person's.
        accepted_same, accepted_other: the ROC curve: shares of pairs of one person and of two that
            are accepted, as the threshold grows; from 0 to 1.
    """

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    accepted_same: NDArray[np.float64]
    accepted_other: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean accuracy over the folds."""
        return float(np.mean(self.accuracies))

    @property
    def standard_error(self) -> float:
        """Of the mean; 0 where there is one fold."""
        count = len(self.accuracies)
        return float(np.std(self.accuracies, ddof=1) / np.sqrt(count)) if count > 1 else 0.0

    @property
    def auc(self) -> float:
        """The area under the ROC curve."""
        return float(np.trapezoid(self.accepted_same, self.accepted_other))

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} % ± {100 * self.standard_error:.2f}, area {self.auc:.4f}"


def verify(
    distances: NDArray[np.floating] | NDArray[np.integer],
    same: NDArray[np.bool_],
    folds: NDArray[np.integer],
) -> Verification:
    """Judge each fold by the threshold that is best on the others.

    Args:
        distances: (n,) of pairs.
        same: (n,) whether both are of one person.
        folds: (n,) of each pair; with one fold alone its own threshold is taken.

    Raises:
        DataError: there are no pairs of one person, or none of two.
    """
    if same.all() or not same.any():
        raise DataError("Verification wants pairs of one person and pairs of two.")
    numbers = sorted({int(fold) for fold in folds})
    accuracies, thresholds = [], []
    for fold in numbers:
        own = folds == fold
        others = ~own if len(numbers) > 1 else own
        threshold = best_threshold(distances[others], same[others])
        thresholds.append(threshold)
        accuracies.append(float(((distances[own] < threshold) == same[own]).mean()))
    order = np.argsort(distances, kind="stable")
    ends = np.append(np.diff(distances[order]) > 0, True)  # equal distances are accepted at once
    kept, wrong = (np.cumsum(one[order])[ends] / one.sum() for one in (same, ~same))
    curve = (np.concatenate([[0.0], kept]), np.concatenate([[0.0], wrong]))
    return Verification(tuple(accuracies), tuple(thresholds), *curve)


def best_threshold(
    distances: NDArray[np.floating] | NDArray[np.integer], same: NDArray[np.bool_]
) -> float:
    """The distance below which most pairs are told right, midway between two of theirs."""
    values, place = np.unique(distances, return_inverse=True)
    ones = np.bincount(place, same, len(values))
    twos = np.bincount(place, ~same, len(values))
    below = (
        np.concatenate([[0], np.cumsum(ones)]) + twos.sum() - np.concatenate([[0], np.cumsum(twos)])
    )
    best = int(below.argmax())
    edges = np.concatenate([values[:1] - 1, values, values[-1:] + 1]).astype(np.float64)
    return float((edges[best] + edges[best + 1]) / 2)


def pairs_of(shards: str | Path) -> tuple[FacePair, ...]:
    """The pairs that go along with shards, ``pairs.txt``.

    Raises:
        DataError: there are none, or the list is malformed.
    """
    source = Source.of(shards)
    return read_pairs(decode_text(source.read(PAIRS), source.named(PAIRS)), source.named(PAIRS))


def pair_rows(
    described: Described, pairs: Sequence[FacePair]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) rows of the first and of the second members of pairs.

    Raises:
        DataError: a picture of a pair has no descriptor; the message names it.
    """
    rows: Mapping[str, int] = {key: row for row, key in enumerate(described.keys)}
    for pair in pairs:
        for key in (pair.first, pair.second):
            if key not in rows:
                raise DataError(
                    f"The pairs name {key}, and it is not among the {len(rows)} described faces.",
                    "Describe the split that the pairs are of.",
                )
    first = np.array([rows[pair.first] for pair in pairs], np.int64)
    return first, np.array([rows[pair.second] for pair in pairs], np.int64)


def verify_descriptors(
    described: Described, pairs: Sequence[FacePair], distance: Distance = "euclidean"
) -> Verification:
    """Verification by a distance of descriptors of length 1 (``manhattan``: as they are).

    Raises:
        DataError: a picture of a pair has no descriptor.
    """
    first, second = pair_rows(described, pairs)
    descriptors = described.descriptors
    if distance != "manhattan":
        lengths = np.linalg.norm(descriptors, axis=1, keepdims=True)
        descriptors = descriptors / np.maximum(lengths, 1e-12)
    apart = pair_distances(descriptors[first], descriptors[second], distance)
    return verify(apart, *_truth(pairs))


def verify_codes(described: Described, codes: Codes, pairs: Sequence[FacePair]) -> Verification:
    """Verification by bits in which codes differ.

    Raises:
        DataError: a picture of a pair has no descriptor.
    """
    first, second = pair_rows(described, pairs)
    return verify(hamming_pairs(codes[first], codes[second]), *_truth(pairs))


def pair_distances(
    first: Descriptors, second: Descriptors, distance: Distance
) -> NDArray[np.floating]:
    """(n, d) twice → (n,); ``chi2`` is Σ (f − g)² / (f + g), DeepFace's unweighted (4.1)."""
    apart = first - second
    if distance == "manhattan":
        found = np.abs(apart).sum(1)
    elif distance == "euclidean":
        found = np.sqrt(np.square(apart).sum(1))
    else:
        total = first + second
        found = (np.square(apart) / np.where(total > 0, total, 1)).sum(1)
    distances: NDArray[np.floating] = found
    return distances


def _truth(pairs: Sequence[FacePair]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    return np.array([p.same for p in pairs]), np.array([p.fold for p in pairs])
