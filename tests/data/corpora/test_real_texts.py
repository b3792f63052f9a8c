"""Real text: verses in three languages with books held out, and word2vec's analogies."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.data.corpora.base import FolderOptions
from striate.data.ingest.ingest import ingest
from striate.data.pipelines.texts import texts
from striate.data.shards.folder import ShardFolder
from striate.data.shards.manifest import Manifest
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.data.transforms.text.clean import clean_text

pytestmark = [pytest.mark.unit, pytest.mark.realdata]

VERSES = 31_102


@pytest.fixture(scope="module")
def verses(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("verses")
    (folder / "source").mkdir()
    shutil.copy(real_data / "translation" / "verses-en-fr-de.tsv.gz", folder / "source")
    options = FolderOptions(group_column="book", test_share=0.1)
    ingest("parallel", folder / "source", folder / "shards", shard_mb=2, folder=options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_HOME", str(folder / "home"))
        yield folder / "shards"


def test_whole_books_are_held_out(verses: Path) -> None:
    manifest = Manifest.load(verses)
    assert manifest.columns.texts == ("en", "fr", "de", "book", "chapter", "verse")
    assert sum(manifest.splits.values()) + sum(manifest.skipped.values()) == VERSES
    assert set(manifest.skipped) <= {"duplicated line", "in a held-out split too", "empty text"}
    assert sum(manifest.skipped.values()) < 0.01 * VERSES
    books = {}
    for split, rows in manifest.splits.items():
        reader = SplitReader(ShardFolder.of(verses), split)
        stored = reader.stored(np.arange(0, rows, 7))
        books[split] = {str(sample.fields["book"]) for sample in stored}
    assert 2 <= len(books["test"]) <= 15
    assert books["train"].isdisjoint(books["test"])


def test_short_verses_of_two_languages_are_taken(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(real_data / "translation" / "verses-en-fr-de.tsv.gz", tmp_path / "source")
    options = FolderOptions(languages="en,fr", most_words=15, group_column="book", test_share=0.1)
    ingest("parallel", tmp_path / "source", tmp_path / "shards", folder=options)
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.columns.texts == ("en", "fr", "book", "chapter", "verse")
    assert manifest.splits == {"train": 5160, "test": 422}
    assert manifest.skipped == {"more words than asked for": VERSES - 5160 - 422}


def test_pieces_give_back_every_language_and_batches_are_full(verses: Path) -> None:
    folder = ShardFolder.of(verses)
    columns = {"source": "de", "target": "fr"}
    spec = {"most": 64, "tokenizer": {"size": 2000}}
    sequences = {name: {"column": column, **spec} for name, column in columns.items()}
    pipeline = texts({"sequences": sequences, "split": "test"}, True)
    with Stream(verses, StreamSpec("train", 64, pipeline=pipeline, threads=0)) as stream:
        batches = [next(stream) for _ in range(20)]
    masks = torch.cat([batch.tensors["source_mask"].flatten() for batch in batches])
    assert masks.float().mean() > 0.72  # in the plain order 0.45
    tokenizer = pipeline.bind(folder).tokenizers["source"]
    for sample in SplitReader(folder, "test").stored(np.arange(0, 900, 30)):
        text = str(sample.fields["de"])
        assert tokenizer.decode(tokenizer.encode(text)) == clean_text(text)


def test_the_analogies_are_all_there(real_data: Path, tmp_path: Path) -> None:
    report = ingest("analogies", real_data / "words", tmp_path / "shards")
    assert report.splits == {"test": 19_544}
    assert not report.skipped
    assert len(Manifest.load(tmp_path / "shards").labels) == 14
