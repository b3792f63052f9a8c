"""The pipeline `words`: windows in training, analogies in evaluation, whoever makes them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError
from striate.data.ingest.ingest import ingest
from striate.data.pipelines import word_counts
from striate.data.pipelines.base import DamagedSample, HasVocabulary, Places, Stored
from striate.data.pipelines.registry import pipeline_of
from striate.data.pipelines.words import FILE, WINDOW_TENSORS, Analogies, WordWindows, words
from striate.data.shards.folder import ShardFolder
from striate.data.stream.evaluation import evaluation_batches
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import Share, StreamSpec
from striate.data.stream.stream import Batch, Stream
from striate.data.transforms.text.tokenizer import SPECIAL, Tokenizer

pytestmark = pytest.mark.unit

WORDS = {"kind": "words", "size": 2000, "lowercase": True, "marks": False}
GIVEN = {"tokenizer": WORDS, "most": 64, "drawn": 8}
NOWHERE = Places(0, np.zeros(1, np.int64), np.zeros(1, np.int64))
LINES = 500


@pytest.fixture(scope="module")
def shards(made_once: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        ingest("facts", folder / "source", folder / "shards", size=LINES, shard_mb=0.05)

    return made_once("facts-words", make) / "shards"


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def windows(shards: Path, **arguments: Any) -> WordWindows:
    made = words({**GIVEN, **arguments}, True)
    assert isinstance(made, WordWindows)
    return made.bind(ShardFolder.of(shards))


def analogies(shards: Path, **arguments: Any) -> Analogies:
    made = words({**GIVEN, **arguments}, False)
    assert isinstance(made, Analogies)
    return made.bind(ShardFolder.of(shards))


def sample(text: bytes, label: int = 1) -> Stored:
    return Stored(0, 0, text, label, "questions-words.txt:7")


def stream(shards: Path, count: int, **more: Any) -> list[Batch]:
    share = Share(more.pop("rank", 0), more.pop("world", 1))
    cursor = more.pop("cursor", 0)
    pipeline = pipeline_of("words", GIVEN, training=True)
    spec = StreamSpec("train", 20, seed=5, pipeline=pipeline, window=100, **more)
    with Stream(shards, spec, share, cursor=cursor) as made:
        return [next(made) for _ in range(count)]


def test_counts_are_those_of_the_words_and_of_nothing_else(shards: Path) -> None:
    bound = windows(shards)
    assert bound.tokenizer is not None and isinstance(bound, HasVocabulary)
    reader = SplitReader(shards, "train")
    ids = np.concatenate([bound.prepare(one) for one in reader.stored(np.arange(reader.rows))])
    assert (np.bincount(ids, minlength=bound.vocabulary) == bound.counts).all()
    assert not bound.counts[: len(SPECIAL)].any()
    frequent = bound.counts[len(SPECIAL) :]
    assert (np.diff(frequent) <= 0).all(), "ids go by how frequent words are"
    assert all(word.isalnum() for word in bound.tokenizer.words[len(SPECIAL) :])


def test_counts_are_made_once(
    shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    first = windows(shards).counts
    (kept,) = (tmp_path / "cache" / "tokenizers").glob("*.npy")
    monkeypatch.setattr(word_counts, "SplitTexts", None)
    assert (windows(shards).counts == first).all()
    monkeypatch.undo()
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    kept.write_bytes(b"damaged")
    assert (windows(shards).counts == first).all()


def test_words_out_of_the_vocabulary_leave_no_gap(shards: Path) -> None:
    bound = windows(shards, sample=0)
    made = bound([sample(b"Japan xyzzy exports, Japanese <b> tea!")], NOWHERE)
    assert bound.tokenizer is not None
    known = [bound.tokenizer.id_of(word) for word in ("japan", "exports", "japanese", "tea")]
    assert made["centres"][0].flatten()[:5].tolist() == [*known, 0]
    cut = bound.trim(made)
    assert cut["centres"].shape == (1, 1, 16) and cut["contexts"].shape == (1, 1, 26)
    assert made["centres"].shape == (1, 4, 16) and made["negatives"].shape == (1, 4, 8)
    empty = bound.trim(bound([sample(b"xyzzy")], NOWHERE))
    assert not empty["centres"].any() and empty["centres"].shape == (1, 1, 16)


@pytest.mark.parametrize(("world", "threads"), [(2, 0), (3, 2)])
def test_any_world_draws_the_same_words(shards: Path, world: int, threads: int) -> None:
    """30 batches of 20 cross the end of the epoch and those of windows of the order."""
    alone = stream(shards, 30, threads=0)
    ranks = [stream(shards, 30, rank=at, world=world, threads=threads) for at in range(world)]
    for step, whole in enumerate(alone):
        for rank in range(world):
            mine, part = ranks[rank][step], slice(rank, None, world)
            assert mine.rows.equal(whole.rows[part])
            for name in WINDOW_TENSORS:
                used = mine.tensors[name].shape[1]
                assert mine.tensors[name].equal(whole.tensors[name][part][:, :used])


def test_a_restart_goes_on_with_the_same_draws_and_a_pass_has_its_own(shards: Path) -> None:
    whole = stream(shards, 30, threads=0)
    after = stream(shards, 4, threads=2, cursor=26 * 20)
    for one, other in zip(whole[26:], after, strict=True):
        assert one.rows.equal(other.rows)
        assert all(one.tensors[name].equal(other.tensors[name]) for name in WINDOW_TENSORS)
    assert len({int(batch.tensors["negatives"].sum()) for batch in whole}) > 25


def test_an_analogy_is_four_numbers_or_is_known_not_to_be_one(shards: Path) -> None:
    bound = analogies(shards)
    assert bound.tokenizer is not None
    asked = [sample(b"Japan Tokyo Germany Berlin", 2), sample(b"Japan Tokyo Germany Bielefeld")]
    made = bound(asked, NOWHERE)
    ids = [bound.tokenizer.id_of(word) for word in ("japan", "tokyo", "germany", "berlin")]
    assert made["analogy"].tolist() == [ids, [*ids[:3], -1]]
    assert made["labels"].tolist() == [2, 1]
    assert made["candidates"].tolist() == [bound.vocabulary] * 2
    few = analogies(shards, most_frequent=min(ids) + 1)(asked, NOWHERE)
    assert few["candidates"].tolist() == [min(ids) + 1] * 2
    assert int((few["analogy"] >= 0).sum()) == 2 * int(min(ids) in ids[:3])
    for text in (b"Japan Tokyo Germany", b"\xff b c d"):
        with pytest.raises(DamagedSample, match=r"four words|UTF-8"):
            bound([sample(text)], NOWHERE)


def test_every_analogy_is_asked_once(shards: Path) -> None:
    spec = StreamSpec("analogies", 64, pipeline=words(GIVEN, False), threads=0)
    found = list(evaluation_batches(shards, spec))
    asked = torch.cat([batch.tensors["analogy"] for batch in found])
    assert len(asked) == SplitReader(shards, "analogies").rows
    assert (asked >= 0).all(1).double().mean() > 0.8, "few lines name not every city"


def test_the_bundle_keeps_the_vocabulary(shards: Path) -> None:
    for bound in (windows(shards), analogies(shards)):
        assert Tokenizer(bound.assets[FILE]).id_of("japan") >= len(SPECIAL)


@pytest.mark.parametrize(
    "arguments",
    [{"window": 0}, {"sample": 2}, {"tokenizer": {"kind": "pieces"}}, {"drawn": 10**6}, {"dim": 3}],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="pipeline words"):
        words(arguments, True)


def test_shards_without_text_are_refused(many_shards: Path) -> None:
    for training in (True, False):
        with pytest.raises(DataError, match="no text"):
            words(GIVEN, training).bind(ShardFolder.of(many_shards))
