"""Sentences by their class: the recipe learns what words alone do not tell, and its bundle says."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError
from striate.data.ingest.ingest import ingest
from striate.serve.predictors.sentences import SentenceReader
from striate.train import plots
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome

pytestmark = pytest.mark.unit

GOOD = ("the film is warm .", "although the cast is dull , the plot is not flat .")
BAD = ("The FILM is dull", "the film is not warm .", "while the music is warm , the plot is flat .")


def test_praise_is_told_from_blame_though_words_alone_do_not_tell(
    make_run_on: Callable[..., Run], tmp_path: Path
) -> None:
    ingest("reviews", tmp_path / "source", tmp_path / "shards", workers=1, size=4000)
    run = make_run_on(tmp_path / "shards", "sentences-mini")
    train(run, World())
    metrics = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).metrics
    assert metrics["top1"] > 0.93
    bundle = Bundle.open(run.folder.bundle)
    assert (bundle.spec.task, bundle.spec.labels) == ("sentences", ("negative", "positive"))
    reads(SentenceReader.load(bundle))
    assert {"learning_curves.png", "confusion_matrix.png"} <= {p.name for p in plots.draw_all(run)}


def reads(reader: SentenceReader) -> None:
    """A sentence has its class and its vector, alone or among others; nonsense is refused."""
    texts = [*GOOD, *BAD, "film " * 500, "unheard of words"]
    found = reader.classify(texts)
    labels = [one.label for one in found[: len(GOOD) + len(BAD)]]
    assert labels == ["positive"] * len(GOOD) + ["negative"] * len(BAD)
    for one in found:
        assert math.isclose(sum(one.scores.values()), 1, rel_tol=1e-5)
        assert one.scores[one.label] == max(one.scores.values())
    vectors = reader.embed(texts)
    assert vectors.dtype == np.float32 and len(vectors) == len(texts)
    for text, one, vector in zip(texts, found, vectors, strict=True):
        assert np.allclose(reader.embed([text])[0], vector, atol=1e-5)
        (alone,) = reader.classify([text])
        assert alone.label == one.label
    assert reader.classify([]) == [] and reader.embed([]).shape[0] == 0
    with pytest.raises(RequestError, match="has no word"):
        reader.classify(["the film", " \x00 "])


def test_other_bundles_classify_no_sentences(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("lenet1-anna-digits", 1)
    train(run, World())
    with pytest.raises(BundleError, match="not for the classes of sentences"):
        SentenceReader.load(Bundle.open(run.folder.bundle))
