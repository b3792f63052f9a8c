"""Small knowledge bases, built of facts that a test writes down."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.builder import build_base
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.wording import Wording

MakeBase = Callable[..., KnowledgeBase]


def gathered_of(facts: Iterable[tuple[str, str, str]]) -> GatheredFacts:
    """Facts, a line each of the file ``facts``."""
    gathered = GatheredFacts()
    gathered.begin("facts")
    for line, fact in enumerate(facts, 1):
        gathered.at(line)
        gathered.fact(*fact)
    return gathered


@pytest.fixture
def make_base(tmp_path: Path) -> MakeBase:
    """``make_base([(subject, relation, object), …], names=[(key, name, rank), …])``."""

    def make(
        facts: Iterable[tuple[str, str, str]],
        names: Iterable[tuple[str, str, int]] = (),
        hierarchical: Iterable[str] = (),
    ) -> KnowledgeBase:
        gathered = gathered_of(facts)
        for one in names:
            gathered.name(*one)
        gathered.hierarchical |= set(hierarchical)
        build_base("csv", gathered, tmp_path / "base", Wording())
        return KnowledgeBase.open(tmp_path / "base", hashed=True)

    return make
