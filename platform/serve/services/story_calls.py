"""Remember, Recall, Forget: stories that a caller tells, kept by name."""

from collections.abc import Callable

from striate.core.errors import PlatformError, RequestError
from striate.serve.common.tenants import TenantSettings
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb
from striate.serve.server.handlers import Call
from striate.serve.services.work_threads import WorkThreads
from striate.serve.stories.limits import StoryLimits
from striate.serve.stories.store import LONGEST_NAME, Sentence, StoryStore

DEFAULT_LIMIT, MOST_LIMIT = 100, 10_000
LONGEST_CALL_ID = 64
MOST_NUMBERS = 1000
"""Sentences that one call may forget by their numbers."""


class StorySettings(TenantSettings):
    """The part of an application's arguments that is about stories.

    Attributes:
        story_limits: how much of them is kept.
    """

    story_limits: StoryLimits = StoryLimits()


class StoryCalls:
    """The methods that keep and read stories.

    Attributes:
        limits: of stories.

    Args:
        settings: of the deployment.
        opened: opens the store, when the server begins.
        queued: calls that may wait for the store.
    """

    def __init__(
        self, settings: StorySettings, opened: Callable[[], StoryStore], queued: int
    ) -> None:
        self._settings, self.limits = settings, settings.story_limits
        self._opened = opened
        self._store: StoryStore | None = None
        self._threads = WorkThreads("stories", queued)

    def open(self) -> None:
        """Open the store.

        Raises:
            StoreOutdated, StoreBusy, StoreFull, StoreDamaged: as their names say.
        """
        self._store = self._opened()

    def close(self) -> None:
        """End the threads, and let the store go."""
        self._threads.close()
        if self._store is not None:
            self._store.close()

    async def remember(self, message: pb.RememberRequest, call: Call) -> pb.RememberResponse:
        """Keep sentences after those that a story has."""
        story, sentences = check_name(message.story), check_sentences(message, self.limits)
        if len(message.call_id) > LONGEST_CALL_ID:
            raise RequestError(f"call_id has more than {LONGEST_CALL_ID} characters.")
        told = await self._threads.run(
            self._kept.remember,
            self._tenant(call),
            story,
            sentences,
            self.limits,
            message.call_id,
        )
        return pb.RememberResponse(first=told.first, count=told.count, known=told.known)

    async def recall(self, message: pb.RecallRequest, call: Call) -> pb.RecallResponse:
        """The sentences of a story, or the caller's stories."""
        if message.limit > MOST_LIMIT:
            raise RequestError(f"limit is {message.limit}; at most {MOST_LIMIT:,} is allowed.")
        most, tenant = message.limit or DEFAULT_LIMIT, self._tenant(call)
        if not message.story:
            found = await self._threads.run(self._kept.list_stories, tenant, most, message.after)
            return pb.RecallResponse(
                stories=[pb.KeptStory(name=one.name, sentences=one.sentences) for one in found]
            )
        story, before = check_name(message.story), _number(message.before) or None
        told = await self._threads.run(self._kept.recall, tenant, story, most, before)
        return pb.RecallResponse(
            sentences=[
                pb.KeptSentence(number=one.number, text=one.text, at_unix_s=one.at_unix_s)
                for one in told
            ]
        )

    async def forget(self, message: pb.ForgetStoryRequest, call: Call) -> pb.ForgetStoryResponse:
        """Delete sentences, a story, or all of the caller's."""
        if message.everything == bool(message.story):
            raise RequestError("Name a story, or ask for everything to be forgotten, not both.")
        if message.everything and message.numbers:
            raise RequestError("Numbers are those of a story's sentences.", "Name the story.")
        if len(message.numbers) > MOST_NUMBERS:
            raise RequestError(f"One call forgets at most {MOST_NUMBERS:,} sentences by number.")
        story = None if message.everything else check_name(message.story)
        numbers = [_number(number) for number in message.numbers]
        gone = await self._threads.run(self._kept.forget, self._tenant(call), story, numbers)
        return pb.ForgetStoryResponse(
            stories=gone.stories,
            sentences=gone.sentences,
            left=gone.left,
            logs_emptied=gone.emptied,
        )

    async def read(self, name: str, most: int, call: Call) -> list[Sentence]:
        """The latest sentences of a story of the caller's."""
        story, tenant = check_name(name), self._tenant(call)
        return await self._threads.run(self._kept.recall, tenant, story, most)

    @property
    def _kept(self) -> StoryStore:
        if self._store is None:
            raise PlatformError("The server is ending.", "Try again in a moment.")
        return self._store

    def _tenant(self, call: Call) -> str:
        return self._settings.tenant_of(call.caller)


def check_name(name: str) -> str:
    """A story's name.

    Raises:
        RequestError: it is empty, too long, or holds what no name has.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise RequestError(
            f"{name[:40]!r} cannot be the name of a story.",
            f"Give 1 to {LONGEST_NAME} printable characters.",
        )
    return name


def check_sentences(
    message: pb.RememberRequest | pb.AskRequest, limits: StoryLimits
) -> tuple[str, ...]:
    """The sentences of a message.

    Raises:
        RequestError: there is none, one is empty or too long, or there are too many.
    """
    sentences = tuple(message.sentences)
    if not sentences:
        raise RequestError("The request holds no sentence.", "Send at least one.")
    if len(sentences) > limits.together:
        raise RequestError(
            f"The request holds {len(sentences):,} sentences; {limits.together:,} are allowed."
        )
    for place, sentence in enumerate(sentences, start=1):
        if not sentence.strip():
            raise RequestError(f"Sentence {place} is empty.")
        if len(sentence) > limits.characters:
            raise RequestError(
                f"Sentence {place} has {len(sentence):,} characters; "
                f"{limits.characters:,} are allowed."
            )
        if "\0" in sentence:  # PostgreSQL keeps none
            raise RequestError(f"Sentence {place} holds a character of code 0.")
    return sentences


def _number(number: int) -> int:
    """Of a sentence, as the store has it; larger ones are no sentence's."""
    return min(number, 2**63 - 1)
