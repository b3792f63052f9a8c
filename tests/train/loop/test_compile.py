"""`compile=true`: the same losses from translated code, and a plain word where it cannot be."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import PlatformError
from striate.models import MODELS
from striate.models.layers.dropout import SampleDropout
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.run.folder import Run
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]


class Straight(nn.Module):
    """As little to translate as there can be, with dropout by sample."""

    input_shape = (1, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = SampleDropout(0.5), nn.Linear(1024, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(images.flatten(1)))
        return logits


@pytest.fixture
def make_straight_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Makes a run of three steps."""
    monkeypatch.setitem(MODELS, "straight", Straight)
    steps = ("batch_size=16", f"epochs={3 * 16 / 1437}", "model.name=straight")
    return lambda *overrides: make_run(
        "lenet5-modern-digits", *steps, *overrides, folder=f"run-{len(overrides)}"
    )


def test_a_compiled_network_learns_as_the_plain_one(make_straight_run: MakeRun) -> None:
    plain, compiled = make_straight_run(), make_straight_run("compile=true")
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    train(plain, World())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
    train(compiled, World())
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > graphs
    ours, theirs = (
        dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])
        for run in (compiled, plain)
    )
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_without_a_compiler_that_is_said(
    make_straight_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(PlatformError, match="needs a C\\+\\+ compiler") as caught:
        train(make_straight_run("compile=true"), World())
    assert "compile=false" in caught.value.remedy
