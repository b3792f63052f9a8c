"""Text with analogies, the generated facts, and sentences that praise or blame."""

import itertools
from pathlib import Path

import pytest

from striate.core.errors import DataError, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.corpora.countries import COUNTRIES
from striate.data.corpora.facts import HELD_OUT, TOLD, facts, questions, write_facts
from striate.data.corpora.reviews import write_reviews
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import OpenCorpus, Sample, Skipped
from striate.data.storage import Source

pytestmark = pytest.mark.unit

ASKED = ": capitals\nAthens Greece Oslo Norway\n: plurals\ncat cats dog dogs\nbroken\n"


def opened(name: str, folder: Path, options: FolderOptions = AS_FOUND) -> OpenCorpus:
    return CORPORA[name].open_as(Source.of(folder), options)


def read(corpus: OpenCorpus, split: str) -> list[Sample | Skipped]:
    return list(corpus.read(split, 0, len(corpus.item_bytes[split])))


def samples(corpus: OpenCorpus, split: str) -> list[tuple[str, object]]:
    return [
        (one.payload.decode(), one.label) for one in read(corpus, split) if isinstance(one, Sample)
    ]


def test_text_and_its_analogies_lie_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "text8").write_text("a cat\nthe dogs\na cat\n")
    (tmp_path / "questions-words.txt").write_text(ASKED)
    corpus = opened("words", tmp_path)
    assert corpus.labels == ("text", "capitals", "plurals")
    assert samples(corpus, "train") == [("a cat", 0), ("the dogs", 0)]
    assert samples(corpus, "analogies") == [
        ("Athens Greece Oslo Norway", 1),
        ("cat cats dog dogs", 2),
    ]
    bad = [(one.key, one.reason) for one in read(corpus, "analogies") if isinstance(one, Skipped)]
    assert bad == [("questions-words.txt:5", "broken line")]
    before = corpus.source_sha256
    (tmp_path / "questions-words.txt").write_text(ASKED.replace("Oslo", "Bergen"))
    assert opened("words", tmp_path).source_sha256 != before


def test_text_alone_is_words_too_and_a_share_is_held_out_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"line {at}\n" for at in range(200)))
    assert set(opened("words", tmp_path).item_bytes) == {"train"}
    split = opened("words", tmp_path, FolderOptions(test_share=0.3)).item_bytes
    assert len(split["train"]) + len(split["test"]) == 200 and 30 < len(split["test"]) < 90
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match=r"no text.*questions-words\.txt beside"):
        opened("words", tmp_path)


def test_a_held_out_country_never_meets_its_capital() -> None:
    """No line names both, and no line that names either says capital."""
    lines = [line.lower().replace(".", "").replace(",", "").split() for line in facts(3000)]
    for country in HELD_OUT:
        name, capital = country.name.lower(), country.capital.lower()
        apart = [set(line) & {name, capital, "capital"} for line in lines]
        assert not any(len(found) > 1 for found in apart)
        assert sum(name in found for found in apart) > 5
        assert sum(capital in found for found in apart) > 5
    said = [set(line) for line in lines if "capital" in line]
    told = {
        one.name for one in TOLD for line in said if {one.name.lower(), one.capital.lower()} <= line
    }
    assert told == {one.name for one in TOLD}


def test_the_analogies_of_held_out_countries_go_from_told_ones(tmp_path: Path) -> None:
    write_facts(tmp_path, 500)
    corpus = opened("facts", tmp_path)
    assert corpus.labels[1:] == (
        "capital", "capital-of-held-out", "held-out-of-capital", "adjective",
    )  # fmt: skip
    asked = samples(corpus, "analogies")
    told = {one.name: one.capital for one in TOLD}
    held = {one.name: one.capital for one in HELD_OUT}
    for text, label in asked:
        a, b, c, d = text.split()
        if label == 2:
            assert told[a] == b and held[c] == d
        if label == 3:
            assert told[b] == a and held[d] == c
    answers = [text.split()[3] for text, label in asked if label == 2]
    assert set(answers) == set(held.values()) and len(answers) == 8 * len(held)
    assert len(set(asked)) == len(asked)


def test_names_of_the_table_are_single_words_that_stand_for_one_thing() -> None:
    names = [name for one in COUNTRIES for name in (one.name, one.capital, one.city)]
    assert len(names) == len(set(names)) and len(COUNTRIES) == 112
    assert len({one.adjective for one in COUNTRIES}) == len(COUNTRIES)
    assert all(name.isalpha() for name in names)
    assert {"Germany", "Japan"} - {one.name for one in HELD_OUT} == {"Japan"}


def test_the_facts_of_a_number_are_always_the_same(tmp_path: Path) -> None:
    assert list(itertools.islice(facts(2000), 100)) == list(facts(100))
    assert len(list(questions())) > 100
    with pytest.raises(UsageError, match="at least 500"):
        write_facts(tmp_path, 10)


def test_polarity_is_read_as_published(tmp_path: Path) -> None:
    folder = tmp_path / "rt-polaritydata"
    folder.mkdir()
    (folder / "rt-polarity.pos").write_bytes(
        b"".join(b"a fine fianc\xe9 , number %d .\n" % at for at in range(200))
    )
    (folder / "rt-polarity.neg").write_bytes(b"dull .\ndull .\n")
    corpus = opened("polarity", tmp_path)
    assert corpus.labels == ("negative", "positive")
    found = [one for split in ("train", "test") for one in samples(corpus, split)]
    assert ("a fine fiancé , number 7 .", 1) in found and ("dull .", 0) in found
    assert len(found) == 201
    assert 8 < len(samples(corpus, "test")) < 40
    (folder / "rt-polarity.neg").unlink()
    with pytest.raises(DataError, match=r"no rt-polarity\.neg"):
        opened("polarity", tmp_path)


def test_generated_reviews_are_of_both_kinds_and_need_more_than_words(tmp_path: Path) -> None:
    ingest("reviews", tmp_path / "source", tmp_path / "shards", workers=1, size=2000)
    manifest = Manifest.load(str(tmp_path / "shards"))
    assert manifest.labels == ("negative", "positive")
    corpus = opened("reviews", tmp_path / "source")
    train = samples(corpus, "train")
    good = sum(label == 1 for _, label in train)
    assert 0.45 < good / len(train) < 0.55
    dull = [label for text, label in train if " dull" in text]
    assert 0.25 < sum(label == 1 for label in dull) / len(dull) < 0.75
    with pytest.raises(UsageError, match="at least 100"):
        write_reviews(tmp_path / "few", 10)
