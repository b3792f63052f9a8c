"""Questions about stories as numbers, and words that are taken for unseen ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import RecipeError
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.story_questions import StoryQuestions, story_questions
from striate.data.transforms.text.stories import (
    SPARE,
    build_vocabulary,
    number_words,
    parse_story,
)

pytestmark = pytest.mark.unit

TEXT = (
    "1 Mary went to the office.\n2 John went to school.\n3 Where is Mary?\toffice\t1\n"
    "4 Mary took the milk.\n5 Where is the milk?\toffice\t4 1\n"
)
STORY = parse_story(TEXT)
VOCABULARY = build_vocabulary([STORY])
KNOWN = len(VOCABULARY) - SPARE


def stored(unit: int, text: str = TEXT, **fields: Any) -> Stored:
    numbers = number_words(STORY.words, VOCABULARY).tolist()
    return Stored(7, unit, text.encode(), -1, "k", {"known": KNOWN, "numbers": numbers, **fields})


def places(positions: Sequence[int], seed: int = 3) -> Places:
    return Places(seed, np.zeros(len(positions), np.int64), np.array(positions, np.int64))


def words(lines: torch.Tensor) -> list[str]:
    return [" ".join(VOCABULARY[n - 1] for n in line.tolist() if n) for line in lines]


def test_a_question_comes_first_and_what_was_said_before_it_in_order() -> None:
    pipeline = story_questions({"sentences": 4, "words": 5}, training=True)
    made = pipeline([stored(0), stored(1)], places([0, 1]))
    assert made["features"].shape == (2, *pipeline.shape) == (2, 5, 5)
    first, second = map(words, made["features"])
    assert first == ["where is mary", "mary went to the office", "john went to school", "", ""]
    assert second[:1] + second[3:] == ["where is the milk", "mary took the milk", ""]
    assert [VOCABULARY[n] for n in made["labels"].tolist()] == ["office", "office"]
    assert made["supports"].tolist() == [[0, -1], [2, 0]]


def test_the_latest_statements_are_kept_and_supports_before_them_are_none() -> None:
    pipeline = StoryQuestions(sentences=2, words=3, hops=3)
    made = pipeline([stored(1)], places([0]))
    assert words(made["features"][0]) == ["where is the", "john went to", "mary took the"]
    assert made["supports"].tolist() == [[1, -1, -1]]
    assert StoryQuestions(hops=1)([stored(1)], places([0]))["supports"].tolist() == [[2]]


@given(seed=st.integers(0, 1000), position=st.integers(0, 50))
def test_an_unseen_word_has_one_place_wherever_it_stands(seed: int, position: int) -> None:
    pipeline = story_questions({"unseen": 0.3, "sentences": 3}, training=True)
    plain = pipeline.model_copy(update={"training": False})
    at = places([position], seed)
    told, whole = (one([stored(1)], at) for one in (pipeline, plain))
    old, new = (one["features"].flatten().tolist() for one in (whole, told))
    pairs = set(zip(old, new, strict=True))
    labels = whole["labels"].item() + 1, told["labels"].item() + 1
    table = dict(pairs)
    assert len(pairs) == len(table) == len(set(table.values()))
    assert table[labels[0]] == labels[1]
    assert all(new == old or KNOWN < new <= len(VOCABULARY) for old, new in table.items())
    mixed = pipeline([stored(0), stored(1)], places([position + 1, position], seed))
    assert torch.equal(mixed["features"][1], told["features"][0])


def test_as_many_words_are_unseen_as_were_asked_for() -> None:
    pipeline = story_questions({"unseen": 0.25}, training=True)
    made = pipeline([stored(1)] * 400, places(range(400)))["features"]
    share = [float((np.unique(one[one > 0]) > KNOWN).mean()) for one in made.numpy()]
    assert 0.2 < np.mean(share) < 0.3
    assert np.std(share) > 0.1 and min(share) == 0


def test_a_damaged_story_is_named() -> None:
    with pytest.raises(DamagedSample, match="numbered"):
        StoryQuestions()([stored(0, "Mary left.\n")], places([0]))
    with pytest.raises(DamagedSample, match="fewer numbers"):
        StoryQuestions()([stored(0, numbers=[1, 2])], places([0]))
    with pytest.raises(RecipeError, match="unseen"):
        story_questions({"unseen": 0.9}, training=True)
