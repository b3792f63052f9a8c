"""The linker: the longest names, every candidate in order, one edit, and bounds."""

import itertools
import random
from collections.abc import Callable

import pytest

from striate.core.errors import PayloadTooLarge, RequestError
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.linker import MOST_CHARACTERS, Linker
from striate.data.knowledge.names import LEAST_SPELT
from striate.data.knowledge.spelling import one_edit
from striate.data.knowledge.words import name_key

pytestmark = pytest.mark.unit

MakeBase = Callable[..., KnowledgeBase]
FACTS = [
    ("Georgia", "capital", "Tbilisi"),
    ("Georgia", "language", "Georgian"),
    ("US/Georgia", "capital", "Atlanta"),
    ("New York", "country", "United States"),
    ("York", "country", "United Kingdom"),
    ("Côte d'Ivoire", "capital", "Yamoussoukro"),
    ("Niger", "neighbor", "Nigeria"),
    ("Dr Congo", "capital", "Kinshasa"),
]
NAMES = [
    ("US/Georgia", "Georgia", 1),
    ("Georgia", "Georgia", 0),
    ("United States", "United States", 0),
    ("United States", "美国", 1),
    ("United Kingdom", "United Kingdom", 0),
    ("United Kingdom", "המלוכה המאוחדת", 1),
    ("Tbilisi", "Tbilisi", 0),
    ("Tbilisi", "What", 1),
]


def named(base: KnowledgeBase, question: str, common: tuple[str, ...] = ()) -> list[list[str]]:
    """The keys of what a question names."""
    found = Linker(base, common).link(question)
    return [[base.key(entity) for entity in mention.entities] for mention in found]


def test_the_longest_name_is_meant_and_every_candidate_is_given_in_order(
    make_base: MakeBase,
) -> None:
    base = make_base(FACTS, NAMES)
    assert named(base, "Where is New York?") == [["New York"]]
    assert named(base, "Is York in New York?") == [["New York"], ["York"]]
    assert named(base, "What about Georgia?") == [["Georgia", "US/Georgia"], ["Tbilisi"]]
    assert named(base, "capital of cote d’ivoire") == [["Côte d'Ivoire"]]
    assert named(base, "Who rules 美国?") == [["United States"]]
    assert named(base, "what is המלוכה המאוחדת, and Niger") == [
        ["United Kingdom"],
        ["Niger"],
        ["Tbilisi"],
    ]
    assert named(base, "nothing of that kind") == []


def test_words_of_questions_are_named_last_and_never_misspelt(make_base: MakeBase) -> None:
    base = make_base(FACTS, NAMES)
    assert named(base, "What is Niger?")[0] == ["Niger"]
    assert named(base, "What is Yrok?", ("what", "is")) == [["Tbilisi"]]
    assert named(base, "Whhat now", ()) == []  # too short a name to be misspelt
    assert named(base, "Kinsasha and Georgja", ("and",)) == [["Georgia", "US/Georgia"]]
    assert named(base, "United Stats of what", ("what", "of")) == [["United States"], ["Tbilisi"]]
    mention = Linker(base).link("Tell me of Untied Kingdom!")[0]
    assert (mention.exact, mention.text("Tell me of Untied Kingdom!")) == (False, "Untied Kingdom")
    assert mention.replaced("Tell me of Untied Kingdom!") == "Tell me of  <e> !"


def test_what_is_linked_is_what_brute_force_finds(make_base: MakeBase) -> None:
    words = ["".join(letters) for letters in itertools.product("ab", repeat=3)]
    draw = random.Random(3)
    names = {" ".join(draw.choices(words, k=draw.randint(1, 3))) for _ in range(60)}
    base = make_base([(name, "is", "x") for name in sorted(names)])
    for _ in range(200):
        question = " ".join(draw.choices(words, k=draw.randint(1, 7)))
        assert spans_of(base, question) == brute_force(sorted({*names, "x"}), question)


def spans_of(base: KnowledgeBase, question: str) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (mention.text(question), tuple(sorted(base.key(entity) for entity in mention.entities)))
        for mention in Linker(base).link(question)
    ]


def brute_force(names: list[str], question: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every stretch of words against every name."""
    words = question.split()
    found: list[tuple[int, bool, int, int, int, tuple[str, ...]]] = []
    for first, last in itertools.combinations(range(len(words) + 1), 2):
        text = " ".join(words[first:last])
        if text in names:
            found.append((first - last, False, -len(text), first, last, (text,)))
        near = [n for n in names if n != text and len(n) >= LEAST_SPELT and one_edit(n, text)]
        if near and last - first <= 4:
            found.append((first - last, True, -len(text), first, last, tuple(sorted(near))))
    taken: set[int] = set()
    kept = []
    for *_, first, last, entities in sorted(found):
        if taken.isdisjoint(range(first, last)):
            taken |= set(range(first, last))
            kept.append((" ".join(words[first:last]), entities))
    return kept


def test_odd_questions_are_bounded_and_refused_in_a_sentence(make_base: MakeBase) -> None:
    base = make_base(FACTS, NAMES)
    linker = Linker(base)
    for empty in ("", " \t", "?!", "\x00\x07", "\u202e\u200f"):
        with pytest.raises(RequestError, match=r"A question has words\."):
            linker.link(empty)
    with pytest.raises(PayloadTooLarge, match=f"more than {MOST_CHARACTERS:,} characters"):
        linker.link("a" * 2**20)
    assert len(linker.link("niger " * 1000)) == 64
    assert linker.link("x" * MOST_CHARACTERS) == []
    assert [name_key(m.text("a\x00Niger\x1b?")) for m in linker.link("a\x00Niger\x1b?")] == [
        "niger"
    ]
