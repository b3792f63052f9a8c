"""The memory network: its scores by the paper's formulas, and what it cannot see."""

import pytest
import torch
from torch import Tensor

from striate.core.bundle import Architecture
from striate.core.errors import UsageError
from striate.models import build
from striate.models.layers.story_words import NONE, Words, bags_of
from striate.models.memory_network import LOWEST, MemoryNetwork

pytestmark = pytest.mark.unit

KNOWN, SPARE = 12, 5
CLASSES = KNOWN + SPARE


def network(seed: int = 0, **changes: bool | int) -> MemoryNetwork:
    torch.manual_seed(seed)
    sizes = {"classes": CLASSES, "spare": SPARE, "dim": 6, "sentences": 5, "words": 4}
    made = MemoryNetwork(**{**sizes, **changes}).double().eval()  # type: ignore[arg-type]
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made.requires_grad_(False)


def stories(count: int, seed: int = 0, *, unseen: bool = True) -> Tensor:
    """Questions of three words and five sentences of two to four."""
    generator = torch.Generator().manual_seed(seed)
    highest = CLASSES if unseen else KNOWN
    lines = torch.randint(1, highest + 1, (count, 6, 4), generator=generator)
    lines[:, 0, 3:] = 0
    lines[:, 2, 2:] = 0
    return lines


def vector(model: MemoryNetwork, word: int, role: str, lines: Tensor) -> Tensor:
    """Uᵀ of one word in one role of O, by the definition."""
    words: Words = getattr(model.o.words, role)
    if word <= KNOWN:
        return words.vectors[word - 1]
    if role.startswith("in_"):
        return words.vectors[-1]
    found = words.vectors[-1]
    for side, steps in enumerate(((-1, -2), (1, 2))):
        around = {
            int(line[at + step])
            for line in lines
            for at in range(4)
            for step in steps
            if line[at] == word and 0 <= at + step < 4 and 0 < line[at + step] <= KNOWN
        }
        for other in around:
            row = model.o.words.contexts.vectors[side * KNOWN + other - 1]
            found = found + row / len(around)
    return found


def embedded(model: MemoryNetwork, lines: Tensor, before: list[int]) -> tuple[Tensor, list[Tensor]]:
    """x as UᵀΦx, and each memory as UᵀΦy; `before` are the memories found."""
    question, memories = lines[0], lines[1:]
    asked = [vector(model, int(w), "question", lines) for w in question if w]
    found = [int(w) for one in before for w in memories[one] if w]
    x = torch.stack([*asked, *(vector(model, w, "found", lines) for w in found)]).sum(0)
    scored = []
    for memory in memories:
        parts = [torch.zeros(6, dtype=torch.float64)]
        for word in (int(w) for w in memory if w):
            parts.append(vector(model, word, "scored", lines))
            if word in question:
                parts.append(vector(model, word, "in_question", lines))
            if word in found:
                parts.append(vector(model, word, "in_found", lines))
        scored.append(torch.stack(parts).sum(0))
    return x, scored


def preference(model: MemoryNetwork, lines: Tensor, before: list[int], y: int, other: int) -> float:
    """s_Ot(x, y, y') by the paper's formula."""
    x, scored = embedded(model, lines, before)
    at = before[-1] if before else 99  # the time of x: that of the question is after all
    assert model.o.times is not None
    flags = torch.tensor([at < y, at < other, y < other], dtype=torch.float64)
    return float(x @ (scored[y] - scored[other] + flags @ model.o.times))


@pytest.mark.parametrize("before", [[], [2]])
def test_comparisons_are_those_of_the_formula(before: list[int]) -> None:
    model, lines = network(), stories(1)
    true = 3
    supports = torch.tensor([[*before, true, NONE][:2]])
    features = model.i(lines)
    hop = model.o.compare(features, model.g(features), supports)[len(before)]
    for other in range(5):
        if other in before:
            assert not hop.others[0, other]
        elif other != true:
            assert hop.others[0, other]
            over = preference(model, lines[0], before, true, other)
            under = preference(model, lines[0], before, other, true)
            assert float(hop.over[0, other]) == pytest.approx(over, rel=1e-9)
            assert float(hop.under[0, other]) == pytest.approx(under, rel=1e-9)
    assert hop.others[0].tolist() == [one != true and one not in before for one in range(6)]


def test_the_winner_of_all_pairs_in_turn_is_found() -> None:
    model, lines = network(1), stories(30, 1)
    with torch.no_grad():
        found = model(lines)["memories"]
    for story, (first, second) in zip(lines, found.tolist(), strict=True):
        best = 0
        for slot in range(1, 5):
            if preference(model, story, [], best, slot) <= 0:
                best = slot
        x, scored = embedded(model, story, [])
        null = float(x @ (scored[best] - model.o.null))
        assert first == (best if null > 0 else NONE)
        assert second == NONE if first == NONE else second != first
    assert (found == NONE).any() and (found[:, 1] >= 0).any()


def test_without_time_the_search_is_an_arg_max() -> None:
    model, lines = network(2, time=False, hops=1), stories(30, 2)
    with torch.no_grad():
        found = model(lines)["memories"][:, 0].tolist()
    for story, best in zip(lines, found, strict=True):
        x, scored = embedded(model, story, [])
        scores = [*(float(x @ one) for one in scored), float(x @ model.o.null)]
        assert scores.index(max(scores)) == (5 if best == NONE else best)


def test_training_and_answering_agree_where_the_memories_are_the_same() -> None:
    model, lines = network(3), stories(8, 3)
    answers = model(lines)
    trained = model(lines, answers["memories"])
    assert torch.allclose(trained["answers"], answers["answers"])
    assert trained["over"].shape == trained["under"].shape == trained["others"].shape == (8, 2, 6)
    assert "under" not in network(3, time=False)(lines, answers["memories"])


def test_unseen_words_are_told_apart_but_have_no_names() -> None:
    """With other places for the same unseen words, the answers change places as well."""
    model, lines = network(4), stories(20, 4)
    turned = torch.arange(CLASSES + 1)
    turned[KNOWN + 1 :] = turned[KNOWN + 1 :].roll(2)
    one, other = model(lines), model(turned[lines])
    assert torch.equal(one["memories"], other["memories"])
    assert torch.allclose(one["answers"], other["answers"][:, turned[1:] - 1])


def test_words_that_do_not_occur_and_are_not_known_are_no_answers() -> None:
    model, lines = network(5), stories(4, 5, unseen=False)
    lines[:, 1, 0] = KNOWN + 2
    scores = model(lines)["answers"]
    there = [KNOWN + 1]  # counted from 0
    for place in range(KNOWN, CLASSES):
        assert (scores[:, place] == LOWEST).all() == (place not in there)
    assert (scores[:, :KNOWN] > LOWEST).all()


def test_filler_changes_nothing() -> None:
    model, lines = network(6), stories(6, 6)
    longer = torch.nn.functional.pad(lines, (0, 3, 0, 4))
    one, other = model(lines), model(longer)
    assert torch.equal(one["memories"], other["memories"])
    assert torch.allclose(one["answers"], other["answers"])


def test_bags_hold_the_known_neighbours_of_unseen_words() -> None:
    lines = torch.tensor([[[1, 2, 4, 3], [4, 1, 0, 0]]])  # 4 is unseen, of a vocabulary of 3
    bags = bags_of(lines, 3, 2)[0]
    assert bags[:, :3].tolist() == [[0.5, 0.5, 0], [0, 0, 0]]
    assert bags[:, 3:].tolist() == [[0.5, 0, 0.5], [0, 0, 0]]


def test_a_vocabulary_of_spare_places_alone_is_refused() -> None:
    arguments = {"classes": 24, "spare": 24}
    with pytest.raises(UsageError, match="leave no word"):
        build(Architecture(name="memory_network", arguments=arguments))
