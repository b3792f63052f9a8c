"""Questions and candidates as symbols: the true one first in training, all in evaluation."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError
from striate.data.ingest.ingest import ingest
from striate.data.knowledge.paths import Paths
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.kb_questions import KnowledgeQuestions, kb_questions
from striate.data.shards.folder import ShardFolder
from striate.data.stream.reader import SplitReader

pytestmark = pytest.mark.unit

SIZES = {"length": 12, "ends": 2, "kinds": 4, "candidates": 256, "negatives": 6}


@pytest.fixture(scope="module")
def shards(made_once: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        ingest("countries", folder / "corpus", folder / "shards", workers=1, size=20)

    return made_once("countries", make) / "shards"


@pytest.fixture
def bound(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., KnowledgeQuestions]:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    return lambda training: kb_questions(SIZES, training).bind(ShardFolder.of(shards))


def stored(shards: Path, split: str, count: int = 12) -> list[Stored]:
    return SplitReader(ShardFolder.of(shards), split).stored(np.arange(count))


def places(count: int, seed: int = 3) -> Places:
    return Places(seed, np.zeros(count, np.int64), np.arange(count))


def test_the_true_candidate_comes_first_and_the_others_are_wrong(
    shards: Path, bound: Callable[..., KnowledgeQuestions]
) -> None:
    pipeline, samples = bound(True), stored(shards, "train")
    assert pipeline.base is not None
    made = pipeline(samples, places(12))
    assert made["features"].shape == (12, 2 + 6, pipeline.arguments.width)
    assert made["labels"].tolist() == [0] * 12
    names = pipeline.base.relation_names
    for sample, lines in zip(samples, made["features"].tolist(), strict=True):
        start, *relations = lines[1][:3]
        assert -start - 1 == sample.fields["start"]
        assert [names[r - 1] for r in relations if r] == sample.fields["path"]
        assert -lines[1][3] - 1 == sample.fields["ends"][0]
        paths = Paths.around(pipeline.base, sample.fields["start"])
        f1 = paths.set_f1(sample.fields["ends"])
        for other in lines[2:5]:  # around the same entity
            at = paths.index(tuple(r - 1 for r in other[1:3] if r))
            assert at is not None and f1[at] < 0.5
    again = pipeline(samples[3:5], Places(3, np.zeros(2, np.int64), np.array([3, 4])))
    for name, one in again.items():
        assert torch.equal(one, made[name][3:5])  # whatever batch they are in


def test_paraphrases_mean_the_same_and_something_else(
    shards: Path, bound: Callable[..., KnowledgeQuestions]
) -> None:
    pipeline, samples = bound(True), stored(shards, "train", 40)
    meanings: dict[tuple[int, ...], set[str]] = {}
    for meaning, ways in pipeline.ways.items():
        for way in ways:
            meanings.setdefault(tuple(pipeline.words_of(way)), set()).add(meaning)
    for sample, (same, other) in zip(
        samples, pipeline(samples, places(40))["paraphrases"].tolist(), strict=True
    ):
        own = "/".join(sample.fields["path"])
        assert own in meanings[tuple(word for word in same if word)]
        assert meanings[tuple(word for word in other if word)] != {own}


def test_evaluation_has_every_candidate_and_how_good_it_is(
    shards: Path, bound: Callable[..., KnowledgeQuestions]
) -> None:
    pipeline, samples = bound(False), stored(shards, "test")
    assert pipeline.base is not None
    made = pipeline(samples, places(12))
    assert made["features"].shape == (12, *pipeline.shape)
    for at, sample in enumerate(samples):
        paths = Paths.around(pipeline.base, sample.fields["start"])
        best = int(made["labels"][at])
        assert made["f1"][at, best] == 1 and made["right"][at, best]
        count = int((made["features"][at, 1:, 1] != 0).sum())
        assert count == min(len(paths), 256)
        assert made["hops"][at] == len(sample.fields["path"])
        assert not made["f1"][at, count:].any()


def test_a_bound_pipeline_goes_to_other_processes(
    shards: Path, bound: Callable[..., KnowledgeQuestions]
) -> None:
    samples = stored(shards, "test", 3)
    pipeline = bound(False)
    sent = pickle.loads(pickle.dumps(pipeline))  # noqa: S301
    for name, one in sent(samples, places(3)).items():
        assert torch.equal(one, pipeline(samples, places(3))[name])


def test_what_does_not_fit_is_said(
    shards: Path, digits_shards: Path, bound: Callable[..., KnowledgeQuestions]
) -> None:
    with pytest.raises(RecipeError, match="kb-questions cannot take kinds = 0"):
        kb_questions({"kinds": 0}, True)
    with pytest.raises(DataError, match="no questions about a knowledge base"):
        kb_questions({}, True).bind(ShardFolder.of(digits_shards))
    with pytest.raises(DataError, match=r"14 directed relations.*room for 4") as caught:
        kb_questions({"relations": 4}, True).bind(ShardFolder.of(shards))
    assert "model.arguments.relations=14" in caught.value.remedy
    (sample,) = stored(shards, "train", 1)
    every: list[dict[str, Any]] = [{"path": ["nonsense"]}, {"path": []}, {"asked": "zzz"}]
    for changes in every:
        broken = Stored(0, 0, b"", -1, "k", {**sample.fields, **changes})
        with pytest.raises(DamagedSample):
            bound(True)([broken], places(1))
