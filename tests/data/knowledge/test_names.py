"""How names are folded and compared: any script, one edit, and exactly what brute force finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data.knowledge.spelling import hash_deletions, hash_texts, one_edit
from striate.data.knowledge.words import name_key, name_words

pytestmark = pytest.mark.unit

LETTERS = st.text("abc ", max_size=6)


def edits(text: str) -> set[str]:
    """Every text over a, b, c and blanks within one edit."""
    alphabet = "abc "
    places = range(len(text) + 1)
    gone = {text[:at] + text[at + 1 :] for at in places}
    more = {text[:at] + letter + text[at:] for at in places for letter in alphabet}
    other = {text[:at] + letter + text[at + 1 :] for at in places[:-1] for letter in alphabet}
    swapped = {text[:at] + text[at : at + 2][::-1] + text[at + 2 :] for at in places[:-1]}
    return {text} | gone | more | other | swapped


@given(LETTERS, LETTERS)
def test_one_edit_is_what_all_edits_give(one: str, other: str) -> None:
    assert one_edit(one, other) == (other in edits(one))


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_hashes_of_deletions_are_those_of_the_shorter_texts(texts: list[str]) -> None:
    hashes, owners = hash_deletions(texts)
    shorter = [text[:at] + text[at + 1 :] for text in texts for at in range(len(text))]
    assert owners.tolist() == [at for at, text in enumerate(texts) for _ in text]
    assert np.array_equal(hashes, hash_texts(shorter))


def test_different_texts_have_different_hashes() -> None:
    texts = [f"{one} {other}" for one in range(300) for other in range(300)]
    assert len(np.unique(hash_texts(texts))) == len(texts)
    assert hash_texts([]).shape == (0,)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("Côte d'Ivoire", "COTE D’IVOIRE"),
        ("São Tomé", "Sao  Tome"),
        ("Straße", "STRASSE"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("e\u0301cole", "école"),
        ("Москва", "МОСКВА"),
        ("القاهرة", "القَاهِرة"),
        ("東京", "東 京"),
    ],
)
def test_ways_to_write_a_name_have_one_key(written: str, same: str) -> None:
    assert name_key(written) == name_key(same) != ""


@given(st.text(max_size=40))
def test_words_stand_where_they_say(text: str) -> None:
    words = list(name_words(text))
    assert " ".join(word.text for word in words) == name_key(text)
    for places in ([word.start for word in words], [word.stop for word in words]):
        assert places == sorted(places)  # a sign such as ¼ is two words
    assert all(0 <= word.start < word.stop <= len(text) for word in words)
    for word in words:
        assert word.text in name_key(text[word.start : word.stop])


def test_controls_and_marks_are_no_names() -> None:
    assert name_key("\x00\u202e?!…") == ""
