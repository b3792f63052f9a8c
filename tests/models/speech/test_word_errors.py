"""The parts of the edit distance, against every alignment of short sentences."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.models.speech.word_errors import WordErrors, word_errors

pytestmark = pytest.mark.unit

SENTENCES = st.lists(st.sampled_from("abc"), max_size=6).map(tuple)


@cache
def alignments(said: tuple[str, ...], heard: tuple[str, ...]) -> set[tuple[int, int, int]]:
    """(substitutions, insertions, deletions) of every way to align."""
    if not said or not heard:
        return {(0, len(heard), len(said))}
    same = said[0] != heard[0]
    return (
        {(s + same, i, d) for s, i, d in alignments(said[1:], heard[1:])}
        | {(s, i + 1, d) for s, i, d in alignments(said, heard[1:])}
        | {(s, i, d + 1) for s, i, d in alignments(said[1:], heard)}
    )


@settings(max_examples=50)
@given(SENTENCES, SENTENCES)
def test_it_is_the_least_of_all_alignments(said: tuple[str, ...], heard: tuple[str, ...]) -> None:
    least = min(alignments(said, heard), key=lambda parts: (sum(parts), parts[1] + parts[2]))
    found = word_errors(said, heard)
    assert (found.substitutions, found.insertions, found.deletions) == least
    assert found.words == len(said)


def test_errors_of_utterances_add_up_to_one_rate() -> None:
    total = word_errors(["she", "found", "the", "boat"], ["she", "found", "a", "red", "boat"])
    assert total == WordErrors(substitutions=1, insertions=1, words=4)
    total += word_errors(["six", "six"], ["six"])
    assert str(total) == "50.00 % (1 S, 1 I, 1 D, of 6)"
    assert word_errors([], []).rate == 0
    assert word_errors([], ["what"]).rate == 1
