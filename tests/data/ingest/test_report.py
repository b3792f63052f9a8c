"""What an ingest leaves out is named and counted, and too much of it ends the ingest."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.cli.main import main
from striate.core.errors import DataError, UsageError
from striate.data.corpora import CORPORA
from striate.data.corpora.base import Corpus
from striate.data.ingest.ingest import ingest
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import KEYS_KEPT, Manifest
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.shards.verify import verify

pytestmark = pytest.mark.unit

SHARD_MB = 40e-6  # four samples of ten bytes
CLASS, IMAGE = LabelColumn(), PayloadColumn(kind="image")
Ingest = Callable[..., Path]


@dataclass
class Listed:
    """A corpus of what it is given."""

    items: Sequence[Sample | Skipped]
    label: LabelColumn = CLASS
    fields: dict[str, FieldKind] = field(default_factory=dict)
    payload: PayloadColumn = IMAGE
    labels: tuple[str, ...] = ("a", "b")
    source_sha256: str = "0" * 64
    assets: dict[str, str] = field(default_factory=dict)

    @property
    def item_bytes(self) -> dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        return {"train": np.full(len(self.items), 10, np.int64)}

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        yield from self.items[start:stop]


@pytest.fixture
def ingest_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Ingests a corpus of the items given."""

    def run(corpus: Listed, max_skipped: float = 1.0) -> Path:
        monkeypatch.setitem(CORPORA, "listed", Corpus("listed", lambda _: corpus))
        ingest("listed", tmp_path, tmp_path / "shards", shard_mb=SHARD_MB, max_skipped=max_skipped)
        return tmp_path / "shards"

    return run


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 50).save(buffer, "JPEG")
    return buffer.getvalue()


def sample(item: int, label: object = 0, payload: bytes = b"0123456789", key: str = "") -> Sample:
    return Sample(item, payload, label, key or f"{item}.jpg")  # type: ignore[arg-type]


def test_what_cannot_be_stored_is_named_and_counted(ingest_items: Ingest) -> None:
    target = ingest_items(
        Listed(
            [
                sample(0),
                sample(1, label=2),
                sample(2, label=-1),
                sample(3, payload=b""),
                sample(4),
                sample(5, key="4.jpg"),
                Skipped(6, "tar cut short", "6.jpg"),
                Skipped(7, "tar cut short"),
                sample(8),
            ]
        )
    )
    manifest = Manifest.load(target)
    assert manifest.skipped == {
        "duplicated key": 1,
        "empty file": 1,
        "label out of range": 2,
        "tar cut short": 2,
    }
    assert manifest.skipped_keys["label out of range"] == ("1.jpg", "2.jpg")
    assert manifest.skipped_keys["tar cut short"] == ("6.jpg", "item 7")
    assert manifest.splits == {"train": 3}
    shards = [ShardFolder.of(target).open(entry) for entry in manifest.shards]
    assert [shard.key(row) for shard in shards for row in range(shard.rows)] == [
        "0.jpg",
        "4.jpg",
        "8.jpg",
    ]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("class", 1, 2),
        ("multi", [0, 1], [0, 2]),
        ("frames", [1, 1, 0], [1, -1]),
        ("dense", np.array([-1, 0, 1], "<i2").tobytes(), np.array([-1, 2], "<i2").tobytes()),
        ("dense", np.array([0, 1], "<i2").tobytes(), np.array([-2, 0], "<i2").tobytes()),
    ],
)
def test_labels_of_every_kind_come_back_and_have_a_range(
    ingest_items: Ingest, kind: str, good: object, bad: object
) -> None:
    label = LabelColumn.model_validate({"kind": kind})
    target = ingest_items(Listed([sample(0, good), sample(1, bad)], label))
    assert verify(target).splits == {"train": 1}
    assert Manifest.load(target).skipped == {"label out of range": 1}
    folder = ShardFolder.of(target)
    held = folder.open(folder.manifest.shards[0]).label(0)
    if isinstance(held, memoryview):
        assert bytes(held) == good
    else:
        assert (held.tolist() if isinstance(held, np.ndarray) else held) == good


def test_further_columns_and_units_come_back(ingest_items: Ingest) -> None:
    kinds: dict[str, FieldKind] = {"units": "int32", "words": "list<string>", "raw": "binary"}
    values = [
        {"units": 3, "words": ["x", "y"], "raw": b"\0"},
        {"units": 5, "words": [], "raw": b""},
    ]
    items = [Sample(at, b"x" * (at + 1), 0, str(at), fields=v) for at, v in enumerate(values)]
    folder = ShardFolder.of(ingest_items(Listed(items, fields=kinds)))
    shard = folder.open(folder.manifest.shards[0])
    assert [shard.fields(row) for row in range(2)] == values
    assert shard.units.tolist() == [3, 5]
    assert folder.manifest.shards[0].units == 8
    assert [bytes(shard.payload(row)) for row in range(2)] == [b"x", b"xx"]


def test_the_manifest_keeps_few_names_however_many_are_left_out(ingest_items: Ingest) -> None:
    items = [Skipped(at, "missing", f"v{at}") if at else sample(0) for at in range(200)]
    corpus = Listed(items)
    target = ingest_items(corpus)
    manifest = Manifest.load(target)
    assert manifest.skipped == {"missing": 199}
    assert manifest.skipped_keys["missing"] == tuple(f"v{at}" for at in range(1, KEYS_KEPT + 1))
    before = (target / "manifest.json").read_bytes()
    (target / manifest.shards[2].file).unlink()
    ingest_items(corpus)
    assert (target / "manifest.json").read_bytes() == before


def test_jpegs_without_an_end_marker_are_stored_counted_and_named(
    ingest_items: Ingest, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thumbnail's own marker is none, and what follows the marker does not hide it."""
    whole = jpeg()
    length = (len(whole) + 2).to_bytes(2, "big")
    with_thumbnail = whole[:2] + b"\xff\xe1" + length + whole + whole[2:]
    payloads = [
        whole,
        whole[:-2],
        whole[:-1],
        whole + bytes(9),
        with_thumbnail,
        with_thumbnail[:-2],
    ]
    items = [Sample(at, payload, 0, f"{at}.jpg") for at, payload in enumerate(payloads)]
    target = ingest_items(Listed(items))
    manifest = Manifest.load(target)
    assert manifest.rows("train") == len(items)
    assert manifest.flaws == {"JPEG image without an end marker": 3}
    assert manifest.flawed_keys == {"JPEG image without an end marker": ("1.jpg", "2.jpg", "5.jpg")}
    again = ingest("listed", target.parent, target, shard_mb=SHARD_MB)
    assert (again.written, again.flaws) == (0, manifest.flaws)
    main(["data", "ls", str(target)])
    said = " ".join(capsys.readouterr().err.split())
    assert "Stored 3 all the same: JPEG image without an end marker (1.jpg, 2.jpg, 5.jpg)." in said


def test_a_manifest_without_flaws_is_what_it_was(ingest_items: Ingest) -> None:
    """Runs record its hash, those of before there were flaws, too."""
    target = ingest_items(Listed([sample(0)]))
    assert "flaw" not in (target / "manifest.json").read_text()


def test_too_much_left_out_ends_the_ingest_and_finished_shards_stay(
    ingest_items: Ingest,
) -> None:
    items = [
        Skipped(at, "truncated", f"{at}.jpg") if at % 4 == 3 else sample(at) for at in range(40)
    ]
    with pytest.raises(DataError, match=r"10\.00% of 40.*5 up to here.*truncated \(3\.jpg, 7\.jpg"):
        ingest_items(Listed(items), max_skipped=0.1)
    with pytest.raises(DataError, match=r"More than the allowed 10"):
        ingest_items(Listed(items), max_skipped=0.1)
    target = ingest_items(Listed(items), max_skipped=0.25)
    assert Manifest.load(target).skipped == {"truncated": 10}


def test_a_corpus_without_one_usable_sample_is_an_error(ingest_items: Ingest) -> None:
    with pytest.raises(DataError, match=r"Not one sample.*2 × missing \(a, b\)"):
        ingest_items(Listed([Skipped(0, "missing", "a"), Skipped(1, "missing", "b")]))


def test_a_generated_corpus_is_written_in_the_size_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path, size: int) -> None:
        (folder / "size").write_text(str(size))

    corpus = Corpus("made", lambda _: Listed([sample(0)]), write, 7)
    monkeypatch.setitem(CORPORA, "made", corpus)
    ingest("made", tmp_path / "default", tmp_path / "a")
    ingest("made", tmp_path / "three", tmp_path / "b", size=3)
    assert (tmp_path / "default" / "size").read_text() == "7"
    assert (tmp_path / "three" / "size").read_text() == "3"
    with pytest.raises(UsageError, match="size 0"):
        ingest("made", tmp_path / "none", tmp_path / "c", size=0)


def test_a_source_that_was_half_written_when_its_writer_died_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: Path, size: int) -> None:
        (folder / "part").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setitem(CORPORA, "made", Corpus("made", lambda _: Listed([sample(0)]), die, 7))
    with pytest.raises(KeyboardInterrupt):
        ingest("made", tmp_path / "source", tmp_path / "a")
    assert not (tmp_path / "source").exists()
