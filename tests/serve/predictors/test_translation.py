"""Translation of whatever people send: the same alone and in batches, bounded, tags whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, PipelineSpec, TensorSpec
from striate.core.errors import BundleError, PayloadTooLarge, StriateError, UsageError
from striate.data.corpora.phrases import phrases
from striate.data.pipelines.texts import FILE
from striate.data.transforms.text.clean import clean_text
from striate.data.transforms.text.tokenizer import Tokenizer
from striate.data.transforms.text.training import TokenizerSpec, train_tokenizer
from striate.models import build
from striate.serve.predictors.translation import MOST_TOKENS, Translation, Translator

pytestmark = pytest.mark.unit

IDS = TensorSpec(dtype="int64", shape=("words",), layout="T", units="token id")
SCORES = TensorSpec(dtype="float32", shape=("words", 500), layout="TC", units="logit")
PAIRS = list(phrases(300))


def write_bundle(path: Path, kind: str) -> None:
    """An untrained network that says something else for everything it reads."""
    torch.manual_seed(0)
    arguments = {"source_words": 500, "classes": 500, "dim": 32, "layers": 2}
    architecture = Architecture(name="seq2seq_lstm", arguments=arguments)
    model = build(architecture)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    tokenizer = {"kind": kind, "size": 500}
    sequences = {
        "source": {"column": "en", "tokenizer": tokenizer},
        "target": {"column": "fr", "begin": True, "end": True, "tokenizer": tokenizer},
    }
    spec = BundleSpec(
        architecture=architecture,
        task="translation",
        inputs={"source": IDS, "target": IDS},
        outputs={"scores": SCORES},
        pipeline=PipelineSpec(name="text", arguments={"sequences": sequences}),
    )
    made = {
        FILE.format(name): train_tokenizer([pair[at] for pair in PAIRS], TokenizerSpec(**tokenizer))
        for at, name in enumerate(("source", "target"))
    }
    Bundle.write(
        path, spec, model.state_dict(), {name: one.to_text() for name, one in made.items()}
    )


@pytest.fixture(scope="module")
def translators(made_once: Callable[..., Path]) -> dict[str, Translator]:
    def make(folder: Path) -> None:
        for kind in ("pieces", "words"):
            write_bundle(folder / kind, kind)

    folder = made_once("translators", make)
    return {kind: Translator.load(Bundle.open(folder / kind)) for kind in ("pieces", "words")}


@pytest.fixture
def translator(translators: dict[str, Translator]) -> Translator:
    return translators["pieces"]


def test_a_text_is_translated_alike_in_every_batch(translator: Translator) -> None:
    texts = [english for english, _ in PAIRS[:80]]
    alone = [found for text in texts for found in translator.translate([text], beam=4)]
    assert len({found.text for found in alone}) > 40
    for size in (2, 50, 80):
        together = [
            found
            for at in range(0, 80, size)
            for found in translator.translate(texts[at : at + size], beam=4)
        ]
        assert together == alone


ODD = {
    "nothing": "",
    "blanks": " \n\t ",
    "controls": "The \x00dog\x1b[31m\x07 sees\u202e the house\x9f.",
    "right to left": "הכלב רואה את הבית. الكلب يرى البيت.",
    "mixed scripts": "The собака sees 房子 और بیت 🐕‍🦺 the house.",
    "no words": "… — ?! 🐕",
    "half a character": "dog \ud83d house",
    "one word": "dog",
    "a long word": "x" * 900,
}


@pytest.mark.parametrize("kind", ["pieces", "words"])
@pytest.mark.parametrize("name", ODD)
def test_odd_texts_are_translated_and_bounded(
    name: str, kind: str, translators: dict[str, Translator]
) -> None:
    (found,) = translators[kind].translate([ODD[name]], beam=2)
    assert isinstance(found, Translation) and found.score <= 0
    assert found.text.encode() or not ODD[name].strip() or kind == "pieces"
    assert found.text == clean_text(found.text)
    assert len(found.text) < 40 * (2 * len(ODD[name]) + 10)


def test_what_has_no_words_stays_as_it_is(translator: Translator) -> None:
    texts = ["", " \t", "… ?!", "<br>"]
    assert [one.text for one in translator.translate(texts)] == ["", "", "… ?!", "<br>"]
    assert all(one.score == 0 and one.complete for one in translator.translate(texts))
    assert translator.translate([]) == []


def test_tags_stay_whole_and_where_they_are(translator: Translator) -> None:
    """What is between two tags is translated as it would be alone."""
    text = '<p class="a b">The dog sees</p> <b>the big house</b>, <br/>every day<!-- no -->.'
    (found,) = translator.translate([text])
    alone = translator.translate(["The dog sees", "the big house", "every day"])
    one, two, three = (part.text for part in alone)
    assert found.text == f'<p class="a b">{one}</p> <b>{two}</b>, <br/>{three}<!-- no -->.'
    assert found.score == pytest.approx(sum(part.score for part in alone))


def test_one_word_a_thousand_times_comes_to_an_end(translator: Translator) -> None:
    (found,) = translator.translate(["dog " * 1000], beam=1)
    assert len(found.text.split()) <= 2 * 1000 + 10


@pytest.mark.parametrize("text", ["dog " * 5000, "<b>" * 2000, "x" * 1_000_000, "a" * 2**21])
def test_a_text_that_is_too_long_is_refused_in_a_sentence(
    translator: Translator, text: str
) -> None:
    with pytest.raises(PayloadTooLarge, match=r"^The text has more than [\d,]+ ") as refused:
        translator.translate(["The dog.", text])
    assert refused.value.remedy == "Send it in parts, a sentence each."
    assert MOST_TOKENS == 1024


def test_what_is_unknown_is_put_in_as_it_was_written(translators: dict[str, Translator]) -> None:
    translator = translators["words"]
    target: Tokenizer = translator._target
    words = [target.id_of("chien"), 1, target.id_of("maison"), 1, 1]
    assert translator._text(words, ("Striate", "V1")) == "chien Striate maison V1"


def test_further_translations_are_told_in_order(translator: Translator) -> None:
    first, second = translator.candidates(["The dog sees a house.", "<b>dog</b> house"], 3, beam=6)
    assert len(first) == 3 and len({one.text for one in first}) >= 2
    means = [one.score for one in second]
    assert first[0] == translator.translate(["The dog sees a house."], beam=6)[0]
    assert len(means) == 3
    assert len(translator.candidates(["dog"], 5, beam=2)[0]) == 2


def test_what_cannot_be_asked_is_refused(translator: Translator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="beam of 0"):
        translator.translate(["dog"], beam=0)
    model = build(Architecture(name="lenet1"))
    edge = TensorSpec(dtype="float32", shape=(1, 28, 28), layout="CHW", units="x")
    spec = BundleSpec(
        architecture=Architecture(name="lenet1"), task="classification",
        inputs={"input": edge}, outputs={"output": edge},
    )  # fmt: skip
    other = Bundle.write(tmp_path / "b", spec, model.state_dict())
    with pytest.raises(BundleError, match="for classification, not for translation"):
        Translator.load(other)
    assert issubclass(BundleError, StriateError)
