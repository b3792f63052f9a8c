"""Every list, transcript, ground truth, region, label and recipe file, as editors save them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from striate.core.errors import DataError, StriateError
from striate.core.settings import Settings
from striate.core.text import decode_text, numbered_lines, text_lines
from striate.data.corpora.base import FolderOptions
from striate.data.corpora.imagenet_devkit import META, TRUTH, Synset, encode_meta, read_devkit
from striate.data.corpora.kaldi import open_alignments
from striate.data.corpora.label_table import read_table
from striate.data.corpora.lfw import read_lists
from striate.data.corpora.lfw_lists import read_pairs
from striate.data.corpora.librispeech import open_librispeech, parse_speakers
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.stanford import decode_regions, open_stanford
from striate.data.corpora.timit import parse_spans
from striate.data.storage import ListedFile, Source
from striate.serve.capacity.service_times import read_times
from striate.train.recipes.resolve import load, resolve

pytestmark = pytest.mark.unit

BOM = b"\xef\xbb\xbf"
Read = Callable[[Path, bytes], object]

VARIANTS: Mapping[str, Callable[[bytes], bytes]] = {
    "mark": lambda plain: BOM + plain,
    "crlf": lambda plain: plain.replace(b"\n", b"\r\n"),
    "cr": lambda plain: plain.replace(b"\n", b"\r"),
    "blank end": lambda plain: plain + b"\n \t\n\n",
    "no end": lambda plain: plain.rstrip(b"\n"),
    "all": lambda plain: BOM + plain.replace(b"\n", b"\r\n") + b"\r\n\r\n",
}
WORDS: Mapping[str, Callable[[bytes], bytes]] = {
    "tabs": lambda plain: plain.replace(b" ", b"\t"),
    "several blanks": lambda plain: plain.replace(b" ", b"  \t"),
    "indented": lambda plain: b" " + plain.replace(b"\n", b" \n\t"),
}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def truth(folder: Path, content: bytes) -> object:
    put(folder / META, encode_meta([Synset(1, "n1", "a"), Synset(2, "n2", "b")]))
    put(folder / TRUTH, content)
    kit = read_devkit(Source.of(folder))
    assert kit is not None
    return kit.truth.tolist()


def sports(folder: Path, name: str, content: bytes) -> object:
    line = b"https://youtu.be/AAAAAAAAAAA 0\n"
    files = {
        "labels.txt": b"bj\xc3\xb6rn\nmodel\n",
        "train_partition.txt": line,
        "test_partition.txt": line.replace(b"A", b"B"),
        "videos/AAAAAAAAAAA.mp4": b"",
        name: content,
    }
    for file, what in files.items():
        put(folder / file, what)
    corpus = open_sports1m(Source.of(folder))
    listed = corpus._lists["train"]  # type: ignore[attr-defined]
    keys = [listed.key(item) for item in range(len(listed.states))]
    return corpus.labels, listed.states, keys


def lfw(folder: Path, name: str, content: bytes) -> object:
    put(folder / name, content)
    lists, people = read_lists(Source.of(folder))
    return people.get(name) or read_pairs(lists[name], name)


def transcript(folder: Path, content: bytes) -> object:
    part = folder / "dev-clean" / "1" / "2"
    put(part / "1-2-0001.flac", b"")
    put(part / "1-2.trans.txt", content)
    opened = open_librispeech(Source.of(folder))
    (utterance,) = opened.splits["dev-clean"]  # type: ignore[attr-defined]
    return utterance.problem, opened.annotate(utterance, 8000)  # type: ignore[attr-defined]


def alignments(folder: Path, name: str, content: bytes) -> object:
    put(folder / "alignments" / "ali.txt", b"utt 1 2 1\nother 2 2 2\n")
    put(folder / "alignments" / name, content)
    found = open_alignments(Source.of(folder))
    assert found is not None
    states = [found.of(name, 240 + 400) for name in ("utt", "other")]
    return found.states, [value if isinstance(value, str) else value.tolist() for value in states]


def horizons(folder: Path, content: bytes) -> object:
    put(folder / "images" / "1.jpg", b"x")
    put(folder / "labels" / "1.regions.txt", b"0")
    put(folder / "horizons.txt", content)
    text = open_stanford(Source.of(folder)).assets["horizons.txt"]
    return [line.split() for _, line in numbered_lines(str(text))]


def table(folder: Path, content: bytes) -> object:
    put(folder / "labels.csv", content)
    entries = [ListedFile("a.png", False, 1), ListedFile("b.png", False, 1)]
    return read_table(Source.of(folder), "labels.csv", entries, FolderOptions())


def regions(folder: Path, content: bytes) -> object:
    del folder
    found = decode_regions(content)
    return found if isinstance(found, str) else found.tolist()


def spans(folder: Path, content: bytes) -> object:
    del folder
    found = parse_spans(content)
    assert found is not None
    return found.names, found.starts.tolist(), found.ends.tolist()


def recipe(folder: Path, content: bytes) -> object:
    put(folder / "recipe.json", content)
    return load(folder / "recipe.json")


def settings(folder: Path, content: bytes) -> object:
    put(folder / "settings.toml", content)
    return Settings.load({"STRIATE_HOME": str(folder)}).cache_gb


def times(folder: Path, content: bytes) -> object:
    put(folder / "times.json", content)
    return read_times(folder / "times.json")


PLAIN_RECIPE = resolve("lenet5-digits").model_dump_json(indent=1).encode() + b"\n"
# Reader, what it reads, and whether blanks or tabs part its words.
READERS: Mapping[str, tuple[Read, bytes, bool]] = {
    "ground truth": (truth, b"2\n1\n1\n", True),
    "labels": (lambda f, c: sports(f, "labels.txt", c), b"bj\xc3\xb6rn\nmodel\n", False),
    "partition": (
        lambda f, c: sports(f, "train_partition.txt", c),
        b"https://youtu.be/AAAAAAAAAAA 0,1\nhttps://youtu.be/CCCCCCCCCCC 1\n",
        True,
    ),
    "pairs": (lambda f, c: lfw(f, "pairs.txt", c), b"2 1\nA 1 4\nB 1 C 3\nC 1 2\nA 2 B 3\n", True),
    "people": (lambda f, c: lfw(f, "people.txt", c), b"2\n2\nA 1\nB 3\n1\nC\t4\n", True),
    "transcript": (transcript, b"1-2-0001 SAID ONCE\n", False),
    "speakers": (
        lambda _, content: parse_speakers(content),
        b"19 | F | dev | 2.1 | K\n26 | M | x | 2 | D\n",
        True,
    ),
    "alignment": (
        lambda f, c: alignments(f, "ali.txt", c),
        b"utt 1 2 1\nother 2 2 2\n",
        True,
    ),
    "states": (lambda f, c: alignments(f, "states.txt", c), b"aa 0\nbb 1\ncc 2\n", True),
    "regions": (regions, b"0 1 -1\n7 7 7\n", True),
    "horizons": (horizons, b"a 1 2\nb 3 4\n", True),
    "phones": (spans, b"0 10 h#\n10 20 sh\n", True),
    "table": (table, b"path,label\na.png,001\nb.png,b\xc3\xa4r\n", False),
    "recipe": (recipe, PLAIN_RECIPE, False),
    "settings": (settings, b"# caf\xc3\xa9\ncache_gb = 3\n", False),
    "service times": (
        times,
        b'[{"app": "t",\n"batches": {"1": {"count": 2, "mean_s": 0.5}}}]\n',
        False,
    ),
}
NOT_MEANT = {
    ("ground truth", "tabs"),  # it has one word a line
    ("ground truth", "several blanks"),
    ("settings", "cr"),  # a comment ends its line
    ("alignment", "cr"),  # gigabytes, gone through line by line
}
CASES = [
    (reader, variant)
    for reader, (_, _, words) in READERS.items()
    for variant in (*VARIANTS, *(WORDS if words else ()))
    if (reader, variant) not in NOT_MEANT
]


@pytest.mark.parametrize(("reader", "variant"), CASES)
def test_a_file_reads_alike_however_it_was_saved(tmp_path: Path, reader: str, variant: str) -> None:
    read, plain, _ = READERS[reader]
    change = {**VARIANTS, **WORDS}[variant]
    assert change(plain) != plain
    assert read(tmp_path / "a", change(plain)) == read(tmp_path / "b", plain)


def test_a_transcript_and_its_sound_may_end_in_capitals(tmp_path: Path) -> None:
    put(tmp_path / "dev-clean/1/2/1-2-0001.FLAC", b"")
    put(tmp_path / "dev-clean/1/2/1-2.TRANS.TXT", b"1-2-0001 SAID\n")
    opened = open_librispeech(Source.of(tmp_path))
    utterances = opened.splits["dev-clean"]  # type: ignore[attr-defined]
    assert [(utterance.key, utterance.problem) for utterance in utterances] == [("1-2-0001", "")]


def test_a_blank_line_between_classes_shifts_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.txt line 2 is blank"):
        sports(tmp_path, "labels.txt", b"a\n\nb\n")


@pytest.mark.parametrize("reader", sorted(READERS.keys() - {"alignment"}))
def test_what_is_utf_16_is_refused_by_that_name(tmp_path: Path, reader: str) -> None:
    read, plain, _ = READERS[reader]
    if reader == "phones":  # one of many files, counted by its reason: see test_timit.py
        assert parse_spans(plain.decode().encode("utf-16")) is None
        return
    if reader == "regions":  # the same
        assert read(tmp_path, plain.decode().encode("utf-16")) == "labels are UTF-16, not UTF-8"
        return
    with pytest.raises(StriateError, match="UTF-16, not UTF-8"):
        read(tmp_path, plain.decode().encode("utf-16"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"2\n\n1\n0\n", "line 4 has the id 0, which no class has"),
        (b"2\n\none\n", "line 3 is no whole number"),
        (b"2\n" + b"9" * 30, "line 2 is no whole number"),
    ],
)
def test_the_line_of_a_wrong_ground_truth_is_the_files_own(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        truth(tmp_path, content)


def test_a_list_that_is_not_utf_8_is_named() -> None:
    with pytest.raises(DataError, match=r"list\.txt is not UTF-8"):
        text_lines(b"caf\xe9\n", "list.txt")
    assert text_lines(b"caf\xe9\n", "list.txt", "latin-1") == ["café"]
    assert numbered_lines(decode_text("a\x85b\n\n c \n".encode(), "x")) == [(1, "a\x85b"), (3, "c")]
