"""Questions that are made: nothing of a test is told in training, and every answer is one."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from striate.core.errors import DataError
from striate.data.corpora.kb_countries import write_countries
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.files import wording_of
from striate.data.knowledge.questions import MadeQuestion, QuestionMaker
from striate.data.knowledge.sources import bundled_wording
from striate.data.knowledge.wording import SPLITS, Wording, held_out, split_of
from striate.data.storage import Source

pytestmark = pytest.mark.unit

Made = dict[str, list[MadeQuestion]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    folder = tmp_path_factory.mktemp("kb") / "countries"
    write_countries(folder)
    return KnowledgeBase.open(folder)


@pytest.fixture(scope="module")
def made(base: KnowledgeBase) -> Made:
    found: Made = defaultdict(list)
    for split, question in QuestionMaker(base, wording_of(base.place)).make():
        found[split].append(question)
    return found


def test_answers_are_what_the_path_leads_to(base: KnowledgeBase, made: Made) -> None:
    for question in (one for some in made.values() for one in some):
        assert list(question.ends) == base.follow_path(question.start, question.path).tolist()
        assert question.mention in question.text and "<e>" in question.asked
        assert question.text.lower() == question.asked.replace("<e>", question.mention).lower()
    assert set(made) == set(SPLITS)
    assert len({q.key for some in made.values() for q in some}) == sum(map(len, made.values()))


def test_neither_entities_nor_wordings_of_a_test_are_in_training(
    base: KnowledgeBase, made: Made
) -> None:
    starts = {split: {q.start for q in some} for split, some in made.items()}
    assert starts["test"].isdisjoint(starts["train"]) and starts["valid"].isdisjoint(
        starts["train"]
    )
    ways = {split: {(q.path, q.asked) for q in some} for split, some in made.items()}
    assert ways["test"].isdisjoint(ways["train"]) and ways["valid"].isdisjoint(ways["train"])
    assert ways["test"].isdisjoint(ways["valid"])
    for question in made["train"]:
        assert not all(split_of(base.key(end)) != "train" for end in question.ends)
    shares = {split: len(some) / sum(map(len, made.values())) for split, some in made.items()}
    assert 0.05 < shares["test"] < 0.3 and 0.03 < shares["valid"] < 0.2


def test_both_kinds_are_asked_and_read_well(base: KnowledgeBase, made: Made) -> None:
    hops = Counter(len(q.path) for some in made.values() for q in some)
    assert hops[1] > 200 and hops[2] > 200
    texts = {q.text for some in made.values() for q in some if len(q.path) == 1}
    assert sum("apan" in text for text in texts) > 3
    assert all(text[0] == text[0].upper() and "{}" not in text for text in texts)


def test_ways_are_held_out_by_their_content() -> None:
    ways = tuple(f"way {at} of {{}}" for at in range(6))
    parts = [held_out("r", ways, split) for split in SPLITS]
    assert sorted(way for part in parts for way in part) == sorted(ways)
    assert [len(part) for part in parts] == [4, 1, 1]
    assert held_out("r", tuple(reversed(ways)), "test") == parts[2]
    assert held_out("r", ways[:1], "test") == ways[:1]
    two = [held_out("r", ways[:2], split) for split in SPLITS]
    assert two[1] == two[2] and set(two[0]).isdisjoint(two[2])


@pytest.mark.parametrize("kind", ["factbook", "wordnet"])
def test_every_relation_that_comes_along_can_be_held_out(kind: str) -> None:
    wording = bundled_wording(kind)
    for name, one in wording.relations.items():
        assert len(one.questions) >= 6 and len(set(one.questions)) == len(one.questions), name
        assert one.phrases, name
    asked = [way for one in wording.relations.values() for way in one.questions]
    assert len(set(asked)) == len(asked)  # no question has two meanings


def test_what_has_no_wording_is_asked_by_its_label() -> None:
    wording = Wording(silent=("~mass",))
    ahead, back = wording.of("p/mass", "mass"), wording.of("~p/made of", "material")
    assert ahead is not None and "What is the mass of {}?" in ahead.questions
    assert back is not None and "Whose material is {}?" in back.questions
    assert wording.of("~mass", "mass") is None


def test_a_wording_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"own\.json holds no wording.*has not one \{\}"):
        Wording.of_text('{"relations": {"a": {"questions": ["What?"]}}}', "own.json")
    with pytest.raises(DataError, match="holds no wording"):
        Wording.of_text("nothing", "own.json")
    place = Source.of(tmp_path)
    (tmp_path / "knowledge-wording.json").write_text("{}")
    assert wording_of(place) == Wording()
