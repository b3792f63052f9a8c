"""`striate.v1.Language`: words as vectors, and sentences in another language."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.core.errors import RequestError
from striate.serve.common.limits import Limits
from striate.serve.observability.observer import Observer
from striate.serve.predictors.asked_words import (
    EmbedTexts,
    FindAnalogy,
    FindNearest,
    WordAnswer,
    WordRequest,
)
from striate.serve.predictors.embeddings import Neighbour, Vector
from striate.serve.predictors.translation import Translation
from striate.serve.protos.striate.v1 import language_pb2 as pb
from striate.serve.server.handlers import NO_MODEL, Call, Method, StreamMethod, Unary
from striate.serve.server.servable import Servable
from striate.serve.services.question_messages import model_message
from striate.serve.services.translate_stream import (
    Sentences,
    TranslateStream,
    submit_text,
    translation_message,
)
from striate.serve.services.word_messages import (
    check_beam,
    check_texts,
    check_top_k,
    check_vector,
    check_word,
)

SERVICE = pb.DESCRIPTOR.services_by_name["Language"].full_name
Words = Servable[WordRequest, WordAnswer]


class Language:
    """The service around a table of words, a network that translates, or both.

    Args:
        words: tells words as vectors; None answers none of these methods.
        translator: translates; None answers none of these methods.
        limits: what is accepted.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self, words: Words | None, translator: Sentences | None, limits: Limits | None = None
    ) -> None:
        self._words, self._translator = words, translator
        self._limits = limits or Limits()
        first = words or translator
        self.model = first.model if first is not None else NO_MODEL
        self._streams: set[TranslateStream] = set()

    def methods(self) -> Mapping[str, Method]:
        """`Embed`, `Nearest`, `Analogy`, `Translate` and `TranslateStream`."""
        return {
            "Embed": Unary(pb.EmbedRequest, self._embed),
            "Nearest": Unary(pb.NearestRequest, self._nearest),
            "Analogy": Unary(pb.AnalogyRequest, self._analogy),
            "Translate": Unary(pb.TranslateRequest, self._translate),
            "TranslateStream": StreamMethod(self._translate_stream),
        }

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The table and the network."""
        return [one for one in (self._words, self._translator) if one is not None]

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Nothing is held beside the servables."""

    def drain(self) -> None:
        """Streams answer what they have read, and end."""
        for stream in self._streams:
            stream.drain()

    def close(self) -> None:
        """Nothing is held beside the servables."""

    async def _embed(self, message: pb.EmbedRequest, call: Call) -> pb.EmbedResponse:
        texts = check_texts(message.texts)
        found: Vector = await self._ask_words(EmbedTexts(texts), call)
        vectors = [pb.TextVector(values=row) for row in found]
        return pb.EmbedResponse(vectors=vectors, model=model_message(call.model))

    async def _nearest(self, message: pb.NearestRequest, call: Call) -> pb.NearestResponse:
        top_k = check_top_k(message.top_k, self._limits)
        if bool(message.word) == bool(message.vector):
            raise RequestError("Send a word, or else a vector.")
        if message.word:
            request = FindNearest(check_word(message.word, "word"), (), top_k)
        else:
            request = FindNearest("", check_vector(message.vector), top_k)
        return self._near(await self._ask_words(request, call), call)

    async def _analogy(self, message: pb.AnalogyRequest, call: Call) -> pb.NearestResponse:
        top_k = check_top_k(message.top_k, self._limits)
        a, b, c = (check_word(getattr(message, name), name) for name in "abc")
        return self._near(await self._ask_words(FindAnalogy(a, b, c, top_k), call), call)

    async def _translate(self, message: pb.TranslateRequest, call: Call) -> pb.TranslateResponse:
        translator = self._needed_translator(call)
        texts, beam = check_texts(message.texts), check_beam(message.beam)
        waiting: list[asyncio.Future[Translation]] = []
        try:
            waiting.extend(submit_text(translator, text, beam, call) for text in texts)
            found = await asyncio.gather(*waiting)
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        answers = [translation_message(one) for one in found]
        return pb.TranslateResponse(translations=answers, model=model_message(translator.model))

    async def _translate_stream(self, call: Call) -> None:
        stream = TranslateStream(self._needed_translator(call), self._limits, call)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    async def _ask_words(self, request: WordRequest, call: Call) -> Any:
        if self._words is None:
            raise RequestError("This deployment has no table of words.", "Ask one that has.")
        call.model = self._words.model
        return await self._words.ask(request, call.deadline)

    def _needed_translator(self, call: Call) -> Sentences:
        if self._translator is None:
            raise RequestError("This deployment translates nothing.", "Ask one that does.")
        call.model = self._translator.model
        return self._translator

    def _near(self, found: Sequence[Neighbour], call: Call) -> pb.NearestResponse:
        words = [pb.NearWord(word=one.word, cosine=one.similarity) for one in found]
        return pb.NearestResponse(words=words, model=model_message(call.model))
