"""Lexicons learnt and read, and a grammar whose probabilities sum to one."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import DataError
from striate.models.automata import EPSILON, Fsa, compose, linear_fsa, shortest_path
from striate.models.speech.grammar import bigram_grammar
from striate.models.speech.lexicon import Lexicon, Pronunciation

pytestmark = pytest.mark.unit

WORDS = ("a", "b", "c", "d")


def test_a_lexicon_is_learnt_from_words_and_phones_with_their_places() -> None:
    words = [(0, 10, "in the"), (10, 20, "boat")]
    phones = [(0, 5, "I"), (5, 8, "n"), (8, 9, "pau"), (9, 10, "D"), (10, 20, "b")]
    other = [(0, 10, "boat")], [(0, 5, "b"), (5, 10, "t")]
    lexicon = Lexicon.of_spans([(words, phones), other], quiet=["pau"])
    assert lexicon.pronunciations == (
        Pronunciation(("boat",), ("b",), 0.5),
        Pronunciation(("boat",), ("b", "t"), 0.5),
        Pronunciation(("in", "the"), ("I", "n", "D"), 1.0),
    )
    assert lexicon.words == ("boat", "in", "the")
    assert Lexicon.of_text(lexicon.to_text()) == lexicon


@pytest.mark.parametrize("line", ["boat", "boat 1", "boat x b", "boat 0 b", "boat 1.5 b", "_ 1 b"])
def test_a_line_that_is_no_pronunciation_is_named(line: str) -> None:
    with pytest.raises(DataError, match="Line 3"):
        Lexicon.of_text(f"one 1 w V n\n\n{line}\n")


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=5), max_size=5))
def test_after_each_word_something_follows_with_probability_one(sentences: list[list[str]]) -> None:
    grammar = bigram_grammar(sentences, WORDS)
    grammar.check()
    arcs = list(
        zip(*(x.tolist() for x in (grammar.sources, grammar.labels, grammar.scores)), strict=True)
    )
    free = len(WORDS) + 1
    alone = {label: math.exp(score) for source, label, score in arcs if source == free}
    assert sum(alone.values()) == pytest.approx(1)
    for state in range(free):
        seen = {label: math.exp(score) for source, label, score in arcs if source == state}
        back = seen.pop(EPSILON)
        unseen = sum(share for label, share in alone.items() if label not in seen)
        assert sum(seen.values()) + back * unseen == pytest.approx(1)


def score_of(grammar: Fsa, labels: list[int]) -> float:
    return float(shortest_path(compose(linear_fsa(labels), grammar)).scores.sum())


def test_what_was_said_is_likelier_and_what_was_not_is_possible() -> None:
    grammar = bigram_grammar([["a", "b"], ["a", "b"], ["a", "c"]], WORDS)
    assert score_of(grammar, [1, 2]) > score_of(grammar, [1, 3]) > score_of(grammar, [3, 4])
    # (3 − ½) / 3 of "a" first, (2 − ½) / 3 of "b" after it, (2 − ½) / 2 of the end after that
    assert score_of(grammar, [1, 2]) == pytest.approx(math.log(5 / 6 * 1 / 2 * 3 / 4), abs=1e-6)
