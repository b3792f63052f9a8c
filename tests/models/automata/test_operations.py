"""Operations on automata, each against what it does to the languages of small ones."""

import importlib.util
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.models.automata import (
    Fsa,
    arc_sort,
    cat,
    closure,
    compose,
    connect,
    determinize,
    get_tot_scores,
    intersect,
    invert,
    levenshtein_graph,
    linear_fsa,
    linear_fst,
    project,
    remove_epsilon,
    shortest_path,
    top_sort,
    union,
)

if TYPE_CHECKING:
    from tests.models.automata import paths
else:  # tests are no package
    SPEC = importlib.util.spec_from_file_location("paths", Path(__file__).with_name("paths.py"))
    paths = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(paths)

pytestmark = pytest.mark.unit

add = paths.add
automata = paths.automata
join = paths.join
language_of = paths.language_of
Sequences = tuple[tuple[int, ...], tuple[int, ...]]
SOME = settings(max_examples=30)


def assert_same(fsa: Fsa, wanted: dict[Sequences, float], log: bool) -> None:
    fsa.check()
    assert (fsa.sources.diff() >= 0).all()
    assert language_of(fsa, log) == pytest.approx(wanted, abs=1e-5)


@SOME
@given(automata(transducer=True), automata(transducer=True), st.booleans())
def test_composition_joins_what_one_writes_and_the_other_reads(a: Fsa, b: Fsa, log: bool) -> None:
    assert_same(compose(a, b), join(language_of(a, log), language_of(b, log), log), log)


@SOME
@given(automata(), automata(transducer=True), st.booleans())
def test_an_acceptor_is_a_transducer_of_what_it_reads(a: Fsa, b: Fsa, log: bool) -> None:
    for one, other in ((a, b), (b, a), (a, a)):
        wanted = join(language_of(one, log), language_of(other, log), log)
        assert_same(compose(one, other), wanted, log)


@SOME
@given(automata(), automata(), automata(transducer=True))
def test_an_intersection_accepts_what_both_do(a: Fsa, b: Fsa, writing: Fsa) -> None:
    both = intersect(a, b)
    assert both.aux_labels is None
    assert_same(both, join(language_of(a, True), language_of(b, True), True), True)
    wanted = join(language_of(a, True), language_of(writing, True), True)
    assert_same(intersect(a, writing), wanted, True)
    assert_same(intersect(writing, a), wanted, True)
    with pytest.raises(UsageError, match="Compose"):
        intersect(writing, writing)


def test_gradients_of_a_product_reach_both() -> None:
    a = Fsa.from_str("0 1 1 0.5\n0 1 2 0.25\n1 2 -1 0\n2")
    b = Fsa.from_str("0 1 2 1\n1 2 -1 2\n2")
    scores = [fsa.scores.clone().requires_grad_() for fsa in (a, b)]
    both = intersect(a.with_scores(scores[0]), b.with_scores(scores[1]))
    get_tot_scores(both, log_semiring=True).sum().backward()  # type: ignore[no-untyped-call]
    assert [leaf.grad.tolist() for leaf in scores if leaf.grad is not None] == [
        [0.0, 1.0, 1.0],
        [1.0, 1.0],
    ]


@SOME
@given(automata(), st.booleans())
def test_without_epsilon_all_scores_stay(fsa: Fsa, log: bool) -> None:
    bare = remove_epsilon(fsa, log)
    assert_same(bare, language_of(fsa, log), log)
    assert (bare.labels != 0).all()
    if bare.num_arcs and log:
        leaf = fsa.scores.double().requires_grad_()
        again = remove_epsilon(fsa.with_scores(leaf), log)
        (grad,) = torch.autograd.grad(get_tot_scores(again, log).sum(), leaf)
        (wanted,) = torch.autograd.grad(get_tot_scores(fsa.with_scores(leaf), log).sum(), leaf)
        torch.testing.assert_close(grad, wanted)


@SOME
@given(automata(transducer=True))
def test_a_transducer_keeps_arcs_that_read_or_write(fsa: Fsa) -> None:
    bare = remove_epsilon(fsa, log_semiring=True)
    assert_same(bare, language_of(fsa, True), True)
    assert not ((bare.labels == 0) & (bare.output_labels == 0)).any()


@SOME
@given(automata(epsilon=False), st.booleans())
def test_a_determinized_one_has_one_way_for_each_sequence(fsa: Fsa, log: bool) -> None:
    found = determinize(fsa, log)
    assert_same(found, language_of(fsa, log), log)
    ways = torch.stack([found.sources, found.labels], 1)
    assert len(torch.unique(ways, dim=0)) == found.num_arcs


def test_what_cannot_be_determinized_is_refused() -> None:
    with pytest.raises(UsageError, match="without ε"):
        determinize(Fsa.from_str("0 1 0 0\n1 2 -1 0\n2"), log_semiring=False)
    # Two ways to read 1s that grow apart without end (Mohri, 1997: no twins).
    apart = Fsa.from_str("0 1 1 0\n0 2 1 0\n1 1 1 1\n2 2 1 2\n1 3 -1 0\n2 3 -1 0\n3")
    with pytest.raises(UsageError, match="more than 50 states"):
        determinize(apart, log_semiring=False, max_states=50)


@SOME
@given(st.lists(automata(), min_size=1, max_size=3), st.booleans())
def test_a_union_accepts_what_any_does(fsas: list[Fsa], log: bool) -> None:
    fsas = [Fsa.from_arcs([]), *fsas]
    found: dict[Sequences, list[float]] = {}
    for fsa in fsas:
        for one, score in language_of(fsa, log).items():
            found.setdefault(one, []).append(score)
    assert_same(union(fsas), {one: add(scores, log) for one, scores in found.items()}, log)


@SOME
@given(automata(transducer=True), automata(transducer=True), st.booleans())
def test_one_after_the_other(a: Fsa, b: Fsa, log: bool) -> None:
    found: dict[Sequences, list[float]] = {}
    for (read, written), score in language_of(a, log).items():
        for (more, also), other in language_of(b, log).items():
            found.setdefault((read + more, written + also), []).append(score + other)
    assert_same(cat([a, b]), {one: add(scores, log) for one, scores in found.items()}, log)


@SOME
@given(automata(most_states=4), st.lists(st.integers(1, 3), max_size=4))
def test_a_closure_repeats(fsa: Fsa, labels: list[int]) -> None:
    """A sequence's score: over all ways to cut it into pieces that are accepted."""
    own = {read: score for (read, _), score in language_of(fsa, True).items()}
    own.pop((), None)  # what accepts nothing at all would go round without end
    fsa = union([_scored(read, score) for read, score in own.items()] or [Fsa.from_arcs([])])
    ways = [0.0]  # to read the first n labels
    for stop in range(1, len(labels) + 1):
        cuts = [
            ways[start] + own.get(tuple(labels[start:stop]), -torch.inf) for start in range(stop)
        ]
        ways.append(add(cuts, True))
    whole = intersect(closure(fsa), linear_fsa(labels))
    assert get_tot_scores(whole, log_semiring=True).item() == pytest.approx(ways[-1], abs=1e-5)


def _scored(labels: tuple[int, ...], score: float) -> Fsa:
    fsa = linear_fsa(labels)
    return fsa.with_scores(torch.tensor([0.0] * len(labels) + [score]))


@SOME
@given(automata(transducer=True), st.booleans())
def test_rearranged_it_accepts_the_same(fsa: Fsa, log: bool) -> None:
    wanted = language_of(fsa, log)
    for same in (connect, arc_sort, top_sort):
        assert_same(same(fsa), wanted, log)
    ordered = top_sort(fsa)
    assert (ordered.sources < ordered.destinations).all()
    sorted_arcs = arc_sort(fsa)
    rows = zip(sorted_arcs.sources.tolist(), sorted_arcs.labels.tolist(), strict=True)
    assert all(one <= other for one, other in pairwise(rows))
    assert_same(invert(fsa), {(out, read): s for (read, out), s in wanted.items()}, log)
    assert {out for (_, out) in wanted} == {
        out for (out, _) in language_of(project(fsa, True), log)
    }


def test_dead_ends_and_what_nothing_leads_to_are_trimmed() -> None:
    fsa = Fsa.from_str("0 1 1 0\n0 2 1 0\n3 1 2 0\n1 4 -1 0\n4")
    assert connect(fsa).to_str() == "0 1 1 0.0\n1 2 -1 0.0\n2\n"
    assert connect(Fsa.from_str("0 1 1 0\n2 3 -1 0\n3")).num_states == 0


@SOME
@given(*[st.lists(st.integers(1, 4), max_size=6)] * 2)
def test_the_best_edits_of_two_sequences_are_their_distance(
    one: list[int], other: list[int]
) -> None:
    edits = compose(compose(linear_fsa(one), levenshtein_graph(range(1, 5))), linear_fsa(other))
    rows = list(range(len(other) + 1))
    for a in one:
        last, rows = rows, [rows[0] + 1]
        for at, b in enumerate(other):
            rows.append(min(last[at] + (a != b), last[at + 1] + 1, rows[-1] + 1))
    assert -shortest_path(edits).scores.sum().item() == rows[-1]


def test_text_and_arcs_that_are_no_automaton_are_refused() -> None:
    text = "0 1 10 0.5\n1 2 -1 0.25\n2\n"
    assert Fsa.from_str(text).to_str() == text
    for wrong in ("", "0 1 10\n", "0 1 x 0.5\n1", "0 1 10 0.5 1 2\n1"):
        with pytest.raises(UsageError, match="no automaton"):
            Fsa.from_str(wrong)
    cases = {
        "0 1 3 0\n1": "without the label",
        "0 1 -1 0\n1 2 -1 0\n2": "without the label",
        "1 0 2 0\n0 1 -1 0\n1": "leaves the final",
        "0 5 2 0\n0 1 -1 0\n1": "not there",
        "0 0 -2 0\n0 1 -1 0\n1": "below",
    }
    for wrong, match in cases.items():
        with pytest.raises(UsageError, match=match):
            Fsa.from_str(wrong)
    with pytest.raises(UsageError, match="pair"):
        linear_fst([1, 2], [1])
