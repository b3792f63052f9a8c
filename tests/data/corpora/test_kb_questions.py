"""Questions about knowledge bases as shards: made of wordings, or those that were published."""

import json
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError, UsageError
from striate.data.corpora.kb_countries import gather_countries, write_countries
from striate.data.ingest.ingest import ingest
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.builder import build_base
from striate.data.knowledge.gathered import GatheredFacts
from striate.data.knowledge.wording import Wording
from striate.data.pipelines.base import Stored
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.shards.verify import verify
from striate.data.stream.reader import SplitReader

pytestmark = pytest.mark.unit


def rows(shards: Path, split: str) -> list[Stored]:
    reader = SplitReader(ShardFolder.of(shards), split)
    return reader.stored(np.arange(reader.rows))


def test_the_base_goes_along_with_the_questions(tmp_path: Path) -> None:
    report = ingest("countries", tmp_path / "kb", tmp_path / "shards", size=30, workers=1)
    assert set(report.splits) == {"train", "valid", "test"} and not report.skipped
    base = KnowledgeBase.open(tmp_path / "shards", hashed=True)
    verify(tmp_path / "shards")
    for row in rows(tmp_path / "shards", "test"):
        path = [base.relation_numbers[name] for name in row.fields["path"]]
        ends = base.follow_path(row.fields["start"], path).tolist()
        assert ends == row.fields["ends"] and row.fields["gold"] == len(ends)
        assert row.fields["answers"] == [base.name(end) for end in ends]
        assert row.fields["hops"] == len(path)
    again = ingest("kb-questions", tmp_path / "kb", tmp_path / "other", workers=1)
    assert again.splits == report.splits
    edges = tmp_path / "shards" / "knowledge-edges.arrow"
    edges.write_bytes(edges.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DataError, match=r"knowledge-edges\.arrow is missing or damaged"):
        verify(tmp_path / "shards")


def test_a_folder_without_a_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no knowledge base.*striate data kb"):
        ingest("kb-questions", tmp_path, tmp_path / "shards")
    with pytest.raises(UsageError, match="3 countries are too few"):
        write_countries(tmp_path / "few", 3)


def test_the_table_of_countries_agrees_with_itself() -> None:
    """Who borders a country is bordered by it, and every one has one capital."""
    gathered = gather_countries()
    keys, kinds = list(gathered.keys), list(gathered.relations)
    facts = {
        (keys[s], kinds[r], keys[o])
        for s, r, o in zip(gathered.subjects, gathered.kinds, gathered.objects, strict=True)
    }
    assert len(facts) == len(gathered.subjects) > 750
    for one, relation, other in facts:
        assert relation != "neighbor" or (other, "neighbor", one) in facts
    capitals = [one for one, relation, _ in facts if relation == "capital"]
    assert len(capitals) == len(set(capitals)) == 86


def own_base(folder: Path, facts: list[tuple[str, str, str]], names: list[tuple[str, str]]) -> None:
    gathered = GatheredFacts()
    gathered.begin("facts")
    for line, fact in enumerate(facts, 1):
        gathered.at(line)
        gathered.fact(*fact)
    for key, name in names:
        gathered.name(key, name, 0)
    build_base("csv", gathered, folder, Wording())


def test_published_answers_find_the_path_that_agrees_best(tmp_path: Path) -> None:
    own_base(
        tmp_path / "kb",
        [
            ("Jamaica", "language", "English"),
            ("Jamaica", "language", "Patois"),
            ("Jamaica", "neighbor", "Cuba"),
            ("Cuba", "language", "Spanish"),
        ],
        [],
    )

    def entry(question: str, *answers: str) -> dict[str, str]:
        listed = " ".join(f'(description "{answer}")' for answer in answers)
        return {"url": "u", "utterance": question, "targetValue": f"(list {listed})"}

    train = [
        entry("what do jamaican people speak in jamaica?", "Patois", "English"),
        entry("what do they speak near jamaica", "Spanish"),
        entry("who rules jamaica", "Nobody"),
        entry("where is atlantis", "Sea"),
    ]
    test = [entry("who is the king of cuba", "Fidel"), entry("tongue of jamaica", "English", "X")]
    for split, entries in (("train", train), ("test", test)):
        file = tmp_path / "kb" / f"webquestions.examples.{split}.json"
        file.write_text(json.dumps(entries))
    report = ingest("kb-questions", tmp_path / "kb", tmp_path / "shards", workers=1)
    assert report.skipped == {"answer beyond two facts": 1, "names no entity of the base": 1}
    splits = [split for split in report.splits if split != "test"]
    learnt = [row for split in splits for row in rows(tmp_path / "shards", split)]
    paths = {bytes(row.payload).decode(): row.fields["path"] for row in learnt}
    assert paths == {
        "what do jamaican people speak in jamaica?": ["language"],
        "what do they speak near jamaica": ["neighbor", "language"],
    }
    king, tongue = rows(tmp_path / "shards", "test")
    assert (king.fields["path"], king.fields["hops"], king.fields["gold"]) == ([], 0, 1)
    assert (tongue.fields["path"], tongue.fields["gold"]) == (["language"], 2)
    assert tongue.fields["asked"] == "tongue of  <e> "


def test_published_facts_are_looked_up(tmp_path: Path) -> None:
    head = "www.freebase.com"
    own_base(
        tmp_path / "kb",
        [(f"{head}/m/1", f"{head}/book/author", f"{head}/m/2")],
        [(f"{head}/m/1", "Dubliners"), (f"{head}/m/2", "Joyce")],
    )
    for split in ("train", "valid", "test"):
        lines = [
            f"{head}/m/1\t{head}/book/author\t{head}/m/2\twho wrote dubliners in {split}\n",
            f"{head}/m/9\t{head}/book/author\t{head}/m/2\twho wrote nothing in {split}\n",
        ]
        (tmp_path / "kb" / f"annotated_fb_data_{split}.txt").write_text("".join(lines))
    report = ingest("kb-questions", tmp_path / "kb", tmp_path / "shards", workers=1)
    assert report.splits == {"train": 1, "valid": 1, "test": 1}
    assert report.skipped == {"names no entity of the base": 3}
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.columns.texts[:2] == ("text", "asked")
    (row,) = rows(tmp_path / "shards", "test")
    assert row.fields["asked"] == "who wrote  <e>  in test"
    assert (row.fields["answers"], row.fields["hops"]) == (["Joyce"], 1)
