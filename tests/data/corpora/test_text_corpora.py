"""Corpora of lines, parallel text, questions and facts, in their published layouts."""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError, StriateError, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.base import AS_FOUND, FolderOptions
from striate.data.corpora.phrase_grammar import OF_THINGS, WHAT
from striate.data.corpora.phrases import phrases
from striate.data.corpora.s_expressions import parse_expression
from striate.data.corpora.text_lines import PIECE
from striate.data.ingest.ingest import ingest
from striate.data.shards.folder import ShardFolder
from striate.data.shards.schema import OpenCorpus, Sample, Skipped
from striate.data.storage import Source
from striate.data.stream.reader import SplitReader
from striate.data.transforms.text.clean import MOST_BYTES

pytestmark = pytest.mark.unit


def put(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def opened(name: str, folder: Path, options: FolderOptions = AS_FOUND) -> OpenCorpus:
    return CORPORA[name].open_as(Source.of(folder), options)


def read(corpus: OpenCorpus, split: str) -> list[Sample | Skipped]:
    return list(corpus.read(split, 0, len(corpus.item_bytes[split])))


def texts(items: Iterable[Sample | Skipped]) -> list[str]:
    return [item.payload.decode() for item in items if isinstance(item, Sample)]


def skipped(items: Iterable[Sample | Skipped]) -> dict[str, str]:
    return {item.key: item.reason for item in items if isinstance(item, Skipped)}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_end_as_editors_end_them(tmp_path: Path, end: str, mark: str) -> None:
    content = mark + end.join(["One.", "", " Two. ", "Three."])
    lines = read(opened("lines", put(tmp_path, {"train.txt": content})), "train")
    assert texts(lines) == ["One.", "Two.", "Three."]
    assert [line.key for line in lines] == ["train.txt:1", "train.txt:3", "train.txt:4"]


def test_bad_lines_are_named_and_counted(tmp_path: Path) -> None:
    long = b"x" * (MOST_BYTES + 1)
    content = b"good\n\xff\xfe\x01 bad\ngood\n\x00\x01\n" + b"a\tb\n"
    put(tmp_path, {"train.tsv": b"a\tb\n" + long + b"\tb\n", "test.tsv": content})
    assert skipped(read(opened("parallel", tmp_path), "train")) == {
        "train.tsv:1": "in a held-out split too",
        "train.tsv:2": "text longer than a megabyte",
    }
    tests = read(opened("parallel", tmp_path), "test")
    assert list(skipped(tests).values()) == [
        "broken line", "not UTF-8", "duplicated line", "broken line",
    ]  # fmt: skip
    put(tmp_path / "l", {"train.txt": content, "test.txt": "a\tb\n"})
    lines = read(opened("lines", tmp_path / "l"), "train")
    assert list(skipped(lines).values()) == [
        "not UTF-8", "duplicated line", "empty text", "in a held-out split too",
    ]  # fmt: skip


def test_a_long_line_is_cut_at_blanks_and_between_characters(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(3000))
    wide = "".join(chr(0x4E00 + number) for number in range(4000))
    corpus = opened("lines", put(tmp_path, {"text8": words, "other": wide}), no_test())
    found = read(corpus, "train")
    assert max(len(item.payload) for item in found if isinstance(item, Sample)) <= PIECE
    assert "".join(texts(found)[:3]) == wide
    assert " ".join(text.strip() for text in texts(found)[3:]) == words
    assert [item.key for item in found][:2] == ["other:1", "other:1@4095"]


def no_test() -> FolderOptions:
    return FolderOptions(test_share=0.0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_in_a_wide_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    put(tmp_path, {"train.txt": "text".encode(encoding)})
    with pytest.raises(DataError, match=rf"train.txt is {encoding.upper()}, not UTF-8"):
        opened("lines", tmp_path)


def test_a_share_is_drawn_by_what_a_line_says(tmp_path: Path) -> None:
    numbers = [f"line {number}" for number in range(400)]
    first = opened("lines", put(tmp_path / "a", {"all.txt": "\n".join(numbers)}))
    held = set(texts(read(first, "test")))
    assert 15 < len(held) < 80
    assert held.isdisjoint(texts(read(first, "train")))
    other = opened("lines", put(tmp_path / "b", {"all.txt": "\n".join(["new", *numbers[::-1]])}))
    assert set(texts(read(other, "test"))) - {"new"} == held
    with pytest.raises(UsageError, match="no share"):
        opened("lines", put(tmp_path / "c", {"train.txt": "a"}), FolderOptions(test_share=0.5))
    with pytest.raises(UsageError, match="--table"):
        opened("lines", tmp_path / "a", FolderOptions(table="x.csv"))


def test_columns_of_a_table_are_named_by_its_first_line(tmp_path: Path) -> None:
    table = "book\tFR\ten\tde\nI\tLe ciel\tThe sky\tDer Himmel\nI\t\tNo\tNein\nII\tx\ty\n"
    corpus = opened("parallel", put(tmp_path, {"train.tsv": table.replace("FR", "fr")}))
    good, *bad = read(corpus, "train")
    assert (corpus.payload.name, list(corpus.fields)) == ("fr", ["en", "de", "book"])
    assert isinstance(good, Sample)
    assert good.payload == b"Le ciel"
    assert good.fields == {"en": "The sky", "de": "Der Himmel", "book": "I"}
    assert skipped(bad) == {"train.tsv:3": "empty text", "train.tsv:4": "broken line"}


def test_a_table_without_names_has_a_source_and_a_target(tmp_path: Path) -> None:
    corpus = opened("parallel", put(tmp_path, {"fra.tsv": "Go.\tVa !\tCC-BY\nHi.\tSalut.\n"}),
                    no_test())  # fmt: skip
    assert (corpus.payload.name, list(corpus.fields)) == ("source", ["target"])
    assert texts(read(corpus, "train")) == ["Go.", "Hi."]


def test_files_side_by_side_are_joined_line_by_line(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        "train.en": "one\n\nthree\tx\nfour\n",
        "train.fr.gz": gzip.compress(b"un\ndeux\n\nquatre\r\n"),
        "newstest2014.en": "five\n",
        "newstest2014.fr": "cinq\n",
        "README.md": "two languages",
    }
    corpus = opened("parallel", put(tmp_path, files))
    assert list(corpus.item_bytes) == ["train", "newstest2014"]
    train = read(corpus, "train")
    assert [(item.payload, item.fields["fr"]) for item in train if isinstance(item, Sample)] == [
        (b"one", "un"),
        (b"four", "quatre"),
    ]
    assert skipped(train) == {"train.en:2": "empty text", "train.en:3": "empty text"}


def test_files_of_unequal_length_are_refused(tmp_path: Path) -> None:
    put(tmp_path, {"a.en": "one\ntwo\n", "a.fr": "un\n"})
    with pytest.raises(DataError, match=r"a.en 2, a.fr 1 lines"):
        opened("parallel", tmp_path)


def test_what_has_one_value_is_held_out_together(tmp_path: Path) -> None:
    rows = [f"{at // 20}\ta{at}\tb{at}" for at in range(800)]
    put(tmp_path, {"verses.tsv": "\n".join(["book\ten\tfr", *rows])})
    corpus = opened("parallel", tmp_path, FolderOptions(group_column="book", test_share=0.25))
    books = {
        split: [item.fields["book"] for item in read(corpus, split) if isinstance(item, Sample)]
        for split in ("train", "test")
    }
    assert set(books["train"]).isdisjoint(books["test"])
    assert len(books["train"]) + len(books["test"]) == 800
    assert 2 <= len(set(books["test"])) <= 20
    given = opened("parallel", tmp_path, FolderOptions(split_column="book"))
    assert len(given.item_bytes) == 40
    with pytest.raises(StriateError, match="boek"):
        opened("parallel", tmp_path, FolderOptions(group_column="boek"))


def test_some_languages_and_short_lines_are_taken(tmp_path: Path) -> None:
    table = "book\ten\tfr\tde\n1\ta b\tx y\tk l m\n1\tc\tx y z\tk\n2\td\tv\tk\n"
    put(tmp_path, {"train.tsv": table})
    corpus = opened("parallel", tmp_path, FolderOptions(languages="fr, en", most_words=2))
    assert (corpus.payload.name, list(corpus.fields)) == ("fr", ["en", "book"])
    found = read(corpus, "train")
    assert texts(found) == ["x y", "v"]
    assert skipped(found) == {"train.tsv:3": "more words than asked for"}
    everything = opened("parallel", tmp_path, FolderOptions(most_words=2))
    assert texts(read(everything, "train")) == ["d"]
    lines = opened("lines", put(tmp_path / "l", {"train.txt": "a b\nc\n"}),
                   FolderOptions(most_words=1))  # fmt: skip
    assert texts(read(lines, "train")) == ["c"]
    hashes = {opened("parallel", tmp_path, FolderOptions(most_words=n)).source_sha256
              for n in (None, 1, 2)}  # fmt: skip
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("corpus", "languages", "said"),
    [
        ("parallel", "en,fi", "fi.*en, fr"),
        ("parallel", "en,en", "at least two of en, fr"),
        ("lines", "en,fr", "--languages"),
    ],
)
def test_languages_that_are_not_there_are_refused(
    corpus: str, languages: str, said: str, tmp_path: Path
) -> None:
    put(tmp_path, {"train.tsv": "en\tfr\na\tb\n"})
    with pytest.raises(StriateError) as refused:
        opened(corpus, tmp_path, FolderOptions(languages=languages))
    assert re.search(said, f"{refused.value} {refused.value.remedy}")


ANALOGIES = """: capital-common-countries
Athens Greece Baghdad Iraq
Athens Greece Oslo
Athens Greece Baghdad Iraq
: capital-world
Athens Greece Baghdad Iraq
"""


def test_analogies_keep_their_sections(tmp_path: Path) -> None:
    corpus = opened("analogies", put(tmp_path, {"questions-words.txt": ANALOGIES}))
    assert corpus.labels == ("capital-common-countries", "capital-world")
    items = read(corpus, "test")
    assert [item.label for item in items if isinstance(item, Sample)] == [0, 1]
    assert list(skipped(items).values()) == ["broken line", "duplicated line"]


def question(target: str, utterance: str = "who is it?") -> dict[str, str]:
    return {"url": "http://x", "targetValue": target, "utterance": utterance}


def test_answers_of_webquestions_are_s_expressions(tmp_path: Path) -> None:
    train = [
        question(r'(list (description "Jazmyn \"J\" Bieber") (description Japan))', "a"),
        question('(list (description "Jazmyn)', "b"),
        question("(list)", "c"),
        question("(list (description (x)))", "d"),
        {"url": "http://x"},
        question("(list (description Japan))", "a"),
        question("(list (description Japan))", "held out"),
    ]
    test = [question("(list (description 1945) (description 1945))", "held out")]
    files = {"train": train, "test": test}
    put(tmp_path, {f"webquestions.examples.{s}.json": json.dumps(f) for s, f in files.items()})
    corpus = opened("webquestions", tmp_path)
    first, *others = read(corpus, "train")
    assert isinstance(first, Sample)
    assert first.fields["answers"] == ['Jazmyn "J" Bieber', "Japan"]
    assert list(skipped(others).values()) == [
        "unreadable answers", "no answer", "unreadable answers", "broken entry",
        "duplicated question", "in a held-out split too",
    ]  # fmt: skip
    (held,) = read(corpus, "test")
    assert isinstance(held, Sample)
    assert held.fields["answers"] == ["1945"]


@pytest.mark.parametrize("text", ["", "(", ")", "a b", '"a', "(a", "((((" * 9, "(" * 40 + ")" * 40])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expression|bracket|nested"):
        parse_expression(text)


def test_simplequestions_are_read_with_their_facts(tmp_path: Path) -> None:
    base = "www.freebase.com"
    line = f"{base}/m/04w\t{base}/book/subjects\t{base}/m/01c\twhat is it about?\n"
    facts = f"{base}/m/04w\t{base}/book/subjects\t{base}/m/01c {base}/m/02d\n{base}/m/04w\n"
    files = {"train": line, "valid": line.replace("what", "what ever"), "test": "a\tb\n"}
    put(tmp_path, {f"annotated_fb_data_{split}.txt": text for split, text in files.items()})
    put(tmp_path, {"freebase-subsets/freebase-FB2M.txt": facts})
    corpus = opened("simplequestions", tmp_path)
    assert list(corpus.item_bytes) == ["train", "valid", "test", "fb2m"]
    (asked,) = read(corpus, "train")
    fact, bad = read(corpus, "fb2m")
    assert isinstance(asked, Sample) and isinstance(fact, Sample)
    assert asked.payload == b"what is it about?"
    expected = {"subject": "/m/04w", "relation": "/book/subjects", "objects": ["/m/01c"]}
    assert asked.fields == expected
    assert fact.fields == {**expected, "objects": ["/m/01c", "/m/02d"]}
    assert skipped([bad]) == {"freebase-subsets/freebase-FB2M.txt:2": "broken line"}


@pytest.mark.parametrize(
    "name", ["analogies", "lines", "parallel", "simplequestions", "webquestions"]
)
def test_a_folder_without_the_corpus_is_told_what_belongs_there(tmp_path: Path, name: str) -> None:
    put(tmp_path, {"photo.jpg": b"x"})
    with pytest.raises(DataError) as caught:
        opened(name, tmp_path)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["phrases", "sentences"])
def test_what_is_generated_is_ingested_whole_and_always_the_same(tmp_path: Path, name: str) -> None:
    report = ingest(name, tmp_path / "source", tmp_path / "shards", size=500, shard_mb=0.01)
    assert report.splits == {"train": 450, "test": 50}
    assert not report.skipped
    assert report.shards > 2
    again = ingest(name, tmp_path / "source", tmp_path / "again", shard_mb=0.01)
    assert report.sha256 == again.sha256
    row = SplitReader(ShardFolder.of(tmp_path / "shards"), "test", 1).stored(np.array([3]))[0]
    english, french = list(phrases(40))[39]
    assert bytes(row.payload).decode() == english
    assert row.fields.get("fr", french) == french


def test_french_agrees_with_its_nouns() -> None:
    made = list(phrases(4000))
    assert len(set(made)) == len(made)
    ends = " ".join(french for _, french in made)
    for wrong in ("la orange", "la image", "ma image", "ce arbre", "le arbre", "ne oublie"):
        assert f" {wrong}" not in ends
    genders = {noun[2]: noun[4] for noun in WHAT}
    for like in OF_THINGS:
        male, female = like[1].lstrip("*"), like[2]
        for noun, gender in genders.items():
            wrong = female if gender == "m" else male
            if male != female:
                assert f"{noun} {wrong} " not in ends and f"{wrong} {noun} " not in ends
