"""`striate.v1.QuestionAnswering`: questions about a knowledge base, or about a story."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.core.errors import RequestError
from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import Observer
from striate.serve.predictors.asked_knowledge import KnowledgeRequest
from striate.serve.predictors.knowledge_answers import KnowledgeAnswers
from striate.serve.predictors.stories import MOST_SENTENCES, StoryAnswer, StoryRequest
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb
from striate.serve.server.handlers import NO_MODEL, Call, Method, Unary
from striate.serve.server.servable import Servable
from striate.serve.services import question_messages as messages
from striate.serve.services.story_calls import StoryCalls, check_sentences

SERVICE = pb.DESCRIPTOR.services_by_name["QuestionAnswering"].full_name
Knowledge = Servable[KnowledgeRequest, KnowledgeAnswers]
Stories = Servable[StoryRequest, list[StoryAnswer]]


class QuestionAnswering:
    """The service around a network of a knowledge base, one of stories, or both.

    Args:
        knowledge: answers from a knowledge base; None answers no such question.
        stories: answers about stories; None answers no such question.
        calls: keep and read stories.
        limits: what is accepted.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self,
        knowledge: Knowledge | None,
        stories: Stories | None,
        calls: StoryCalls,
        limits: Limits | None = None,
    ) -> None:
        self._knowledge, self._stories, self._calls = knowledge, stories, calls
        self._limits = limits or Limits()
        first = knowledge or stories
        self.model: ModelName = first.model if first is not None else NO_MODEL

    def methods(self) -> Mapping[str, Method]:
        """`Ask`, `Remember`, `Recall` and `Forget`."""
        return {
            "Ask": Unary(pb.AskRequest, self._ask),
            "Remember": Unary(pb.RememberRequest, self._calls.remember),
            "Recall": Unary(pb.RecallRequest, self._calls.recall),
            "Forget": Unary(pb.ForgetStoryRequest, self._calls.forget),
        }

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The networks."""
        return [one for one in (self._knowledge, self._stories) if one is not None]

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Open the store of stories."""
        self._calls.open()

    def drain(self) -> None:
        """There are no streams."""

    def close(self) -> None:
        """Let the store go."""
        self._calls.close()

    async def _ask(self, message: pb.AskRequest, call: Call) -> pb.AskResponse:
        asked = messages.check_question(message, self._limits)
        if message.story or message.sentences:
            return await self._ask_story(message, asked, call)
        knowledge = self._knowledge
        if knowledge is None:
            return messages.no_story(message.story, self.model)
        call.model = knowledge.model
        request = KnowledgeRequest(message.question, asked.top_k)
        found = await knowledge.ask(request, call.deadline, 1, len(message.question))
        return messages.from_knowledge(found, asked, knowledge.model)

    async def _ask_story(
        self, message: pb.AskRequest, asked: messages.Asked, call: Call
    ) -> pb.AskResponse:
        if message.story and message.sentences:
            raise RequestError("Name a story, or send one, not both.")
        stories = self._stories
        if stories is None:
            raise RequestError(
                "This deployment answers no questions about stories.", "Ask without a story."
            )
        call.model = stories.model
        if message.story:
            kept = await self._calls.read(message.story, MOST_SENTENCES, call)
            told = [messages.NumberedSentence(one.number, one.text) for one in kept]
        else:
            sent = check_sentences(message, self._calls.limits)
            told = [
                messages.NumberedSentence(place, text) for place, text in enumerate(sent, start=1)
            ]
        if not told:
            return messages.no_story(message.story, stories.model)
        request = StoryRequest(tuple(one.text for one in told), message.question, asked.top_k)
        size = sum(len(one.text) for one in told)
        found = await stories.ask(request, call.deadline, 1, size)
        return messages.from_story(found, told, asked, stories.model)
