"""What a recipe's data section says reaches the stream, and what the stream met reaches the run."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from striate.core.errors import DataError, RecipeError, UnknownName
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.raw import raw_images
from striate.data.pipelines.registry import PIPELINES
from striate.data.shards.manifest import Manifest
from striate.train.distributed.world import World
from striate.train.loop.batches import open_evaluation, open_stream, samples_per_epoch
from striate.train.loop.train import train
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]
SHORT = ("epochs=0.2", "batch_size=64", "report_every=1")
DAMAGED_ROWS = (5, 700, 1400)


class Fragile:
    """The digits' own pipeline, with three samples that it cannot read."""

    units_per_row = 1

    def __init__(self, arguments: Any, training: bool) -> None:
        self.training, self._raw = training, raw_images(arguments, training)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        for sample in stored:
            if self.training and sample.row in DAMAGED_ROWS:
                raise DamagedSample(f"digit {sample.row}", "the image is torn")
        return self._raw(stored, places)


def through_pipeline(name: str) -> list[str]:
    """Overrides that say by a pipeline what the digits' recipe says by itself."""
    data = resolve("lenet5-digits", ()).data
    arguments = {"augment": data.augment, "preprocessing": list(data.preprocessing)}
    return ["data.augment=null", f"data.pipeline={name}", f"data.pipeline_arguments={arguments}"]


def made_by(make_run: MakeRun, *overrides: str) -> Run:
    return make_run("lenet5-digits", *SHORT, *[one.replace("'", '"') for one in overrides])


def test_a_pipeline_feeds_what_the_raw_way_does(make_run: MakeRun) -> None:
    raw = make_run("lenet5-digits", *SHORT)
    named = made_by(make_run, *through_pipeline("digits"), "data.threads=2")
    with open_stream(raw.spec, World(), 100) as one, open_stream(named.spec, World(), 100) as other:
        for _ in range(3):
            expected, batch = next(one), next(other)
            assert torch.equal(expected.images, batch.inputs)
            assert torch.equal(expected.labels, batch.labels)
    for expected, batch in zip(
        open_evaluation(raw.spec, World()), open_evaluation(named.spec, World()), strict=True
    ):
        assert torch.equal(expected.images, batch.inputs)
    assert samples_per_epoch(named.spec.recipe.data, Manifest.load(named.spec.shards)) == 1437


def test_damage_is_logged_with_the_share_of_time_spent_waiting(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PIPELINES, "fragile", Fragile)
    run = made_by(make_run, *through_pipeline("fragile"), "epochs=1.1", "data.max_damaged=3")
    train(run, World())
    records = list(MetricLogReader(run.folder.metric_log).read())
    series = history(records)
    assert dict(series["train/damaged_samples"])[run.spec.total_steps] == 3.0
    assert all(0 <= share <= 1 for _, share in series["train/data_wait_share"])
    notes = [record.text for record in records if record.kind == "note"]
    for row in DAMAGED_ROWS:
        assert notes.count(f"The sample digit {row} cannot be used: the image is torn.") == 1


def test_beyond_the_recipes_limit_the_run_ends(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PIPELINES, "fragile", Fragile)
    run = made_by(make_run, *through_pipeline("fragile"), "epochs=2", "data.max_damaged=2")
    with pytest.raises(DataError, match=r"digit \d+ and 2 more cannot be used"):
        train(run, World())


def test_what_cannot_be_meant_is_said() -> None:
    with pytest.raises(UnknownName, match="imagenet-train"):
        resolve("lenet5-digits", ["data.augment=null", "data.pipeline=imagenet-trian"])
    with pytest.raises(RecipeError, match="augment is for raw images"):
        resolve("lenet5-digits", ["data.pipeline=digits"])
    with pytest.raises(RecipeError, match="pipeline is missing"):
        resolve("lenet5-digits", ["data.test_pipeline=digits"])
    with pytest.raises(RecipeError, match=r"data\.decode"):
        resolve("lenet5-digits", ["data.decode=elsewhere"])
