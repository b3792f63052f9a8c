"""From the messages of `striate.v1.QuestionAnswering` to requests, and from answers to messages."""

from collections.abc import Sequence
from dataclasses import dataclass

from striate.core.errors import RequestError
from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName
from striate.serve.predictors.knowledge_answers import KnowledgeAnswers, NoAnswer
from striate.serve.predictors.stories import StoryAnswer
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as tagging
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb

DEFAULT_TOP_K = 5
LONGEST_QUESTION = 1000
"""Characters."""


@dataclass(frozen=True)
class Asked:
    """How many answers are wanted, and how sure ones."""

    top_k: int
    min_score: float


@dataclass(frozen=True)
class NumberedSentence:
    """A sentence of a story with its number."""

    number: int
    text: str


def check_question(message: pb.AskRequest, limits: Limits) -> Asked:
    """What is asked for, once every field is in its range.

    Raises:
        RequestError: the question is empty or too long, or a field is out of its range.
    """
    if not message.question.strip():
        raise RequestError("The request holds no question.", "Send one.")
    if len(message.question) > LONGEST_QUESTION:
        raise RequestError(
            f"The question has {len(message.question):,} characters; "
            f"{LONGEST_QUESTION:,} are allowed."
        )
    if message.top_k > limits.top_k:
        raise RequestError(f"top_k is {message.top_k}; at most {limits.top_k} is allowed.")
    if not 0.0 <= message.min_score <= 1.0:  # false for NaN too
        raise RequestError(f"min_score is {message.min_score:g}; it goes from 0 to 1.")
    return Asked(message.top_k or DEFAULT_TOP_K, message.min_score)


_REASONS = {
    NoAnswer.NO_ENTITY: "UNKNOWN_ENTITY",
    NoAnswer.NOTHING_KNOWN: "NOTHING_KNOWN",
    NoAnswer.NOT_SURE: "NOT_SURE",
}


def from_knowledge(found: KnowledgeAnswers, asked: Asked, model: ModelName) -> pb.AskResponse:
    """What a knowledge base says."""
    if found.reason is not None:
        return _no_answer(_REASONS[found.reason], found.said, model, found.entity)
    answers = [
        pb.Answer(
            text=one.answer,
            entity=one.entity,
            score=one.score,
            path=[
                pb.Fact(subject=fact.subject, relation=fact.relation, object=fact.object)
                for fact in one.path
            ],
        )
        for one in found.answers
        if one.score >= asked.min_score
    ]
    if not answers:
        return _not_sure(asked, model, found.entity)
    return pb.AskResponse(
        answers=answers, about=found.entity, total=found.total, model=model_message(model)
    )


def from_story(
    found: Sequence[StoryAnswer], told: Sequence[NumberedSentence], asked: Asked, model: ModelName
) -> pb.AskResponse:
    """What a network of stories says."""
    answers = [
        pb.Answer(text=one.answer, score=one.probability, memories=_memories(one, told))
        for one in found
        if one.probability >= asked.min_score
    ]
    if not answers:
        return _not_sure(asked, model)
    return pb.AskResponse(answers=answers, model=model_message(model))


def no_story(name: str, model: ModelName) -> pb.AskResponse:
    """A story that was never told, or none where the deployment answers about stories alone."""
    said = (
        f"The story {name[:40]!r} has no sentence." if name else "The question is about no story."
    )
    return _no_answer("NO_STORY", said, model)


def model_message(model: ModelName) -> tagging.Model:
    """The message of a model's name."""
    return tagging.Model(name=model.name, version=model.version)


def _not_sure(asked: Asked, model: ModelName, about: str = "") -> pb.AskResponse:
    return _no_answer("NOT_SURE", f"No answer scores {asked.min_score:g}.", model, about)


def _no_answer(reason: str, message: str, model: ModelName, about: str = "") -> pb.AskResponse:
    told = pb.NoAnswer(reason=reason, message=message)
    return pb.AskResponse(no_answer=told, about=about, model=model_message(model))


def _memories(answer: StoryAnswer, told: Sequence[NumberedSentence]) -> list[pb.StorySentence]:
    return [
        pb.StorySentence(number=told[place].number, text=told[place].text)
        for place in answer.memories
    ]
