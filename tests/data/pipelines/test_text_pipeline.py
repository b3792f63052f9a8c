"""The pipeline `text`: ids, masks, and batches by length, the same whoever makes them."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError, UnknownName
from striate.data.corpora.phrases import phrases
from striate.data.ingest.ingest import ingest
from striate.data.pipelines import vocabularies
from striate.data.pipelines.base import DamagedSample, NeedsShards, Places, Stored
from striate.data.pipelines.registry import pipeline_of
from striate.data.pipelines.texts import TextPipeline, texts
from striate.data.shards.folder import ShardFolder
from striate.data.show.rows import describe_row, draw
from striate.data.show.rows import rows as rows_of
from striate.data.stream.evaluation import evaluation_batches
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import Share, StreamSpec
from striate.data.stream.stream import Batch, Stream
from striate.data.transforms.text.tokenizer import BEGIN, END, PAD, Tokenizer

pytestmark = pytest.mark.unit

WORDS = {"kind": "words", "size": 400}
PAIRS = {
    "source": {"column": "en", "reverse": True, "most": 20, "tokenizer": WORDS},
    "target": {"column": "fr", "begin": True, "end": True, "most": 24, "tokenizer": WORDS},
}
NOWHERE = Places(0, np.zeros(1, np.int64), np.zeros(1, np.int64))
SIZE = 700


@pytest.fixture(scope="module")
def shards(made_once: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        ingest("phrases", folder / "source", folder / "shards", size=SIZE, shard_mb=0.02)

    return made_once("phrases-text", make) / "shards"


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def bound(shards: Path, **arguments: Any) -> TextPipeline:
    return texts({"sequences": PAIRS, **arguments}, True).bind(ShardFolder.of(shards))


def sample(en: bytes, fr: str = "La maison.") -> Stored:
    return Stored(0, 0, en, -1, "a.tsv:7", {"fr": fr})


def stream(shards: Path, count: int, **more: Any) -> list[Batch]:
    share = Share(more.pop("rank", 0), more.pop("world", 1))
    cursor = more.pop("cursor", 0)
    pipeline = pipeline_of("text", {"sequences": PAIRS}, training=True)
    spec = StreamSpec("train", 32, seed=5, pipeline=pipeline, window=200, **more)
    with Stream(shards, spec, share, cursor=cursor) as made:
        return [next(made) for _ in range(count)]


def padded(tensor: torch.Tensor, width: int) -> torch.Tensor:
    return torch.nn.functional.pad(tensor, (0, width - tensor.shape[1]))


def test_a_sequence_is_ids_with_marks_and_a_mask(shards: Path) -> None:
    pipeline = bound(shards)
    made = pipeline([sample(b"The big dog sees the house."), sample(b"The dog.", "Le chien")],
                    NOWHERE)  # fmt: skip
    source, target = (pipeline.tokenizers[name] for name in ("source", "target"))
    assert made["source"].shape == (2, 20) and made["target"].shape == (2, 24)
    assert made["source"].dtype == torch.int64 and made["source_mask"].dtype == torch.bool
    forward = source.encode("The big dog sees the house.")
    assert made["source"][0].tolist() == [*forward[::-1], *[PAD] * (20 - len(forward))]
    shown = made["target"][1][made["target_mask"][1]].tolist()
    assert shown == [BEGIN, *target.encode("Le chien"), END]
    assert (made["source"] == PAD).equal(~made["source_mask"])
    cut = pipeline.trim(made)
    assert cut["source"].shape == cut["source_mask"].shape == (2, len(forward))
    assert cut["source"].equal(made["source"][:, : len(forward)])


def test_a_bound_pipeline_travels_to_decoders_elsewhere(shards: Path) -> None:
    pipeline = bound(shards)
    sent = pickle.loads(pickle.dumps(pipeline))  # noqa: S301
    for name, tensor in pipeline([sample(b"The dog.")], NOWHERE).items():
        assert sent([sample(b"The dog.")], NOWHERE)[name].equal(tensor)


def test_a_long_text_is_cut_between_its_marks(shards: Path) -> None:
    made = bound(shards)([sample(b"the dog " * 99, "le chien " * 99)], NOWHERE)
    assert made["source_mask"].all() and made["target_mask"].all()
    assert made["target"][0, 0] == BEGIN and made["target"][0, -1] == END


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b" \x00 ", "no word"),
        (b"x" * (2**20 + 1), "longer than a megabyte"),
    ],
)
def test_a_text_that_cannot_be_used_is_named(shards: Path, payload: bytes, reason: str) -> None:
    with pytest.raises(DamagedSample, match=reason) as caught:
        bound(shards)([sample(payload)], NOWHERE)
    assert caught.value.key == "a.tsv:7"


@pytest.mark.parametrize(("world", "threads"), [(2, 0), (3, 2)])
def test_any_world_sees_the_same_batches_by_length(shards: Path, world: int, threads: int) -> None:
    """25 batches of 32 cross the end of the epoch at 630 and those of windows."""
    alone = stream(shards, 25, threads=0)
    ranks = [stream(shards, 25, rank=at, world=world, threads=threads) for at in range(world)]
    for step, whole in enumerate(alone):
        for rank in range(world):
            mine, part = ranks[rank][step], slice(rank, None, world)
            assert mine.rows.equal(whole.rows[part])
            for name in ("source", "target", "source_mask", "target_mask"):
                wide = whole.tensors[name]
                assert padded(mine.tensors[name], wide.shape[1]).equal(wide[part])


def test_a_restart_goes_on_with_the_same_batches(shards: Path) -> None:
    whole = stream(shards, 25, threads=0)
    after = stream(shards, 4, threads=2, cursor=21 * 32)
    for one, other in zip(whole[21:], after, strict=True):
        assert one.rows.equal(other.rows) and one.cursor == other.cursor
        assert one.tensors["source"].equal(other.tensors["source"])


def test_batches_by_length_hold_less_padding(shards: Path) -> None:
    def filled(by_length: bool) -> float:
        pipeline = pipeline_of("text", {"sequences": PAIRS, "by_length": by_length}, training=True)
        with Stream(shards, StreamSpec("train", 32, pipeline=pipeline, threads=0)) as made:
            masks = [next(made).tensors["target_mask"] for _ in range(20)]
        return sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)

    assert filled(True) > 0.82 > filled(False) + 0.1


def test_an_evaluation_has_every_text_once_cut_to_its_batch(shards: Path) -> None:
    spec = StreamSpec("test", 32, pipeline=texts({"sequences": PAIRS}, False), threads=0)
    found = list(evaluation_batches(shards, spec))
    assert torch.cat([batch.rows for batch in found]).tolist() == list(range(SIZE // 10))
    assert all(batch.tensors["source_mask"].any(0).all() for batch in found)
    alone = list(evaluation_batches(shards, StreamSpec("test", 1, pipeline=spec.pipeline)))
    ids = [
        ids[mask].tolist()
        for batch in found
        for ids, mask in zip(batch.tensors["source"], batch.tensors["source_mask"], strict=True)
    ]
    assert ids == [batch.tensors["source"][0].tolist() for batch in alone]


def test_a_vocabulary_is_made_once_from_the_training_split(
    shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    first = bound(shards)
    (kept, *_) = (tmp_path / "cache" / "tokenizers").glob("*.json")
    monkeypatch.setattr(vocabularies, "train_tokenizer", None)
    assert bound(shards).assets == first.assets
    monkeypatch.undo()
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    kept.write_text("damaged")
    assert bound(shards).assets == first.assets
    assert kept.read_text() != "damaged"


def test_the_bundle_keeps_the_tokenisers_as_files(shards: Path) -> None:
    pipeline = pipeline_of("text", {"sequences": PAIRS}, training=False)
    assert isinstance(pipeline, NeedsShards)
    assets = pipeline.bind(ShardFolder.of(shards)).assets
    assert list(assets) == ["source.tokenizer.json", "target.tokenizer.json"]
    assert Tokenizer(assets["target.tokenizer.json"]).id_of("chien") > END


def test_stored_sizes_are_those_of_the_texts(shards: Path) -> None:
    reader = SplitReader(ShardFolder.of(shards), "train")
    rows = np.arange(0, reader.rows, 7)[::-1].copy()
    pairs = [(bytes(one.payload), str(one.fields["fr"]).encode()) for one in reader.stored(rows)]
    for columns, wanted in (
        (("en",), [len(en) for en, _ in pairs]),
        (("fr",), [len(fr) for _, fr in pairs]),
        (("en", "fr"), [max(map(len, pair)) for pair in pairs]),
    ):
        assert reader.text_sizes(rows, columns).tolist() == wanted


def test_texts_are_shown_in_words_and_as_pages(shards: Path, tmp_path: Path) -> None:
    folder = ShardFolder.of(shards)
    (row,) = rows_of(folder, "test", 3, 1)
    shown = describe_row(row, folder.manifest)
    assert (shown["en"], shown["fr"]) == list(phrases(40))[39]
    assert draw(folder, "test", 3, tmp_path / "a.png") == 3


def test_sequences_of_the_same_columns_share_a_vocabulary(shards: Path) -> None:
    both = {name: {**spec, "shared": ["en", "fr"]} for name, spec in PAIRS.items()}
    assets = bound(shards, sequences=both).assets
    assert len(set(assets.values())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"sequences": {}},
        {"sequences": {"labels": {}}},
        {"sequences": {"a": {}, "a_mask": {}}},
        {"sequences": {"a": {"most": 0}}},
        {"sequences": {"a": {"tokenizer": {"kind": "letters"}}}},
        {"by_size": True},
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="pipeline text"):
        texts(arguments, True)


def test_shards_without_the_columns_are_refused(shards: Path, many_shards: Path) -> None:
    with pytest.raises(UnknownName, match="de"):
        texts({"sequences": {"a": {"column": "de"}}}, True).bind(ShardFolder.of(shards))
    with pytest.raises(DataError, match="no text"):
        texts({}, True).bind(ShardFolder.of(many_shards))
