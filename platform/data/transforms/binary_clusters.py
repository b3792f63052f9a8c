"""Binary k-means: codes grouped about centres that are codes themselves.

Gong, Pawlowski, Yang, Brandy, Bourdev, Fergus, "Web scale photo hash clustering on a single
machine", CVPR 2015, section 3: codes go to the nearest centre by Hamming distance, and each bit of
a centre is that of most of its codes. The paper looks centres up in a multi-index hash; here all
are compared, a block of codes at a time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import UsageError
from striate.data.transforms.binary_codes import Codes, hamming

ITERATIONS = 30
_BLOCK_DISTANCES = 1 << 22


class Clusters(NamedTuple):
    """Groups of codes.

    Attributes:
        labels: (n,) int64, the centre of each code.
        centres: (k, b) uint8.
        distances: (n,) int32, bits between each code and its centre.
        iterations: rounds until no code changed its centre, or the most there may be.
    """

    labels: NDArray[np.int64]
    centres: Codes
    distances: NDArray[np.int32]
    iterations: int


def cluster_codes(
    codes: Codes, clusters: int, seed: int = 0, iterations: int = ITERATIONS
) -> Clusters:
    """Group codes; always the same groups for one seed.

    Centres begin as codes that are far from one another (Arthur, Vassilvitskii, "k-means++", SODA
    2007). A centre that loses its last code becomes the code that is farthest from its own. Of
    equally near centres the first is taken, and of as many ones as zeros a zero.

    Args:
        codes: (n, b).
        clusters: how many groups, at most n.
        seed: of the first centres.
        iterations: most rounds.

    Raises:
        UsageError: there are fewer codes than groups, or no group.
    """
    if not 1 <= clusters <= len(codes):
        raise UsageError(
            f"{len(codes)} codes cannot be put into {clusters} groups.",
            "Ask for at least one group, and for no more than there are codes.",
        )
    centres = _far_codes(codes, clusters, np.random.Generator(np.random.Philox(key=seed)))
    labels, distances = assign(codes, centres)
    for number in range(1, iterations + 1):
        centres = _centres(codes, labels, distances, centres)
        before = labels
        labels, distances = assign(codes, centres)
        if np.array_equal(before, labels):
            return Clusters(labels, centres, distances, number)
    return Clusters(labels, centres, distances, iterations)


def assign(codes: Codes, centres: Codes) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(n,) the nearest centre of each code, the first of equals, and (n,) its distance."""
    labels = np.empty(len(codes), np.int64)
    distances = np.empty(len(codes), np.int32)
    block = max(1, _BLOCK_DISTANCES // max(len(centres), 1))
    for first in range(0, len(codes), block):
        apart = hamming(codes[first : first + block], centres)
        nearest = apart.argmin(1)
        labels[first : first + block] = nearest
        distances[first : first + block] = apart[np.arange(len(apart)), nearest]
    return labels, distances


def _far_codes(codes: Codes, clusters: int, rng: np.random.Generator) -> Codes:
    """Codes drawn one after the other by their squared distance from those that there are.

    Of a few candidates each time the one that leaves the least sum of squared distances.
    """
    chosen = [int(rng.integers(len(codes)))]
    nearest = hamming(codes, codes[chosen])[:, 0]
    candidates = 2 + int(np.log(clusters))
    for _ in range(clusters - 1):
        weights = nearest.astype(np.float64) ** 2
        total = weights.sum()
        if total > 0:
            drawn = rng.choice(len(codes), candidates, p=weights / total)
        else:  # the rest are equal to centres: take one that is none yet
            drawn = rng.choice(np.setdiff1d(np.arange(len(codes)), chosen), 1)
        left = np.minimum(nearest[:, None], hamming(codes, codes[drawn]))
        best = int(np.square(left, dtype=np.float64).sum(0).argmin())
        chosen.append(int(drawn[best]))
        nearest = left[:, best]
    return codes[chosen]


def _centres(
    codes: Codes, labels: NDArray[np.int64], distances: NDArray[np.int32], before: Codes
) -> Codes:
    """The majority of each group's codes, bit by bit."""
    bits = np.unpackbits(codes, axis=1)
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(before))
    full = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[full])[:-1]])
    ones = np.add.reduceat(bits[order], starts, axis=0, dtype=np.int64)
    centres = before.copy()
    centres[full] = np.packbits(2 * ones > counts[full, None], axis=1)
    farthest = np.argsort(-distances, kind="stable")
    for place, empty in enumerate(np.flatnonzero(counts == 0)):
        centres[empty] = codes[farthest[place]]
    return centres
