"""Candidates around an entity: all paths of one and two facts, as brute force finds them."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.features import CandidateShape
from striate.data.knowledge.paths import MOST_ENDS, Paths, relations_near

pytestmark = pytest.mark.unit

MakeBase = Callable[..., KnowledgeBase]
LETTERS = st.sampled_from("abcdef")
TRIPLES = st.lists(
    st.tuples(LETTERS, st.sampled_from(["r", "s"]), LETTERS), min_size=1, max_size=20, unique=True
)


def expected_all(
    triples: list[tuple[str, str, str]], start: str
) -> dict[tuple[str, ...], set[str]]:
    """Paths of one and two facts to where they lead."""
    edges = [(s, r, o) for s, r, o in triples] + [(o, f"~{r}", s) for s, r, o in triples]
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one, r, middle in edges:
        if one == start:
            found[(r,)].add(middle)
            for other, s, end in edges:
                if other == middle:
                    found[(r, s)].add(end)
    return dict(found)


def by_brute_force(
    triples: list[tuple[str, str, str]], start: str
) -> dict[tuple[str, ...], set[str]]:
    """Without the start itself, and without paths that lead back to it alone."""
    found = expected_all(triples, start)
    return {path: ends - {start} for path, ends in found.items() if ends - {start}}


def described(base: KnowledgeBase, paths: Paths) -> dict[tuple[str, ...], set[str]]:
    return {
        tuple(base.relation_names[r] for r in paths.path(at)): {
            base.name(end) for end in paths.ends_of(at).tolist()
        }
        for at in range(len(paths))
    }


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(triples=TRIPLES)
def test_candidates_are_those_of_brute_force(
    make_base: MakeBase, triples: list[tuple[str, str, str]]
) -> None:
    base = make_base(triples)
    for entity in range(base.entities):
        paths = Paths.around(base, entity)
        expected = by_brute_force(triples, base.name(entity))
        assert described(base, paths) == expected
        assert paths.hops.tolist() == sorted(paths.hops.tolist())
        for at in range(len(paths)):
            path = paths.path(at)
            assert paths.index(path) == at
            assert base.follow_path(entity, path).tolist() == paths.ends_of(at).tolist()
        kept = {base.relation_numbers.get(name, -1) for name in ("r", "~s")}
        names = {"r", "~s"}
        pruned = {p: e for p, e in expected.items() if len(p) == 1 or set(p) <= names}
        assert described(base, Paths.around(base, entity, kept)) == pruned
        near = {one for path in expected_all(triples, base.name(entity)) for one in path}
        assert {base.relation_names[r] for r in relations_near(base, entity).tolist()} == near


def test_a_set_is_as_good_as_its_f1(make_base: MakeBase) -> None:
    facts = [("a", "r", x) for x in "bcd"] + [("a", "s", x) for x in "bd"] + [("a", "t", "e")]
    base = make_base(facts)
    number = {base.name(one): one for one in range(base.entities)}
    paths = Paths.around(base, number["a"])
    true = [number["b"], number["c"]]
    f1 = dict(zip((paths.path(at) for at in range(len(paths))), paths.set_f1(true), strict=True))
    names = base.relation_numbers
    assert f1[(names["r"],)] == pytest.approx(2 * 2 / (3 + 2))
    assert f1[(names["s"],)] == pytest.approx(2 * 1 / (2 + 2))
    assert f1[(names["t"],)] == 0
    beyond = paths.set_f1(true, 6)[paths.index((names["r"],)) or 0]
    assert beyond == pytest.approx(2 * 2 / (3 + 6))  # the base does not know four of them


def test_equal_sets_have_equal_numbers(make_base: MakeBase) -> None:
    facts = [("a", r, x) for r in "rs" for x in "bc"] + [("a", "t", "b"), ("a", "u", "c")]
    base = make_base(facts)
    (a,) = base.names.find(["a"])[0]
    paths = Paths.around(base, a)
    sets = {paths.path(at): int(paths.sets[at]) for at in range(len(paths))}
    r, s, t, u = (sets[(base.relation_numbers[name],)] for name in "rstu")
    assert r == s and len({r, t, u}) == 3


def test_hubs_are_bounded_and_followed_whole(make_base: MakeBase) -> None:
    many = [(f"n{at}", "in", "hub") for at in range(2 * MOST_ENDS)] + [("x", "of", "hub")]
    base = make_base(many)
    hub, x = (base.entities_of([name])[0] for name in ("hub", "x"))
    assert hub is not None and x is not None
    back, of = base.relation_numbers["~in"], base.relation_numbers["of"]
    paths = Paths.around(base, hub)
    assert len(paths.ends_of(paths.index((back,)) or 0)) == MOST_ENDS
    assert len(base.follow_path(hub, (back,))) == 2 * MOST_ENDS
    assert len(base.follow_path(x, (of, back))) == 2 * MOST_ENDS


def test_what_has_no_facts_has_no_candidates(make_base: MakeBase) -> None:
    base = make_base([("a", "r", "b")], [("z", "z", 0)])
    (alone,) = base.names.find(["z"])[0]
    paths = Paths.around(base, alone)
    assert len(paths) == 0 and paths.first_ends(2).shape == (0, 2)
    assert paths.set_f1([1]).shape == (0,)
    words = np.zeros((base.directed + 1, 3), np.int64)
    assert CandidateShape().symbols(base, words, paths).shape == (0, CandidateShape().width)
    assert relations_near(base, alone).tolist() == []


def test_symbols_say_path_ends_and_what_is_around(make_base: MakeBase) -> None:
    base = make_base([("a", "r", "b"), ("a", "r", "c"), ("b", "s", "d"), ("c", "s", "d")])
    number = {base.name(one): one for one in range(base.entities)}
    r, back, s = (base.relation_numbers[name] for name in ("r", "~r", "s"))
    paths = Paths.around(base, number["a"])
    shape = CandidateShape(ends=3, kinds=2, labels=1)
    words = np.arange(70, 70 + base.directed + 1)[:, None]
    words[-1] = 0
    symbols = shape.symbols(base, words, paths)
    one = symbols[paths.index((r,)) or 0].tolist()
    b, c = -(number["b"] + 1), -(number["c"] + 1)
    a, d = -(number["a"] + 1), -(number["d"] + 1)
    assert one[:6] == [a, r + 1, 0, *sorted([b, c], reverse=True), 0]
    around = np.reshape(one[6:-2], (3, 2, 2)).tolist()
    assert one[-2:] == [70 + r, 0]
    assert around[0] == around[1] == [[s + 1, d], [back + 1, a]]
    assert around[2] == [[0, 0], [0, 0]]
    two = symbols[paths.index((r, s)) or 0].tolist()
    assert two[:6] == [a, r + 1, s + 1, d, 0, 0] and two[-2:] == [70 + r, 70 + s]
