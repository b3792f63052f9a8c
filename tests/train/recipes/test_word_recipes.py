"""Vectors of words from their recipes: held-out capitals, exact resume, the bundle asked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from striate.core.bundle import Architecture, Bundle
from striate.core.errors import BundleError, RecipeError, RequestError
from striate.data.corpora.facts import HELD_OUT
from striate.data.ingest.ingest import ingest
from striate.models import build, build_from
from striate.serve.predictors.embeddings import Embeddings
from striate.train import plots
from striate.train.checkpoint.async_writer import Saver
from striate.train.checkpoint.store import Checkpoint
from striate.train.distributed.world import World
from striate.train.launch import run as job
from striate.train.loop import train as loop
from striate.train.loop.batches import bind_pipelines
from striate.train.loop.optimizers import build_optimizer
from striate.train.loop.train import train
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

MakeRunOn = Callable[..., Run]
LINES = 2500
RATE = 3.2  # twice that of the recipe, for fewer lines


@pytest.fixture(scope="module")
def shards(made_once: Callable[..., Path]) -> Path:
    def make(folder: Path) -> None:
        ingest("facts", folder / "source", folder / "shards", size=LINES)

    return made_once("facts-trained", make) / "shards"


class Killed(BaseException):
    """Stands for a process that ends in the middle of a step."""


def test_capitals_that_were_never_told_are_found(make_run_on: MakeRunOn, shards: Path) -> None:
    run = make_run_on(shards, "skip-gram-mini", f"optimizer.lr={RATE}", "data.threads=0")
    train(run, World())
    metrics = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).metrics
    assert metrics["analogy_accuracy_capital-of-held-out"] > 0.6
    assert metrics["analogy_accuracy"] > 0.8 and metrics["skipped_questions"] == 0
    assert "analogy_accuracy_text" not in metrics
    bundle = Bundle.open(run.folder.bundle)
    is_asked(Embeddings.load(bundle), bundle)
    is_drawn(run)


def test_the_mean_of_the_neighbours_learns_too(make_run_on: MakeRunOn, shards: Path) -> None:
    run = make_run_on(shards, "cbow-mini", "epochs=3", f"optimizer.lr={2 * RATE}", "data.threads=0")
    train(run, World())
    metrics = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).metrics
    assert metrics["analogy_accuracy"] > 0.4


def is_asked(given: Embeddings, bundle: Bundle) -> None:
    """The table answers as the network does, words it does not know are named."""
    right = sum(given.analogy("Japan", "Tokyo", one.name)[0].word == one.capital.lower()
                for one in HELD_OUT)  # fmt: skip
    assert right > 0.5 * len(HELD_OUT)
    near = given.nearest("Japan", 5, exclude=["Tokyo", "nowhere"])
    assert len({one.word for one in near} - {"japan", "tokyo"}) == 5
    cosines = [one.similarity for one in near]
    assert cosines == sorted(cosines, reverse=True) and cosines[0] <= 1
    (vector,) = given.embed(["Japan"])
    assert given.nearest(vector, 1)[0].word == "japan"
    made = given.embed(["Trains leave Tokyo", "Tokyo"])
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    for row, text in zip(tokens, (("trains", "leave", "tokyo"), ("tokyo",)), strict=True):
        for at, word in enumerate(text):
            row[at] = given.words.index(word) + 4
    with torch.no_grad():
        assert np.allclose(build_from(bundle)(tokens)["embedding"].numpy(), made, atol=1e-6)
    with pytest.raises(RequestError, match=r"'Tokio' is not in the vocabulary.*mean tokyo\?"):
        given.analogy("Japan", "Tokio", "Germany")
    with pytest.raises(RequestError, match=r"'xyzzy' is not in the vocabulary\.$"):
        given.embed(["xyzzy plugh"])
    for query in ("two words", "...", np.zeros(given.dim, np.float32), np.ones(3, np.float32)):
        with pytest.raises(RequestError):
            given.nearest(query)
    with pytest.raises(RequestError, match="1 to 1000"):
        given.nearest("japan", 0)
    every = given.nearest("japan", 1000)
    assert len(every) == len(given.words) - 1
    assert np.isfinite([one.similarity for one in every]).all()


def is_drawn(run: Run) -> None:
    drawn = {path.name: path for path in plots.draw_all(run)}
    assert {"learning_curves.png", "word_pairs.png"} <= set(drawn)
    with Image.open(drawn["word_pairs.png"]) as picture:
        assert picture.width > 800


def test_wrong_answers_are_drawn_with_their_words(make_run_on: MakeRunOn, shards: Path) -> None:
    run = make_run_on(shards, "skip-gram-mini", "epochs=0.2")
    train(run, World())
    worst = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).mistakes
    assert worst and all(one.true != one.predicted for one in worst)
    assert "worst_mistakes.png" in {path.name for path in plots.draw_all(run)}


@pytest.mark.parametrize("extra", [(), ("model.arguments.method=cbow", "accumulate=3")])
def test_a_resumed_run_is_the_undisturbed_one_bit_for_bit(
    extra: Sequence[str], make_run_on: MakeRunOn, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ("epochs=0.5", "checkpoint.every_steps=4", "report_every=4", *extra)
    whole = make_run_on(shards, "skip-gram-mini", *short, folder="whole")
    train(whole, World())
    broken = make_run_on(shards, "skip-gram-mini", *short, folder="broken")
    steps, original, submit = iter(range(6)), loop.train_step, Saver.submit

    def dying(*args: Any) -> loop.StepResult:
        if next(steps, None) is None:
            raise Killed
        return original(*args)

    def at_once(saver: Saver, checkpoint: Checkpoint) -> None:
        submit(saver, checkpoint)
        assert saver.flush(30)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "train_step", dying)
        patch.setattr(Saver, "submit", at_once)
        train(broken, World())
    train(broken, World())
    logs = [
        history(MetricLogReader(run.folder.metric_log).read())["train/loss"]
        for run in (whole, broken)
    ]
    assert logs[0] == logs[1] and len(logs[0]) == whole.spec.total_steps
    left, right = (Bundle.open(run.folder.bundle).state() for run in (whole, broken))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_sparse_and_dense_gradients_learn_the_same(make_run_on: MakeRunOn, shards: Path) -> None:
    states = []
    for sparse in ("true", "false"):
        how = ("epochs=0.3", "precision=fp64", "optimizer.longest_row_step=1e6", "optimizer.lr=0.5")
        which = f"model.arguments.sparse={sparse}"
        run = make_run_on(shards, "skip-gram-mini", *how, which, folder=sparse)
        train(run, World())
        states.append(Bundle.open(run.folder.bundle).state())
    assert all(torch.allclose(states[0][name], states[1][name], atol=1e-6) for name in states[0])


@pytest.mark.parametrize(
    ("override", "remedy"),
    [("optimizer.momentum=0.9", "momentum=0"), ("optimizer.name=adamw", "name=sgd")],
)
def test_an_optimiser_of_momenta_wants_dense_gradients(override: str, remedy: str) -> None:
    recipe = resolve("skip-gram-mini", [override])
    model = build(Architecture(name=recipe.model.name, arguments=recipe.model.arguments))
    with pytest.raises(RecipeError, match=remedy) as refused:
        build_optimizer(model, recipe.optimizer)
    assert "sparse=false" in refused.value.remedy


def test_a_model_of_fewer_words_than_the_vocabulary_is_refused(shards: Path) -> None:
    recipe = resolve("skip-gram-mini", ["model.arguments.vocabulary=400", f"data.shards={shards}"])
    words = bind_pipelines(recipe.data, str(shards))
    with pytest.raises(RecipeError, match=rf"knows 400 words.* {words}") as refused:
        job._check_vocabulary(recipe, words)
    assert f"model.arguments.vocabulary={words}" in refused.value.remedy


def test_other_bundles_are_no_embeddings(make_short_run: Callable[..., Run]) -> None:
    run = make_short_run("lenet1-anna-digits", 1)
    train(run, World())
    with pytest.raises(BundleError, match="not for vectors of words"):
        Embeddings.load(Bundle.open(run.folder.bundle))
