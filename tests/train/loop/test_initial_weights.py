"""What a network begins with: another one's weights where they fit, and what is held still."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import BundleError, RecipeError
from striate.models import build
from striate.train.config import ModelConfig
from striate.train.distributed.world import World
from striate.train.loop.initial_weights import begin_with
from striate.train.loop.train import train
from striate.train.run.folder import Run

pytestmark = pytest.mark.unit

ARGUMENTS = {"classes": 5, "field": 72, "width": 0.125}


def bundle_of(folder: Path, name: str, **arguments: object) -> Bundle:
    torch.manual_seed(7)
    edge = TensorSpec(dtype="float32", shape=(5,), layout="C", units="logit")
    architecture = Architecture(name=name, arguments=arguments)
    spec = BundleSpec(
        architecture=architecture, task="x", inputs={"input": edge}, outputs={"o": edge}
    )
    return Bundle.write(folder, spec, build(architecture).state_dict())


def test_all_layers_but_another_head_begin_with_the_bundle_s(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "b", "deepface", **ARGUMENTS)
    torch.manual_seed(0)
    arguments = {**ARGUMENTS, "head": "siamese"}
    model = build(Architecture(name="deepface", arguments=arguments))
    config = ModelConfig(
        name="deepface", arguments=arguments, weights=bundle.path, trainable=("f7", "f8")
    )
    begin_with(model, config)
    given, own = bundle.state(), model.state_dict()
    shared = [name for name in own if name in given]
    assert set(own) - set(shared) == {"f8.alpha"}
    assert all(torch.equal(own[name], given[name]) for name in shared)
    learn = {name for name, one in model.named_parameters() if one.requires_grad}
    assert learn == {"f7.weight", "f7.bias", "f8.alpha"}


def test_a_run_moves_what_learns_and_nothing_else(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    bundle = bundle_of(tmp_path / "b", "lenet5_modern", classes=10)
    run = make_run(
        "lenet5-modern-digits",
        f"model.weights={bundle.path}",
        'model.trainable=["f6","output"]',
        "epochs=0.5",
    )
    train(run, World())
    before, after = bundle.state(), Bundle.open(run.folder.bundle).state()
    moved = {
        name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])
    }
    assert moved == {"f6", "output"}


def test_a_bundle_that_fits_nowhere_and_a_name_that_is_none_are_said(tmp_path: Path) -> None:
    model = build(Architecture(name="lenet1"))
    bundle = bundle_of(tmp_path / "other", "deepface", **ARGUMENTS)
    with pytest.raises(RecipeError, match=r"No weights of the bundle .*other fit the model lenet1"):
        begin_with(model, ModelConfig(name="lenet1", weights=bundle.path))
    with pytest.raises(RecipeError, match="begins with f9"):
        begin_with(model, ModelConfig(name="lenet1", trainable=("f9",)))
    with pytest.raises(BundleError, match="is no bundle"):
        begin_with(model, ModelConfig(name="lenet1", weights=tmp_path))
