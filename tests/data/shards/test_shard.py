"""Shards and manifest: open to any Arrow reader, and damage found by name before it is used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from striate.core.errors import DataError, UnknownName
from striate.data.corpora.mnist import open_mnist
from striate.data.shards.manifest import Manifest
from striate.data.shards.verify import verify
from striate.data.storage import Source
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream, evaluation_batches

pytestmark = pytest.mark.unit

VICTIM = "train-00002.arrow"


@pytest.fixture
def shards(many_shards: Path, tmp_path: Path) -> Path:
    """Shards that a test may damage."""
    return Path(shutil.copytree(many_shards, tmp_path / "shards"))


def flip(path: Path, at: float) -> None:
    """Flip one bit at a share of the file's length."""
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 4
    path.write_bytes(content)


def test_any_arrow_reader_opens_a_shard(shards: Path, digits_source: Path) -> None:
    with pa.ipc.open_file(shards / "test-00000.arrow") as file:
        table = file.read_all()
    assert table.schema.names == ["payload", "label", "key", "item"]
    samples = list(open_mnist(Source.of(digits_source)).read("test", 0, table.num_rows))
    rows = table.to_pylist()
    assert [(row["item"], row["payload"], row["label"]) for row in rows] == [
        (sample.item, sample.payload, sample.label)  # type: ignore[union-attr]
        for sample in samples
    ]


def test_the_manifest_says_what_is_there(shards: Path) -> None:
    manifest = Manifest.load(shards)
    assert manifest.splits == {"train": 1437, "test": 360}
    assert manifest.labels == tuple("0123456789")
    assert manifest.columns.payload.shape == (1, 28, 28)
    assert sum(shard.rows for shard in manifest.split_shards("train")) == manifest.rows("train")
    assert json.loads((shards / "manifest.json").read_text())["schema"]["label"]["kind"] == "class"
    assert Manifest.load(shards / "manifest.json").sha256 == manifest.sha256
    with pytest.raises(UnknownName, match="test, train"):
        manifest.rows("validation")


def test_rows_read_the_same_however_the_corpus_is_cut(
    many_shards: Path, digits_shards: Path
) -> None:
    rows = np.array([0, 1436, 700, 3, 700])
    images, labels = SplitReader(many_shards, "train").take(rows)
    same_images, same_labels = SplitReader(digits_shards, "train").take(rows)
    assert np.array_equal(images, same_images)
    assert np.array_equal(labels, same_labels)


@pytest.mark.parametrize("at", [0.0, 0.02, 0.3, 0.6, 0.97, 1.0])
def test_a_flipped_bit_is_found_before_training(shards: Path, at: float) -> None:
    flip(shards / VICTIM, at)
    with pytest.raises(DataError, match=VICTIM):
        verify(shards)
    with (
        Stream(shards, StreamSpec("train", 1437, seed=0, threads=1)) as stream,
        pytest.raises(DataError, match=VICTIM),
    ):
        next(stream)
    held_out = evaluation_batches(shards, StreamSpec("test", 360))  # the other split is whole
    assert len(list(held_out)) == 1


def test_a_short_a_missing_and_a_swapped_shard_are_named(shards: Path) -> None:
    victim = shards / VICTIM
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{VICTIM} is damaged"):
        verify(shards)
    shutil.copyfile(shards / "train-00001.arrow", victim)
    with pytest.raises(DataError, match=f"{VICTIM} is damaged"):
        verify(shards)
    victim.unlink()
    with pytest.raises(DataError, match=f"{VICTIM} is missing"):
        verify(shards)


def test_every_damaged_shard_is_counted(shards: Path) -> None:
    flip(shards / VICTIM, 0.5)
    flip(shards / "train-00004.arrow", 0.5)
    with pytest.raises(DataError, match=f"{VICTIM}.*1 more"):
        verify(shards)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda document: document.update(format_version=2), "format_version"),
        (lambda document: document["splits"].update(train=1436), "1436 rows"),
        (lambda document: document["shards"][0].update(file="../secret"), "shards.0.file"),
        (lambda document: document.pop("labels"), "labels"),
        (lambda document: document.update(extra=1), "extra"),
    ],
)
def test_a_wrong_manifest_is_refused(shards: Path, change: object, says: str) -> None:
    document = json.loads((shards / "manifest.json").read_text())
    assert callable(change)
    change(document)
    (shards / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=says):
        Manifest.load(shards)


def test_a_row_count_that_lies_is_found(shards: Path) -> None:
    document = json.loads((shards / "manifest.json").read_text())
    document["shards"][0]["rows"] += 1
    document["shards"][1]["rows"] -= 1
    (shards / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"train-00000.arrow has 128 rows, not 129"):
        verify(shards)


def test_a_folder_without_shards_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json"):
        Manifest.load(tmp_path)
