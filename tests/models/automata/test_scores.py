"""Scores and their gradients, against every path and against torch's own CTC."""

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.models.automata import (
    FINAL,
    Fsa,
    create_fsa_vec,
    dense_fsa,
    get_arc_post,
    get_backward_scores,
    get_forward_scores,
    get_tot_scores,
    intersect,
    shortest_path,
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
paths_of = paths.paths_of
score_of = paths.score_of
SOME = settings(max_examples=30)


@SOME
@given(automata(), st.booleans())
def test_total_scores_and_gradients_are_those_of_all_paths(fsa: Fsa, log: bool) -> None:
    leaf = fsa.scores.double().requires_grad_()
    total = get_tot_scores(fsa.with_scores(leaf), log)
    scores = {path: score_of(fsa, path) for path in paths_of(fsa)}
    whole = add(list(scores.values()), log)
    assert total.item() == pytest.approx(whole)
    total.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    if log or not scores:
        through = [
            add([s for p, s in scores.items() if arc in p], log) for arc in range(fsa.num_arcs)
        ]
        shares = [math.exp(one - whole) if scores else 0.0 for one in through]
        assert leaf.grad.tolist() == pytest.approx(shares)
        posteriors = get_arc_post(fsa).exp().tolist()
        assert posteriors == pytest.approx(shares)
    else:
        taken = tuple(leaf.grad.nonzero().flatten().tolist())
        assert scores[tuple(sorted(taken, key=lambda arc: int(fsa.sources[arc])))] == whole


@SOME
@given(automata())
def test_gradients_are_those_of_finite_differences(fsa: Fsa) -> None:
    if math.isfinite(get_tot_scores(fsa, True).item()):
        leaf = fsa.scores.double().requires_grad_()
        assert torch.autograd.gradcheck(lambda s: get_tot_scores(fsa.with_scores(s), True), leaf)


@SOME
@given(st.lists(automata(), min_size=1, max_size=4), st.booleans())
def test_several_at_once_are_scored_as_one_by_one(fsas: list[Fsa], log: bool) -> None:
    fsas = [Fsa.from_arcs([]), *fsas, Fsa.from_arcs([])]
    whole = create_fsa_vec(fsas)
    alone = torch.cat([get_tot_scores(fsa, log) for fsa in fsas])
    torch.testing.assert_close(get_tot_scores(whole, log), alone)
    for of in (get_forward_scores, get_backward_scores):
        torch.testing.assert_close(of(whole, log), torch.cat([of(fsa, log) for fsa in fsas]))


@SOME
@given(automata())
def test_the_shortest_path_is_the_best_of_all(fsa: Fsa) -> None:
    best = shortest_path(fsa)
    scores = [score_of(fsa, path) for path in paths_of(fsa)]
    if not scores:
        assert best.num_states == 0
        return
    assert best.num_states == best.num_arcs + 1
    best.check()
    assert best.scores.sum().item() == pytest.approx(max(scores))
    assert get_tot_scores(best, False).item() == pytest.approx(max(scores))


def test_a_cycle_is_refused_where_paths_must_end_and_where_it_makes_them_better() -> None:
    loop = Fsa.from_str("0 0 1 0.0\n0 1 2 1\n1 0 3 -1\n1 2 -1 0\n2")
    with pytest.raises(UsageError, match="cycle"):
        get_tot_scores(loop, log_semiring=True)
    assert shortest_path(loop).labels.tolist() == [2, FINAL]
    better = loop.with_scores(torch.tensor([0.1, 1.0, -1.0, 0.0]))
    with pytest.raises(UsageError, match="cycle"):
        shortest_path(better)


def test_what_cannot_happen_has_no_gradient() -> None:
    fsa = Fsa.from_str("0 1 1 0.5\n0 1 2 0\n1 2 -1 0\n2")
    scores = torch.tensor([0.5, -math.inf, 0.0], requires_grad=True)
    get_tot_scores(fsa.with_scores(scores), log_semiring=True).sum().backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad.tolist() == [1.0, 0.0, 1.0]


def ctc_graph(targets: list[int]) -> Fsa:
    """Graves et al., 2006: a blank (label 1) may stand before, between and after the targets."""
    symbols = [1, *(x for target in targets for x in (target, 1))]
    arcs: list[tuple[int, int, int, float]] = [(0, 1, symbols[0], 0.0), (0, 2, symbols[1], 0.0)]
    last = len(symbols)
    for at, symbol in enumerate(symbols, 1):
        arcs.append((at, at, symbol, 0.0))
        if at < last:
            arcs.append((at, at + 1, symbols[at], 0.0))
        if at + 1 < last and symbols[at + 1] not in {1, symbol}:
            arcs.append((at, at + 2, symbols[at + 1], 0.0))
    return Fsa.from_arcs([*arcs, *((at, last + 1, FINAL, 0.0) for at in (last - 1, last))])


@pytest.mark.parametrize("targets", [[2], [2, 3, 4], [3, 3, 2], [5, 4, 4, 4, 5, 2]])
def test_it_computes_ctc_as_torch_does(targets: list[int]) -> None:
    torch.manual_seed(0)
    logits = torch.randn(14, 5, dtype=torch.float64)
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    lattice = intersect(ctc_graph(targets), dense_fsa(ours.log_softmax(1)))
    loss = -get_tot_scores(lattice, log_semiring=True).sum()
    wanted = F.ctc_loss(
        theirs.log_softmax(1)[:, None],
        torch.tensor(targets)[None] - 1,
        torch.tensor([14]),
        torch.tensor([len(targets)]),
        reduction="sum",
    )
    assert loss.item() == pytest.approx(wanted.item())
    loss.backward()  # type: ignore[no-untyped-call]
    wanted.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours.grad, theirs.grad)
