"""Questions to a knowledge base as a server takes them: many at a time, each for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from striate.serve.predictors.each import answer_each
from striate.serve.predictors.knowledge_answers import KnowledgeAnswers


@dataclass(frozen=True)
class KnowledgeRequest:
    """A question, and how many members of its answer are wanted."""

    question: str
    top_k: int = 5


class _Reader(Protocol):
    def ask(self, question: str, most: int) -> KnowledgeAnswers:
        """Answer one question."""
        ...


class KnowledgePredictor:
    """Answers questions one after the other, each within milliseconds.

    Args:
        reader: of a bundle with its knowledge base.
    """

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def answers(self, requests: Sequence[KnowledgeRequest]) -> list[KnowledgeAnswers | Exception]:
        """In the order of `requests`, what is said to each, or why nothing is."""
        return answer_each(requests, lambda one: self._reader.ask(one.question, one.top_k))
