"""`striate.v1.QuestionAnswering` over a real socket: asked, told, recalled, forgotten."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from striate.serve.common.metadata import CALLER_KEY, ERROR_KEY
from striate.serve.common.types import ModelName
from striate.serve.predictors.asked_knowledge import KnowledgeRequest
from striate.serve.predictors.knowledge_answers import (
    KnowledgeAnswer,
    KnowledgeAnswers,
    KnownFact,
    NoAnswer,
)
from striate.serve.predictors.stories import StoryAnswer, StoryRequest
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb
from striate.serve.protos.striate.v1 import question_answering_pb2_grpc as pb_grpc
from striate.serve.server.servable import Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.question_answering import QuestionAnswering
from striate.serve.services.story_calls import StoryCalls, StorySettings
from striate.serve.stories.limits import StoryLimits
from striate.serve.stories.store import StoryStore

pytestmark = pytest.mark.unit
FRANCE = KnownFact("France", "capital", "Paris")


class LastMention:
    """Answers with the last word of the latest sentence that begins as the question ends."""

    def answers(self, requests: Sequence[StoryRequest]) -> list[list[StoryAnswer] | Exception]:
        """By a rule that is plain to see."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: StoryRequest) -> list[StoryAnswer]:
        who = request.question.rstrip("?").split()[-1]
        places = [n for n, text in enumerate(request.sentences) if text.startswith(who)]
        word = request.sentences[places[-1]].rstrip(".").split()[-1] if places else "nowhere"
        found = [StoryAnswer(word, 2.0, 1.0, 0.9, tuple(places[-1:])),
                 StoryAnswer("garden", 1.0, 0.5, 0.1)]  # fmt: skip
        return found[: request.top_k]


class OneFact:
    """A knowledge base of one fact."""

    def answers(self, requests: Sequence[KnowledgeRequest]) -> list[KnowledgeAnswers | Exception]:
        """What it knows of France."""
        return [self._answer(request.question) for request in requests]

    def _answer(self, question: str) -> KnowledgeAnswers:
        if "France" not in question:
            return KnowledgeAnswers((), reason=NoAnswer.NO_ENTITY, said="Nothing known is named.")
        if "capital" not in question:
            return KnowledgeAnswers(
                (), "France", reason=NoAnswer.NOTHING_KNOWN, said="France has no fact of that kind."
            )
        answer = KnowledgeAnswer("Paris", "Q90", 0.75, (FRANCE,))
        return KnowledgeAnswers((answer,), "France", "France", 0.75, total=1)


class Caller:
    """Of a server of the service."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._stub: Any = pb_grpc.QuestionAnsweringStub(self._channel)  # type: ignore[no-untyped-call]

    def call(self, method: str, who: str = "", **fields: Any) -> Any:
        """Call a method with the fields of its request."""
        service = pb.DESCRIPTOR.services_by_name["QuestionAnswering"]
        request = getattr(pb, service.methods_by_name[method].input_type.name)(**fields)
        metadata = ((CALLER_KEY, who),) if who else ()
        return getattr(self._stub, method)(request, metadata=metadata, timeout=30)

    def refused(self, method: str, **fields: Any) -> tuple[str, str, str]:
        """Status, code and sentence of a call that is not answered."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, **fields)
        error: Any = caught.value
        codes = [one.value for one in error.trailing_metadata() if one.key == ERROR_KEY]
        return error.code().name, "".join(codes), error.details()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


Serve = Callable[..., Caller]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves it: ``serve(knowledge=False)``; ended with the test. All share one store."""
    started: list[tuple[Caller, ModelServer]] = []

    def start(knowledge: bool = True, stories: bool = True, **settings: Any) -> Caller:
        base: Any = Servable(ModelName("facts", "1"), OneFact(), KnowledgeRequest("France?"))
        asked = StoryRequest(("Fred is home.",), "Where is Fred?")
        told: Any = Servable(ModelName("tales", "2"), LastMention(), asked)
        calls = StoryCalls(
            StorySettings(**settings), lambda: StoryStore.open(str(tmp_path / "stories.db")), 100
        )
        service = QuestionAnswering(base if knowledge else None, told if stories else None, calls)
        server = ModelServer([service])
        caller = Caller(server.address)
        started.append((caller, server))
        return caller

    yield start
    for caller, server in started:
        caller.close()
        server.stop(1)


def test_a_question_is_answered_with_the_path_that_led_there(serve: Serve) -> None:
    answer = serve().call("Ask", question="What is the capital of France?")
    (paris,) = answer.answers
    assert (paris.text, paris.entity, paris.score) == ("Paris", "Q90", 0.75)
    assert [(f.subject, f.relation, f.object) for f in paris.path] == [
        ("France", "capital", "Paris")
    ]
    assert (answer.about, answer.total, answer.model.name) == ("France", 1, "facts")
    assert not answer.HasField("no_answer")


@pytest.mark.parametrize(
    ("asked", "reason", "about"),
    [
        ({"question": "Who is Fred?"}, "UNKNOWN_ENTITY", ""),
        ({"question": "Who is king of France?"}, "NOTHING_KNOWN", "France"),
        ({"question": "capital of France?", "min_score": 0.8}, "NOT_SURE", "France"),
        ({"question": "Where is Fred?", "story": "never told"}, "NO_STORY", ""),
    ],
)
def test_no_answer_has_a_reason(
    serve: Serve, asked: dict[str, Any], reason: str, about: str
) -> None:
    answer = serve().call("Ask", **asked)
    assert not answer.answers and answer.no_answer.message
    assert pb.NoAnswer.Reason.Name(answer.no_answer.reason) == reason
    assert answer.about == about


def test_a_story_is_told_asked_about_recalled_and_forgotten(serve: Serve) -> None:
    first, second = serve(), serve()  # two replicas on one store
    assert first.call("Remember", story="s", sentences=["Fred went home.", "Ann slept."]).first == 1
    assert second.call("Remember", story="s", sentences=["Fred is in the kitchen."]).first == 3
    answer = first.call("Ask", question="Where is Fred?", story="s")
    assert [(one.text, round(one.score, 3)) for one in answer.answers] == [
        ("kitchen", 0.9), ("garden", 0.1)
    ]  # fmt: skip
    assert [(m.number, m.text) for m in answer.answers[0].memories] == [
        (3, "Fred is in the kitchen.")
    ]
    assert answer.model.name == "tales"
    assert second.call("Forget", story="s", numbers=[3]).sentences == 1
    assert first.call("Ask", question="Where is Fred?", story="s").answers[0].text == "home"
    kept = second.call("Recall", story="s").sentences
    assert [(one.number, one.text) for one in kept] == [(1, "Fred went home."), (2, "Ann slept.")]
    assert [one.number for one in second.call("Recall", story="s", before=2).sentences] == [1]
    gone = first.call("Forget", everything=True)
    assert (gone.stories, gone.sentences, gone.left, gone.logs_emptied) == (1, 2, 0, True)
    assert second.call("Ask", question="Where is Fred?", story="s").no_answer.message


def test_a_story_that_is_sent_along_is_not_kept(serve: Serve) -> None:
    caller = serve()
    answer = caller.call("Ask", question="Where is Ann?", sentences=["Ann went out.", "Bo sat."])
    assert answer.answers[0].text == "out" and answer.answers[0].memories[0].number == 1
    assert not caller.call("Recall").stories


def test_a_caller_reads_no_other_ones_stories(serve: Serve) -> None:
    caller = serve(tenants={"new-phone": "phone"})
    caller.call("Remember", "phone", story="mine", sentences=["Fred went home."])
    for stranger in ("laptop", ""):
        assert not caller.call("Recall", stranger, story="mine").sentences
        assert not caller.call("Recall", stranger).stories
        asked = caller.call("Ask", stranger, question="Where is Fred?", story="mine")
        assert pb.NoAnswer.Reason.Name(asked.no_answer.reason) == "NO_STORY"
        assert caller.call("Forget", stranger, story="mine").sentences == 0
    assert [one.name for one in caller.call("Recall", "new-phone").stories] == ["mine"]


def test_what_a_deployment_has_no_model_for(serve: Serve) -> None:
    told = serve(knowledge=False).call("Ask", question="What is the capital of France?")
    assert pb.NoAnswer.Reason.Name(told.no_answer.reason) == "NO_STORY"
    refused = serve(stories=False).refused("Ask", question="Where is Fred?", sentences=["Hm."])
    assert refused[0] == "INVALID_ARGUMENT" and "Ask without a story" in refused[2]


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [
        ("Ask", {"question": " "}, "no question"),
        ("Ask", {"question": "x" * 1_000_000}, "1,000,000 characters"),
        ("Ask", {"question": "x", "top_k": 2**31}, "top_k"),
        ("Ask", {"question": "x", "min_score": math.nan}, "min_score"),
        ("Ask", {"question": "x", "story": "a", "sentences": ["b"]}, "not both"),
        ("Ask", {"question": "x", "story": "a\nb"}, "name of a story"),
        ("Remember", {"story": "", "sentences": ["a"]}, "name of a story"),
        ("Remember", {"story": "s"}, "no sentence"),
        ("Remember", {"story": "s", "sentences": ["a", " "]}, "Sentence 2 is empty"),
        ("Remember", {"story": "s", "sentences": ["a\0b"]}, "code 0"),
        ("Remember", {"story": "s", "sentences": ["x" * 1001]}, "1,001 characters"),
        ("Remember", {"story": "s", "sentences": ["a"] * 1001}, "1,001 sentences"),
        ("Remember", {"story": "s", "sentences": ["a"], "call_id": "x" * 65}, "call_id"),
        ("Recall", {"limit": 10_001}, "limit"),
        ("Forget", {}, "Name a story"),
        ("Forget", {"story": "s", "everything": True}, "Name a story"),
        ("Forget", {"everything": True, "numbers": [1]}, "Name the story"),
        ("Forget", {"story": "s", "numbers": [1] * 1001}, "at most 1,000"),
    ],
)
def test_a_field_out_of_its_range_is_named(
    serve: Serve, method: str, fields: dict[str, Any], said: str
) -> None:
    status, code, sentence = serve().refused(method, **fields)
    assert (status, code) == ("INVALID_ARGUMENT", "REQUEST") and said in sentence


def test_a_full_story_says_so(serve: Serve) -> None:
    caller = serve(story_limits=StoryLimits(sentences=2))
    caller.call("Remember", story="s", sentences=["a", "b"])
    status, code, _ = caller.refused("Remember", story="s", sentences=["c"])
    assert (status, code) == ("RESOURCE_EXHAUSTED", "STORY_FULL")


def test_numbers_that_no_sentence_has_are_no_harm(serve: Serve) -> None:
    caller = serve()
    caller.call("Remember", story="s", sentences=["a"])
    largest = 2**64 - 1
    assert caller.call("Forget", story="s", numbers=[0, largest]).sentences == 0
    assert len(caller.call("Recall", story="s", before=largest).sentences) == 1
