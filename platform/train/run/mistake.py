"""One wrong answer, as a run remembers it; light, for it is read where torch is not needed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
        row: the sample's row in the evaluation split.
        unit: which unit of the row, 0 where the answer is about the whole row.
        true: its class; the first one where it has several.
        predicted: the class that was given instead.
        score: the probability that the network gave to it; of tasks without one, how bad it is.
        evidence: what else the task wants for its picture, in its own words.
    """

    row: int
    unit: int
    true: int
    predicted: int
    score: float
    evidence: str = ""
