"""Sports-1M's lists: every line judged, missing videos counted, labels kept."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError
from striate.data.corpora.sports import encode
from striate.data.corpora.sports1m import open_sports1m
from striate.data.corpora.sports1m_lists import read_list
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import (
    OpenCorpus,
    Sample,
    Skipped,
)
from striate.data.storage import Source

pytestmark = pytest.mark.unit

LABELS = "boomerang\nmodel aircraft\nSmögen rodd\nbjörnbär\n"
TRAIN = """\
https://www.youtube.com/watch?v=UDqivjS-lpI 1,3
https://www.youtube.com/watch?v=AAAAAAAAAAA 0
http://www.youtube.com/watch?feature=player&v=BBBBBBBBBBB 2
https://www.youtube.com/watch?v=CCCCCCCCCCC 4
https://www.youtube.com/watch?v=DDDDDDDDDDD
not a line
https://www.youtube.com/watch?v=UDqivjS-lpI 1
https://www.youtube.com/watch?v=TTTTTTTTTTT 1
https://www.youtube.com/watch?v=EEEEEEEEEEE 1
https://www.youtube.com/watch?v=FFFFFFFFFFF -1
https://www.youtube.com/watch?v=GGGGGGGGGGG 2,2
"""
TEST = """\
https://www.youtube.com/watch?v=TTTTTTTTTTT 0
https://www.youtube.com/watch?v=-_-_-_-_-_- 1
"""


def moving(frames: int = 20) -> Iterator[np.ndarray]:
    for index in range(frames):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[10:30, index : index + 20] = (200, 40, 90)
        yield frame


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "sports1m"
    (folder / "original").mkdir(parents=True)
    (folder / "videos" / "more").mkdir(parents=True)
    (folder / "labels.txt").write_text(LABELS, encoding="utf-8")
    (folder / "original" / "train_partition.txt").write_text(TRAIN)
    (folder / "original" / "test_partition.txt").write_text(TEST)
    for name in ("UDqivjS-lpI.mp4", "more/train-0002.mkv", "TTTTTTTTTTT.avi", "-_-_-_-_-_-.mp4"):
        encode(folder / "videos" / name, moving())
    encode(folder / "videos" / "GGGGGGGGGGG.mp4", moving())
    (folder / "videos" / "EEEEEEEEEEE.mp4").write_bytes(b"<html>This video is gone</html>")
    return folder


def items(corpus: OpenCorpus, split: str) -> list[Sample | Skipped]:
    return list(corpus.read(split, 0, len(corpus.item_bytes[split])))


def test_every_line_becomes_a_sample_or_a_reason(source: Path) -> None:
    corpus = open_sports1m(Source.of(source))
    assert corpus.labels == ("boomerang", "model aircraft", "Smögen rodd", "björnbär")
    train = items(corpus, "train")
    assert [item.item for item in train] == list(range(11))
    good = {item.item: item for item in train if isinstance(item, Sample)}
    assert {index: tuple(item.label) for index, item in good.items()} == {  # type: ignore[arg-type]
        0: (1, 3),
        2: (2,),
        10: (2,),
    }
    assert good[0].key == "UDqivjS-lpI"
    assert good[0].payload == (source / "videos" / "UDqivjS-lpI.mp4").read_bytes()
    assert good[2].payload == (source / "videos" / "more" / "train-0002.mkv").read_bytes()
    assert (good[0].fields["frames"], good[0].fields["height"]) == (20, 48)
    assert {item.item: item.reason for item in train if isinstance(item, Skipped)} == {
        1: "missing video",
        3: "label out of range",
        4: "malformed line",
        5: "malformed line",
        6: "duplicated URL",
        7: "listed in the test partition too",
        8: "truncated or damaged video",
        9: "label out of range",
    }
    assert [item.key for item in items(corpus, "test")] == ["TTTTTTTTTTT", "-_-_-_-_-_-"]


def test_the_coverage_is_told_for_every_split_and_class(source: Path, tmp_path: Path) -> None:
    report = ingest("sports1m", source, tmp_path / "shards")
    assert report.splits == {"train": 3, "test": 2}
    assert report.skipped == {
        "duplicated URL": 1,
        "label out of range": 2,
        "listed in the test partition too": 1,
        "malformed line": 2,
        "missing video": 1,
        "truncated or damaged video": 1,
    }
    coverage = json.loads((tmp_path / "shards" / "coverage.json").read_text(encoding="utf-8"))
    train = coverage["train"]
    assert (train["lines"], train["listed"], train["present"]) == (11, 5, 4)
    assert train["classes"]["boomerang"] == {"listed": 1, "present": 0}
    assert train["classes"]["björnbär"] == {"listed": 1, "present": 1}
    assert coverage["test"]["present"] == 2
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.labels == ("boomerang", "model aircraft", "Smögen rodd", "björnbär")


def test_zipped_lists_beside_the_labels_read_the_same(source: Path) -> None:
    before = open_sports1m(Source.of(source))
    for path in list((source / "original").iterdir()):
        (source / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    after = open_sports1m(Source.of(source))
    assert items(after, "train") == items(before, "train")
    assert after.source_sha256 == before.source_sha256


def test_a_list_named_plain_may_be_zipped_and_end_with_crlf(source: Path) -> None:
    before = items(open_sports1m(Source.of(source)), "train")
    windows = TRAIN.replace("\n", "\r\n").encode("utf-8-sig")
    (source / "original" / "train_partition.txt").write_bytes(gzip.compress(windows))
    assert items(open_sports1m(Source.of(source)), "train") == before


def test_another_video_is_another_source(source: Path) -> None:
    before = open_sports1m(Source.of(source)).source_sha256
    encode(source / "videos" / "AAAAAAAAAAA.mp4", moving())
    assert open_sports1m(Source.of(source)).source_sha256 != before


def test_what_is_not_there_is_named(source: Path, tmp_path: Path) -> None:
    (source / "videos").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no folder videos"):
        open_sports1m(Source.of(source))
    (source / "videos").mkdir()
    with pytest.raises(DataError, match="none of the listed videos"):
        open_sports1m(Source.of(source))
    (source / "original" / "test_partition.txt").write_bytes(gzip.compress(TEST.encode())[:-9])
    with pytest.raises(DataError, match=r"test_partition\.txt is truncated"):
        open_sports1m(Source.of(source))
    (source / "original" / "test_partition.txt").unlink()
    with pytest.raises(DataError, match=r"no test_partition\.txt"):
        open_sports1m(Source.of(source))
    (source / "labels.txt").write_bytes("Smögen".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        open_sports1m(Source.of(source))


def test_a_long_list_is_judged_whole() -> None:
    text = "".join(f"https://www.youtube.com/watch?v={n:011d} {n % 487}\n" for n in range(100_000))
    listed = read_list(text, 487)
    assert len(listed.ids) == 100_000
    assert listed.labels(99_999) == (99_999 % 487,)
