"""Embeddings of answers: scores by the paper's formula, and which candidates are looked at."""

import pytest
import torch
from torch import Tensor

from striate.models.kb_embeddings import LOWEST, KnowledgeEmbeddings, Representation

pytestmark = pytest.mark.unit

RELATIONS, ENTITIES = 6, 4
SIZES = {
    "candidates": 5, "length": 4, "ends": 2, "kinds": 1, "labels": 1, "dim": 3, "words": 9,
}  # fmt: skip


def network(representation: Representation = "subgraph", best: int = 6) -> KnowledgeEmbeddings:
    torch.manual_seed(0)
    made = KnowledgeEmbeddings(
        relations=RELATIONS, entities=ENTITIES, representation=representation, best=best, **SIZES
    )
    for table in (made.path, made.subgraph):
        torch.nn.init.normal_(table.weight[1:])
    return made.double().eval().requires_grad_(False)


def question(*candidates: list[int]) -> Tensor:
    """Three words, then candidates: start, relations, two ends, around each end a pair, labels."""
    lines = torch.zeros(1, 6, 11, dtype=torch.int64)
    lines[0, 0, :3] = torch.tensor([2, 5, 2])
    for at, symbols in enumerate(candidates, 1):
        lines[0, at, : len(symbols)] = torch.tensor(symbols)
    return lines


def vector(table: torch.nn.Embedding, symbol: int) -> Tensor:
    """Of a relation from 1, of an entity from −1 down; zero for what has none."""
    row = symbol if symbol > 0 else RELATIONS - symbol
    known = 0 < symbol <= RELATIONS or 0 < -symbol <= ENTITIES
    return table.weight[row] if known else torch.zeros(3, dtype=torch.float64)


@pytest.mark.parametrize("representation", ["entity", "path", "subgraph"])
def test_a_score_is_the_product_of_both_sums(representation: Representation) -> None:
    model = network(representation)
    candidate = [-1, 3, 5, -2, -4, 1, -3, 6, -99, 7, 8]  # −99 has no vector
    asked = model.words.weight[2] * 2 + model.words.weight[5]
    answer = (vector(model.path, -2) + vector(model.path, -4)) / 2
    if representation != "entity":
        answer = answer + sum(vector(model.path, symbol) for symbol in candidate[:3])
        answer = answer + model.words.weight[7] + model.words.weight[8]
    if representation == "subgraph":
        around = [vector(model.subgraph, symbol) for symbol in candidate[5:9]]
        answer = answer + torch.stack(around).sum(0) / 3
    assert model(question(candidate))[0, 0].item() == pytest.approx(float(asked @ answer))


def test_paths_of_two_facts_go_along_the_best_relations() -> None:
    model = network(best=2)
    kinds = torch.arange(1, RELATIONS + 1)
    vectors = model.relation_vectors(kinds, torch.zeros(RELATIONS, 1, dtype=torch.int64))
    asked = model.ask(torch.tensor([[2, 5, 2, 0]]))[0]
    *worse, second, first = (kinds[(vectors @ asked).argsort()]).tolist()
    candidates = ([-1, worse[0]], [-1, first, second], [-1, first, worse[0]], [-1, worse[1], first])
    scores = model(question(*candidates))[0]
    assert (scores > LOWEST / 2).tolist() == [True, True, False, False, False]
    named = ([-1, worse[0]], [-1, first, second], [-1, first, worse[0]], [-1, first, second])
    lines = question(*named)
    lines[0, 3, -1] = 5  # a relation is as good as its label
    before = float(vectors[worse[0] - 1] @ asked)
    after = before + float(model.words.weight[5] @ asked)
    better = after > float(vectors[second - 1] @ asked)
    assert bool((model(lines)[0] > LOWEST / 2)[2]) == better
    told = model(question(*candidates), torch.zeros(1, 2, 4, dtype=torch.int64))
    assert (told["scores"][0] > LOWEST / 2).all()  # in training all that are given count


def test_paraphrases_are_compared_as_questions() -> None:
    model = network()
    paraphrases = torch.tensor([[[3, 4, 0, 0], [7, 0, 0, 0]]])
    told = model(question([-1, 1]), paraphrases)
    asked = model.words.weight[2] * 2 + model.words.weight[5]
    same = asked @ (model.words.weight[3] + model.words.weight[4])
    assert told["same"].item() == pytest.approx(float(same))
    assert told["other"].item() == pytest.approx(float(asked @ model.words.weight[7]))


def test_what_is_nothing_adds_nothing() -> None:
    model = network()
    before = model(question([-1, 3, 0, -2]))
    assert torch.equal(before[0, 1:], torch.full((4,), LOWEST, dtype=torch.float64))
    longer = question([-1, 3, 0, -2])
    longer[0, 0, 4:] = 7  # beyond the length
    assert torch.equal(model(longer), before)
    for table in (model.words, model.path, model.subgraph):
        assert not table.weight[0].any()
