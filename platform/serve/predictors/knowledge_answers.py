"""What is said to a question about a knowledge base: answers and the facts that lead to them.

`KnowledgeReader.ask` in ``striate.serve.predictors.knowledge`` gives these; they hold names for
people and nothing of the network.
"""

from dataclasses import dataclass
from enum import StrEnum


class NoAnswer(StrEnum):
    """Why a question has no answer."""

    NO_ENTITY = "no known entity"
    NOTHING_KNOWN = "nothing in the base about it"
    NOT_SURE = "no answer that is sure enough"


@dataclass(frozen=True)
class KnownFact:
    """A fact of the base, by its names: (France, capital, Paris)."""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True)
class KnowledgeAnswer:
    """One answer.

    Attributes:
        answer: its name.
        entity: what the base calls it: an IRI, a synset, or its name.
        score: the probability that it is right, from 0 to 1, as calibrated on the validation split.
        path: the facts that lead from `KnowledgeAnswers.entity` to it, one or two.
    """

    answer: str
    entity: str
    score: float
    path: tuple[KnownFact, ...]


@dataclass(frozen=True)
class KnowledgeAnswers:
    """What is said to one question.

    Attributes:
        answers: the members of the answer, those with the most facts first; none where there is a
            `reason`.
        entity: name of what the question was taken to be about; empty where it names nothing known.
        mention: the words of the question that name it.
        score: of the best answer, or of the one that was not sure enough; 0 where there was none.
        total: members of the answer, of which `answers` may be the first only.
        reason: why there is no answer; None where there is one.
        said: the reason as one sentence for people, with what was looked for.
    """

    answers: tuple[KnowledgeAnswer, ...]
    entity: str = ""
    mention: str = ""
    score: float = 0.0
    total: int = 0
    reason: NoAnswer | None = None
    said: str = ""
