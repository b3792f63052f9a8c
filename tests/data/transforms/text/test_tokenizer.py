"""Text to ids and back: trained on a corpus, the same everywhere, and at ease with bad input."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import BundleError, DataError, PayloadTooLarge, RecipeError
from striate.core.validation import check_arguments
from striate.data.transforms.text.clean import MOST_BYTES, clean_text
from striate.data.transforms.text.markup import split_markup
from striate.data.transforms.text.tokenizer import BEGIN, END, PAD, SPECIAL, UNKNOWN, Tokenizer
from striate.data.transforms.text.training import TokenizerSpec, train_tokenizer

pytestmark = pytest.mark.unit

TEXTS = (
    "The <b>quick</b> fox doesn't run.",
    "The fox is quick; the hen isn't.",
    "Le renard est rapide, la poule ne l'est pas. <b>Non</b>",
    "שלום עולם, the fox",
)
SIZE = 400


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerSpec(size=SIZE))


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerSpec(kind="words", size=SIZE, lowercase=True))


@given(st.text(max_size=80))
def test_pieces_give_back_every_text_without_tags(pieces: Tokenizer, text: str) -> None:
    cleaned = clean_text(text)
    if all(not is_tag for _, is_tag in split_markup(cleaned)):
        assert pieces.decode(pieces.encode(text)) == cleaned


@given(st.text(alphabet="ab <>/!-&;b\x00\u05d0\u202e", max_size=60))
def test_what_pieces_stand_for_is_the_cleaned_text(words: Tokenizer, text: str) -> None:
    shown = "".join(part for _, part in words.pieces(text))
    assert shown == clean_text(text).replace(" ", "") or "<" in text


def test_words_are_cut_at_marks_and_not_at_apostrophes(words: Tokenizer) -> None:
    cut = [part for _, part in words.pieces("The fox, 3,000 of them: doesn't (U.S.) run!")]
    assert " ".join(cut) == "The fox , 3,000 of them : doesn't ( U.S . ) run !"
    assert words.decode(words.encode("The FOX doesn't fly")) == "the fox doesn't <unk>"


def test_a_tag_is_one_token_known_or_not(pieces: Tokenizer, words: Tokenizer) -> None:
    text = 'A <b>fox</b> <a href="x y">runs</a>'
    for tokenizer in (pieces, words):
        found = {part: number for number, part in tokenizer.pieces(text)}
        known, unknown = found["<b>"], found['<a href="x y">']
        assert tokenizer.words[known] == "<b>" and unknown == UNKNOWN
    assert pieces.decode(pieces.encode("The <b>fox</b>")) == "The <b>fox</b>"


def test_no_text_has_a_special_id(pieces: Tokenizer, words: Tokenizer) -> None:
    for tokenizer in (pieces, words):
        for word in SPECIAL:
            assert not {PAD, BEGIN, END} & set(tokenizer.encode(f"The {word} fox{word}"))
            assert tokenizer.id_of(word) == UNKNOWN
    trained = train_tokenizer(["<pad> </s> <s> fox <unk>"] * 3, TokenizerSpec(kind="words"))
    assert trained.words == (*SPECIAL, "fox")


def test_decoding_ends_at_the_end(pieces: Tokenizer) -> None:
    ids = pieces.encode("The fox")
    assert pieces.decode([BEGIN, *ids, END, *ids, PAD]) == "The fox"
    assert pieces.decode([]) == pieces.decode([END]) == ""
    assert pieces.decode([*ids, pieces.size + 7]) == "The fox<unk>"


@pytest.mark.parametrize("kind", ["pieces", "words"])
def test_equal_texts_give_equal_files(kind: str) -> None:
    spec = TokenizerSpec.model_validate({"kind": kind, "size": SIZE})
    code = (
        "import sys, hashlib; sys.path[:0] = ['.']\n"
        "from striate.data.transforms.text.training import *\n"
        f"made = train_tokenizer({TEXTS!r}, TokenizerSpec(kind={kind!r}, size={SIZE}))\n"
        "print(made.to_text(), end='')\n"
        "assert 'huggingface_hub' not in sys.modules  # what would fetch is never imported"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert train_tokenizer(TEXTS, spec).to_text().encode() == other.stdout


def test_one_travels_as_its_text(pieces: Tokenizer) -> None:
    copies = (Tokenizer(pieces.to_text()), pickle.loads(pickle.dumps(pieces)))  # noqa: S301
    for copy in copies:
        assert copy.words == pieces.words
        assert copy.encode(TEXTS[0]) == pieces.encode(TEXTS[0])


@pytest.mark.parametrize("text", ["", "{}", "no JSON", "[1]", '{"model": {"type": "WordLevel"}}'])
def test_a_file_that_is_no_tokeniser_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="tokeniser"):
        Tokenizer(text)


def test_a_vocabulary_without_the_special_words_is_refused(words: Tokenizer) -> None:
    with pytest.raises(BundleError, match="<pad>, <unk>, <s>, </s>"):
        Tokenizer(words.to_text().replace("<s>", "<S>"))


def test_the_vocabulary_is_as_large_as_it_was_told_to_be() -> None:
    texts = [f"word{number:04d}" for number in range(1000) for _ in range(1 + number % 3)]
    made = train_tokenizer(texts, TokenizerSpec(kind="words", size=SIZE, least=3))
    assert made.size == len(SPECIAL) + 333
    with pytest.raises(RecipeError, match="size = 9"):
        check_arguments(TokenizerSpec, {"size": 9}, "tokeniser")


@pytest.mark.parametrize("texts", [[], ["", " \x00 "], ["<b></b>"]])
@pytest.mark.parametrize("kind", ["pieces", "words"])
def test_a_corpus_without_a_word_is_refused(texts: list[str], kind: str) -> None:
    with pytest.raises(DataError, match="no word"):
        train_tokenizer(texts, TokenizerSpec.model_validate({"kind": kind}))


def test_controls_and_marks_of_direction_are_no_part_of_a_word() -> None:
    assert clean_text("\ufeffa\x00b\u202ec \u200fd\r\n\u2028e\u00a0f\u00adg") == "a bc d e fg"
    assert clean_text("e\u0301") == "é"
    assert clean_text("\ud800x") == "\ufffdx"
    assert clean_text("עברית abc عربي") == "עברית abc عربي"


@pytest.mark.parametrize("text", ["a" * MOST_BYTES, "<" * MOST_BYTES, "<b" * (MOST_BYTES // 2)])
def test_a_text_of_a_megabyte_is_cut_to_what_is_asked_for(words: Tokenizer, text: str) -> None:
    assert 1 <= len(words.encode(text, 50)) <= 50


@pytest.mark.parametrize("most", [0, 1, 700, 1500, 10**6])
def test_the_first_ids_are_the_same_however_many_are_asked_for(
    pieces: Tokenizer, words: Tokenizer, most: int
) -> None:
    text = "the <b>fox</b> " * 600 + "x" * 9000
    for tokenizer in (pieces, words):
        assert tokenizer.encode(text, most) == tokenizer.encode(text)[:most]
    assert pieces.decode(pieces.encode(text)) == text


def test_a_longer_text_is_refused() -> None:
    for text in ("a" * (MOST_BYTES + 1), "\u05d0" * (MOST_BYTES // 2 + 1)):
        with pytest.raises(PayloadTooLarge, match="1,048,576 bytes"):
            clean_text(text)
