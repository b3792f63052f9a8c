"""`striate.v1.Language` over a real socket: words, translations, many sentences on a stream."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest
import torch

from striate.core.errors import PayloadTooLarge
from striate.data.transforms.text.training import TokenizerSpec, train_tokenizer
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.metadata import ERROR_KEY
from striate.serve.common.types import ModelName
from striate.serve.predictors.asked_words import FindNearest, WordPredictor
from striate.serve.predictors.embeddings import Embeddings
from striate.serve.predictors.sentence_translations import SentencePredictor, TranslateText
from striate.serve.predictors.translation import Translation
from striate.serve.protos.striate.v1 import language_pb2 as pb
from striate.serve.protos.striate.v1 import language_pb2_grpc as pb_grpc
from striate.serve.server.servable import Servable
from striate.serve.server.server import ModelServer
from striate.serve.services.language import Language

pytestmark = pytest.mark.unit
WORDS = ("man", "woman", "king", "queen", "tree")
PLACES = {"man": (1, 0, 0.1), "woman": (1, 1, 0.1), "king": (1, 0, 1), "queen": (1, 1, 1),
          "tree": (-1, 0.5, 0)}  # fmt: skip


class Reversing:
    """Translates by reversing the words, and refuses the word "long"; tells the batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []

    def translate(self, texts: Sequence[str], beam: int) -> list[Translation]:
        """Every text, or none."""
        self.batches.append((len(texts), beam))
        if any("long" in text for text in texts):
            raise PayloadTooLarge("The text is too long.", "Send it in parts.")
        return [Translation(" ".join(text.split()[::-1]), -1.0 * len(text)) for text in texts]


def _embeddings() -> Embeddings:
    tokenizer = train_tokenizer([" ".join(WORDS)] * 3, TokenizerSpec(kind="words", size=500))
    table = torch.zeros(tokenizer.size, 3)
    for word, place in PLACES.items():
        (number,) = tokenizer.encode(word, 2)
        table[number] = torch.tensor(place)
    return Embeddings(tokenizer, table, most_frequent=tokenizer.size)


class Caller:
    """Of a server of the service."""

    def __init__(self, address: str, translator: Reversing) -> None:
        self.translator = translator
        self._channel = grpc.insecure_channel(address)
        self.stub: Any = pb_grpc.LanguageStub(self._channel)  # type: ignore[no-untyped-call]

    def call(self, method: str, **fields: Any) -> Any:
        """Call a method with the fields of its request."""
        service = pb.DESCRIPTOR.services_by_name["Language"]
        request = getattr(pb, service.methods_by_name[method].input_type.name)(**fields)
        return getattr(self.stub, method)(request, timeout=30)

    def refused(self, method: str, **fields: Any) -> tuple[str, str]:
        """Code and sentence of a call that is not answered."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, **fields)
        error: Any = caught.value
        codes = [one.value for one in error.trailing_metadata() if one.key == ERROR_KEY]
        return "".join(codes), error.details()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


Serve = Callable[..., Caller]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves it: ``serve(words=False)``; ended with the test."""
    started: list[tuple[Caller, ModelServer]] = []

    def start(words: bool = True, translation: bool = True) -> Caller:
        limits, batching = Limits(stream_window=8), Batching(max_size=16, threads=1)
        table, reversing = WordPredictor(_embeddings()), Reversing()
        stand_in: Any = reversing
        known: Any = Servable(ModelName("words", "1"), table, FindNearest("man", (), 1), limits)
        said: Any = Servable(
            ModelName("reversed", "2"), SentencePredictor(stand_in), TranslateText("a b"), limits,
            batching,
        )  # fmt: skip
        service = Language(known if words else None, said if translation else None, limits)
        server = ModelServer([service], limits=limits)
        started.append((Caller(server.address, reversing), server))
        return started[-1][0]

    yield start
    for caller, server in started:
        caller.close()
        server.stop(1)


def test_words_are_vectors_near_others_and_in_analogies(serve: Serve) -> None:
    caller = serve()
    found = caller.call("Embed", texts=["king", "man tree"])
    assert [list(one.values) for one in found.vectors] == [
        pytest.approx(PLACES["king"]), pytest.approx((0, 0.25, 0.05)),
    ]  # fmt: skip
    near = caller.call("Nearest", word="king", top_k=2)
    assert near.words[0].word == "queen" and len(near.words) == 2 and near.model.name == "words"
    by_vector = caller.call("Nearest", vector=PLACES["king"], top_k=1).words[0]
    assert by_vector.word == "king" and by_vector.cosine == pytest.approx(1)
    assert caller.call("Analogy", a="man", b="king", c="woman").words[0].word == "queen"


def test_sentences_are_translated_in_their_order_and_in_batches(serve: Serve) -> None:
    caller = serve()
    texts = [f"a{n} b{n}" for n in range(50)]
    answer = caller.call("Translate", texts=texts, beam=3)
    assert [one.text for one in answer.translations] == [f"b{n} a{n}" for n in range(50)]
    assert answer.translations[0].complete and answer.model.version == "2"
    assert {beam for _, beam in caller.translator.batches if beam != 12} == {3}
    assert max(size for size, _ in caller.translator.batches) > 1


def test_a_sentence_that_cannot_be_translated_fails_alone_on_a_stream(serve: Serve) -> None:
    caller = serve()
    texts = [*(f"a{n} b{n}" for n in range(40)), "too long", "x" * 1001]

    def messages() -> Iterator[Any]:
        for at in range(0, len(texts), 5):
            some = [
                pb.StreamedText(id=str(at + n), text=t) for n, t in enumerate(texts[at : at + 5])
            ]
            yield pb.TranslateStreamRequest(texts=some, beam=2)

    answers = [a for r in caller.stub.TranslateStream(messages(), timeout=30) for a in r.answers]
    found = {int(one.id): one for one in answers}
    assert sorted(found) == list(range(42))
    assert [found[n].translation.text for n in range(40)] == [f"b{n} a{n}" for n in range(40)]
    assert "too long" in found[40].failure.message and found[40].failure.code == "TOO_LARGE"
    assert "1,001 characters" in found[41].failure.message


@pytest.mark.parametrize(
    ("method", "fields", "code", "said"),
    [
        ("Embed", {}, "REQUEST", "no text"),
        ("Embed", {"texts": ["zebra"]}, "REQUEST", "not in the vocabulary"),
        ("Embed", {"texts": ["x" * 1001]}, "REQUEST", "1,001 characters"),
        ("Embed", {"texts": ["man"] * 1001}, "REQUEST", "1,001 texts"),
        ("Nearest", {}, "REQUEST", "or else a vector"),
        ("Nearest", {"word": "man", "vector": [1.0]}, "REQUEST", "or else a vector"),
        ("Nearest", {"word": "quen"}, "REQUEST", "Did you mean queen?"),
        ("Nearest", {"vector": [1.0, math.nan, 0]}, "REQUEST", "not finite"),
        ("Nearest", {"vector": [0.0, 0.0, 0.0]}, "REQUEST", "zeros"),
        ("Nearest", {"vector": [1.0]}, "REQUEST", "shape"),
        ("Nearest", {"word": "man", "top_k": 2**31}, "REQUEST", "top_k"),
        ("Analogy", {"a": "man", "b": " ", "c": "man"}, "REQUEST", "field b"),
        ("Analogy", {"a": "man", "b": "king", "c": "\u202eنص"}, "REQUEST", "vocabulary"),
        ("Translate", {}, "REQUEST", "no text"),
        ("Translate", {"texts": ["a"], "beam": 65}, "REQUEST", "beam"),
        ("Translate", {"texts": ["a", "so long"]}, "TOO_LARGE", "in parts"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    serve: Serve, method: str, fields: dict[str, Any], code: str, said: str
) -> None:
    caller = serve()
    found, sentence = caller.refused(method, **fields)
    assert found == code and said in sentence
    assert caller.call("Translate", texts=["a b"]).translations[0].text == "b a"


def test_what_a_deployment_has_no_model_for(serve: Serve) -> None:
    assert "no table of words" in serve(words=False).refused("Nearest", word="man")[1]
    assert "translates nothing" in serve(translation=False).refused("Translate", texts=["a"])[1]
