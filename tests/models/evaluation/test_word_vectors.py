"""Analogies by vector arithmetic, on vectors that are known."""

import pytest
import torch

from striate.models.evaluation.word_vectors import (
    NOT_AN_ANSWER,
    analogy_vectors,
    similarities,
    unit_vectors,
)

pytestmark = pytest.mark.unit

# special, France, Paris, Germany, Bonn, Berlin, and one of zeros
TABLE = torch.tensor(
    [[9, 9, 9], [1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 2], [0, 1, 1], [0, 0, 0]]
).float()


def test_the_fourth_word_is_the_nearest_to_b_less_a_and_c() -> None:
    vectors = unit_vectors(TABLE)
    assert torch.allclose(vectors.norm(dim=1), torch.tensor([1.0] * 6 + [0.0]))
    a, b, c = (torch.tensor([one]) for one in (1, 2, 3))
    queries = analogy_vectors(vectors, a, b, c)
    asked = torch.stack([a, b, c], 1)
    found = similarities(vectors, queries, asked, first=1)
    assert found.argmax(1).tolist() == [5]
    assert found[0, [0, 1, 2, 3]].tolist() == [NOT_AN_ANSWER] * 4
    true = torch.nn.functional.cosine_similarity(vectors[2] - vectors[1] + vectors[3], TABLE[5], 0)
    assert float(found[0, 5]) == pytest.approx(float(true))


def test_each_question_has_its_own_excluded_words() -> None:
    vectors = unit_vectors(TABLE)
    found = similarities(vectors, vectors[[4, 5]], torch.tensor([[4], [5]]), first=1)
    assert found.argmax(1).tolist() == [5, 4]
