"""A Python caller's questions, and the stories that it tells."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from striate.serve.client.caller import Caller
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb

ANSWERS = "striate.v1.QuestionAnswering"
PAGE = 1000
Answer = TypeVar("Answer", bound=Message)


class AnswerCalls:
    """Questions, and stories: `Client.answers`.

    The methods answer the messages of ``striate/v1/question_answering.proto``, which says what each
    field is. Every method may raise what `Client.tag` does.

    Args:
        client: of the application.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    def ask(
        self,
        question: str,
        story: str = "",
        sentences: Sequence[str] = (),
        *,
        top_k: int = 5,
        min_score: float = 0.0,
    ) -> pb.AskResponse:
        """Answer a question: from the knowledge base, or about a story.

        Args:
            question: in words.
            story: the name of a story that was told by `remember`.
            sentences: of a story that is not kept, in the place of a kept one.
            top_k: answers, at most.
            min_score: answers scoring less are left out; from 0 to 1.

        Returns:
            The answers, or why there is none.
        """
        message = pb.AskRequest(
            question=question, story=story, sentences=sentences, top_k=top_k, min_score=min_score
        )
        return self._call(pb.AskResponse, "Ask", message)

    def remember(self, story: str, sentences: Sequence[str]) -> pb.RememberResponse:
        """Tell more of a story; a call that is repeated keeps nothing twice.

        Args:
            story: its name.
            sentences: oldest first.
        """
        message = pb.RememberRequest(story=story, sentences=sentences, call_id=uuid.uuid4().hex)
        return self._call(pb.RememberResponse, "Remember", message)

    def recall(self, story: str) -> Iterator[pb.KeptSentence]:
        """The sentences of a story, from the latest back, a page at a time."""
        before = 0
        while True:
            message = pb.RecallRequest(story=story, limit=PAGE, before=before)
            page = self._call(pb.RecallResponse, "Recall", message).sentences
            yield from reversed(page)
            if len(page) < PAGE or page[0].number == 1:
                return
            before = page[0].number

    def stories(self) -> Iterator[pb.KeptStory]:
        """The caller's stories, by name."""
        after = ""
        while True:
            message = pb.RecallRequest(limit=PAGE, after=after)
            page = self._call(pb.RecallResponse, "Recall", message).stories
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].name

    def forget(
        self, story: str = "", numbers: Sequence[int] = (), *, everything: bool = False
    ) -> pb.ForgetStoryResponse:
        """Forget sentences of a story, a story, or all of the caller's; counts prove it.

        Args:
            story: its name.
            numbers: only these sentences of it.
            everything: all stories; without a name.
        """
        message = pb.ForgetStoryRequest(story=story, numbers=numbers, everything=everything)
        return self._call(pb.ForgetStoryResponse, "Forget", message)

    def _call(self, kind: type[Answer], method: str, message: Any) -> Answer:
        """Call a method that answers a message of that kind."""
        answer: Answer = self._client.call(ANSWERS, method, message)
        return answer
