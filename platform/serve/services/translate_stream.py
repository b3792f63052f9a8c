"""Sentences of one bulk call, translated as they are ready."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from striate.serve.common.limits import Limits
from striate.serve.predictors.sentence_translations import TranslateText
from striate.serve.predictors.translation import Translation
from striate.serve.protos.striate.v1 import language_pb2 as pb
from striate.serve.protos.striate.v1 import photo_tagging_pb2 as tagging
from striate.serve.server.handlers import Call, parser
from striate.serve.server.servable import Servable
from striate.serve.services.answer_stream import AnswerStream
from striate.serve.services.word_messages import LONGEST_TEXT, check_beam, check_length

_SERVICE = pb.DESCRIPTOR.services_by_name["Language"].full_name
_parse = parser(pb.TranslateStreamRequest)
Sentences = Servable[TranslateText, Translation]


@dataclass(frozen=True)
class _Item:
    id: str
    text: str
    beam: int


class TranslateStream(AnswerStream[Translation]):
    """Answers one call of `TranslateStream`.

    Args:
        translator: translates the sentences.
        limits: how many may be under way.
        call: the call.
    """

    def __init__(self, translator: Sentences, limits: Limits, call: Call) -> None:
        self._translator = translator
        super().__init__(_SERVICE, "TranslateStream", translator.model, limits.stream_window, call)

    def items(self, raw: bytes) -> Iterable[_Item]:
        """Its sentences."""
        message = _parse(raw)
        return [_Item(one.id, one.text, message.beam) for one in message.texts]

    def submit(self, item: _Item) -> "Translation | asyncio.Future[Translation]":
        """What will have the sentence's translation."""
        return submit_text(self._translator, item.text, check_beam(item.beam), self._call)

    def answered(self, identity: str, answer: Translation) -> pb.StreamedTranslation:
        """A sentence's translation."""
        return pb.StreamedTranslation(id=identity, translation=translation_message(answer))

    def failed(self, identity: str, failure: tagging.Failure) -> pb.StreamedTranslation:
        """A sentence that cannot be translated."""
        return pb.StreamedTranslation(id=identity, failure=failure)

    def message(self, answers: Sequence[pb.StreamedTranslation]) -> pb.TranslateStreamResponse:
        """Sentences' translations."""
        return pb.TranslateStreamResponse(answers=answers)


def submit_text(
    translator: Sentences, text: str, beam: int | None, call: Call
) -> "asyncio.Future[Translation]":
    """Let one sentence be translated with others.

    Raises:
        RequestError: it is too long.
        QueueFull: too many wait.
    """
    check_length(text, "The text", LONGEST_TEXT)
    return translator.submit(TranslateText(text, beam), call.deadline, 1, len(text))


def translation_message(answer: Translation) -> pb.Translation:
    """The message of a translation."""
    return pb.Translation(text=answer.text, log_probability=answer.score, complete=answer.complete)
