"""Hostile calls about questions, stories, words and speech: one right status each, and no harm."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from striate.data.transforms.audio.load import decode_audio, to_mono
from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName
from striate.serve.predictors.asked_knowledge import KnowledgeRequest
from striate.serve.predictors.asked_words import EmbedTexts, WordAnswer, WordRequest
from striate.serve.predictors.embeddings import Neighbour
from striate.serve.predictors.knowledge_answers import KnowledgeAnswers, NoAnswer
from striate.serve.predictors.recordings import RecordingPredictor
from striate.serve.predictors.sentence_translations import SentencePredictor, TranslateText
from striate.serve.predictors.speech import HeardSpeech, SpokenWord
from striate.serve.predictors.stories import StoryAnswer, StoryRequest
from striate.serve.predictors.translation import Translation
from striate.serve.protos.striate.v1 import question_answering_pb2 as pb
from striate.serve.server.servable import Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.language import Language
from striate.serve.services.question_answering import QuestionAnswering
from striate.serve.services.speech import SpeechService
from striate.serve.services.story_calls import StoryCalls, StorySettings
from striate.serve.stories.store import StoryStore

CASES, AT_ONCE, DEADLINE_S = 2000, 8, 20.0
RIGHT = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
UNWRITTEN = "Internal error from Core"
"""What `grpc.aio` says by itself when a server ends a stream before its caller has written all."""


class Echoes:
    """Stands in for every network: what is asked for is what is answered."""

    def answers(self, requests: Sequence[Any]) -> list[Any]:
        """One each."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if isinstance(request, StoryRequest):
            return [StoryAnswer(request.sentences[-1], 1.0, 0.5, 0.9, (0,))]
        if isinstance(request, KnowledgeRequest):
            return KnowledgeAnswers((), reason=NoAnswer.NO_ENTITY, said="Nothing known is named.")
        return self._word(request)

    def _word(self, request: WordRequest) -> WordAnswer:
        if isinstance(request, EmbedTexts):
            return np.ones((len(request.texts), 3), np.float32)
        return [Neighbour("word", 0.5)][: request.top_k]

    def translate(self, texts: Sequence[str], beam: int) -> list[Translation]:
        """The texts themselves."""
        return [Translation(text, -1.0) for text in texts]

    def listen(self, sample_rate_hz: int) -> "Echoes":
        """Itself."""
        return self

    def decode_file(self, content: bytes) -> Any:
        """As the real one does."""
        samples, rate = decode_audio(content)
        return to_mono(samples, rate, rate), rate

    def accept(self, samples: Any) -> HeardSpeech:
        """A word."""
        return self.finish()

    def finish(self) -> HeardSpeech:
        """A word."""
        return HeardSpeech((SpokenWord("word", 0.0),), 1, 0.5)


def serve(folder: Path, limits: Limits) -> ModelServer:
    echoes: Any = Echoes()

    def servable(probe: Any, predictor: Any = echoes) -> Any:
        return Servable(ModelName("echoes", "1"), predictor, probe, limits)

    told = servable(StoryRequest(("Fred slept.",), "Who?"))
    calls = StoryCalls(StorySettings(), lambda: StoryStore.open(str(folder / "s.db")), 1000)
    questions = QuestionAnswering(servable(KnowledgeRequest("Who?")), told, calls, limits)
    sentences = servable(TranslateText("a"), SentencePredictor(echoes))
    recordings = RecordingPredictor(echoes, longest_s=5.0)
    speech = SpeechService(servable(KnowledgeRequest("Who?")), recordings, limits)
    return ModelServer(
        [questions, Language(servable(EmbedTexts(("a",))), sentences, limits), speech],
        limits=limits,
    )


@pytest.mark.unit
def test_no_case_harms_a_server_of_words(hostile: SimpleNamespace, tmp_path: Path) -> None:
    server = serve(tmp_path, hostile.limits)
    statuses: Counter[str] = Counter()
    with grpc.insecure_channel(server.address) as channel:

        def judge(number: int) -> str:
            case = hostile.word_case_of(number)
            status, answers, details = hostile.sent(channel, case)
            where = f"word_case_of({number}) of seed {hostile.seed}, {case.target.path}"
            left = case.leaves or details == UNWRITTEN
            assert left or status in RIGHT, f"{where}: {status} {details}"
            for answer in answers:
                case.target.response.FromString(answer)
            assert not hostile.leaks(details), f"{where}: {details}"
            statuses[status] += 1
            return str(case.target.path)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            called = set(pool.map(judge, range(CASES)))
        assert called == {target.path for target in hostile.word_targets}
        assert statuses["OK"] > 0.3 * CASES and statuses["INVALID_ARGUMENT"] > 0.2 * CASES
        ask: Any = channel.unary_unary("/striate.v1.QuestionAnswering/Ask")
        right = pb.AskRequest(question="Where?", sentences=["Here."]).SerializeToString()
        answer = pb.AskResponse.FromString(ask(right, timeout=DEADLINE_S))
        assert answer.answers[0].text == "Here."
    server.stop(1)
