"""The word that somebody may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.serve.predictors.spelling import alphabet, nearest_spelling

pytestmark = pytest.mark.unit

NUMBERS = {word: at for at, word in enumerate(("tokyo", "kyoto", "tokio's", "mali", "bali", "a"))}
LETTERS = alphabet(NUMBERS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tokio", "tokyo"), ("tokyoo", "tokyo"), ("toyko", "tokyo"), ("okyo", "tokyo"),
        ("TOKYO", "tokyo"), ("Tokio", "tokyo"), ("kali", "mali"), ("tookioo", None), ("", "a"),
        ("x" * 10**5, None),
    ],
)  # fmt: skip
def test_the_most_frequent_word_one_edit_away(written: str, meant: str | None) -> None:
    assert nearest_spelling(written, NUMBERS, LETTERS) == meant


@given(st.text(max_size=12))
def test_what_is_proposed_is_in_the_vocabulary_and_is_another_word(written: str) -> None:
    found = nearest_spelling(written, NUMBERS, LETTERS)
    assert found is None or (found in NUMBERS and found != written)
