"""How sure an answer is: scores turned into probabilities by what was right on a validation split.

A logistic regression on the best score and on its lead over the second (Platt, 1999: a sigmoid of a
classifier's output; the lead is ours). It is fitted on questions that can be answered, and on the
same ones with the right candidates taken away, which nothing answers.
"""

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from striate.core.errors import BundleError
from striate.core.numbers import Real, Share, Total

CALIBRATION_FILE = "calibration.json"

MOST_LEAD = 10.0
"""The lead of a candidate that is alone, and the largest that counts."""

_ROUNDS, _RIDGE = 50, 1e-2
_UNKNOWN = 0.5  # where nothing tells a better threshold


class Calibration(BaseModel):
    """Probability that the best candidate is right, and below which one nothing is answered.

    Attributes:
        weights: of the score and of its lead.
        bias: what is added.
        threshold: least probability of an answer.
        split: that it was fitted on.
        questions: of that split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: tuple[Real, Real]
    bias: Real
    threshold: Share = _UNKNOWN
    split: str
    questions: Total

    @classmethod
    def fit(
        cls,
        scores: NDArray[np.float64],
        leads: NDArray[np.float64],
        right: NDArray[np.bool_],
        *,
        split: str,
        threshold: float | None = None,
    ) -> Self:
        """Fit by Newton's method, with a little weight decay.

        Args:
            scores: (n,) of the best candidates.
            leads: (n,) over the second best.
            right: (n,) whether each is right.
            split: where they are from.
            threshold: least probability of an answer; None takes `best_threshold`.
        """
        if not len(scores):
            least = _UNKNOWN if threshold is None else threshold
            return cls(weights=(0.0, 0.0), bias=0.0, threshold=least, split=split, questions=0)
        given = np.stack([scores, np.minimum(leads, MOST_LEAD)], 1)
        means, deviations = given.mean(0), np.maximum(given.std(0), 1e-6)
        rows = np.column_stack([(given - means) / deviations, np.ones(len(given))])
        found = np.zeros(3)
        for _ in range(_ROUNDS):
            probability = 1 / (1 + np.exp(-np.clip(rows @ found, -30, 30)))
            slope = rows.T @ (probability - right) + _RIDGE * found
            curve = (rows * (probability * (1 - probability))[:, None]).T @ rows
            step = np.linalg.solve(curve + _RIDGE * np.eye(3), slope)
            found = found - step
            if np.abs(step).max() < 1e-9:
                break
        weights = found[:2] / deviations
        bias = float(found[2] - weights @ means)
        kept = (float(weights[0]), float(weights[1]))
        fitted = cls(weights=kept, bias=bias, split=split, questions=len(right))
        if threshold is None:
            said = [fitted.probability(*one) for one in zip(scores, leads, strict=True)]
            threshold = best_threshold(np.array(said), right)
        return fitted.model_copy(update={"threshold": threshold})

    def probability(self, score: float, lead: float) -> float:
        """The probability that a candidate of such a score and lead is right."""
        exponent = self.weights[0] * score + self.weights[1] * min(lead, MOST_LEAD) + self.bias
        return 1 / (1 + math.exp(-min(max(exponent, -700), 700)))

    def to_text(self) -> str:
        """The bundle's asset."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The inverse of `to_text`.

        Raises:
            BundleError: it is nothing of the kind.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise BundleError(f"{CALIBRATION_FILE} of the bundle cannot be used.") from None


def lead_of(
    scores: NDArray[np.floating[Any]],
    sets: NDArray[np.int64],
    best: int,
    there: NDArray[np.bool_],
) -> float:
    """How far the best candidate is before the next one with other members; `MOST_LEAD` at most.

    Args:
        scores: (candidates,).
        sets: (candidates,) equal where the members are.
        best: the best candidate's place.
        there: (candidates,) which of them count.
    """
    others = scores[(sets != sets[best]) & there]
    return min(float(scores[best] - others.max()), MOST_LEAD) if len(others) else MOST_LEAD


def best_threshold(probabilities: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least probability that best tells right answers from others.

    That of the largest difference between the share of right ones and the share of others that
    reach it (Youden, Cancer 3:32, 1950, as recalled); 0.5 where all are of one kind.

    Args:
        probabilities: (n,) of answers.
        right: (n,) whether each is right.

    >>> best_threshold(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]))
    0.3
    """
    if right.all() or not right.any():
        return _UNKNOWN
    order = np.argsort(-probabilities, kind="stable")
    reached, hit = probabilities[order], right[order]
    gain = np.cumsum(hit) / hit.sum() - np.cumsum(~hit) / (~hit).sum()
    last = np.append(reached[1:] < reached[:-1], True)  # of equal ones all or none
    return float(reached[np.where(last, gain, -1.0).argmax()])


def expected_calibration_error(
    probabilities: Sequence[float], right: Sequence[bool], bins: int = 10
) -> float:
    """The mean distance between what was said and what was so, over bins of equal width.

    Each bin weighs as much as it has answers (Naeini et al., AAAI 2015).
    """
    said, so = np.asarray(probabilities, float), np.asarray(right, float)
    places = np.minimum((said * bins).astype(int), bins - 1)
    sums = [abs(float(said[places == at].sum() - so[places == at].sum())) for at in range(bins)]
    return sum(sums) / max(len(said), 1)
