"""The state between two steps: averaged weights by their formula, and the way through a file."""

from collections.abc import Callable

import pytest
import torch

from striate.data.stream.batch import Batch
from striate.train.checkpoint.store import Checkpoint
from striate.train.config import Recipe
from striate.train.distributed.precision import on_device
from striate.train.distributed.world import World
from striate.train.loop.state import TrainState
from striate.train.loop.train import add_keys, train_step
from striate.train.run.folder import Run
from striate.train.tasks.classification import Classification

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]
IMAGES = torch.linspace(-1, 1, 8 * 1024).reshape(8, 1, 32, 32)


def batch_at(cursor: int) -> Batch:
    tensors = {"images": IMAGES, "labels": torch.arange(8), "rows": torch.arange(8)}
    return Batch(tensors, cursor, 0, 8)


def stepped(state: TrainState, recipe: Recipe) -> None:
    """One step of training."""
    batch = batch_at(state.cursor + 8)
    task = Classification(recipe.task, 10)
    _, moved = train_step(state.model, state.optimizer, task, batch, recipe, World())
    state.advance(batch.cursor, moved)


def through_bytes(state: TrainState) -> Checkpoint:
    """What a restart gets."""
    tensors = {name: value.contiguous() for name, value in state.tensors()}
    return Checkpoint.from_bytes(Checkpoint(state.step, tensors, state.document()).to_bytes())


def test_averaged_weights_begin_at_the_first_and_follow_by_the_decay(make_run: MakeRun) -> None:
    recipe = make_run("lenet5-modern-digits", "ema_decay=0.75", "batch_size=8").spec.recipe
    state = TrainState.fresh(recipe, World())
    expected: torch.Tensor | None = None
    for _ in range(4):
        stepped(state, recipe)
        now = torch.cat([p.detach().flatten() for p in state.model.parameters()])
        expected = now if expected is None else 0.75 * expected + 0.25 * now
        held = torch.cat([p.detach().flatten() for p in state.network.parameters()])
        assert torch.allclose(held, expected, rtol=1e-5, atol=1e-7)
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    state.advance(state.cursor + 8, moved=False)
    assert (state.step, state.cursor, state.skipped) == (5, 40, 1)
    assert all(torch.equal(before[k], v) for k, v in state.network.state_dict().items())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_restored_state_takes_the_next_step_of_the_old_one(
    name: str, precision: str, make_run: MakeRun
) -> None:
    overrides = (f"optimizer.name={name}", f"precision={precision}", "channels_last=true")
    recipe = make_run(
        "lenet5-modern-digits", "ema_decay=0.5", "batch_size=8", *overrides
    ).spec.recipe
    old, new = TrainState.fresh(recipe, World()), TrainState.fresh(recipe, World())
    for _ in range(2):
        stepped(old, recipe)
    old.skipped, old.history = 3, [0.5, 0.25]
    new.restore(through_bytes(old))
    assert new.document() == old.document() == {"cursor": 16, "skipped": 3, "history": [0.5, 0.25]}
    stepped(old, recipe)
    stepped(new, recipe)
    ours, theirs = dict(new.tensors()), dict(old.tensors())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_what_is_bundled_is_float32_also_of_a_float64_run(make_run: MakeRun) -> None:
    state = TrainState.fresh(make_run("lenet5-digits", "precision=fp64").spec.recipe, World())
    floats = {v.dtype for v in state.weights().values() if v.is_floating_point()}
    assert floats == {torch.float32}


@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_samples_key_is_its_position_and_the_seed_whoever_has_it(world: int) -> None:
    whole = add_keys(Batch({"labels": torch.zeros(10)}, 40, 0, 10), 7, World()).tensors["keys"]
    assert len(set(whole.tolist())) == 10
    for rank in range(world):
        share = Batch({"labels": torch.zeros(len(range(rank, 10, world)))}, 40, 0, 10)
        keys = add_keys(share, 7, World(rank, world)).tensors["keys"]
        assert torch.equal(keys, whole[rank::world])
    other = add_keys(Batch({"labels": torch.zeros(10)}, 40, 0, 10), 8, World()).tensors["keys"]
    assert not set(other.tolist()) & set(whole.tolist())


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_images_and_clips_are_laid_out_with_channels_last(
    shape: tuple[int, ...], make_run: MakeRun
) -> None:
    recipe = make_run("lenet5-digits", "channels_last=true", "precision=fp64").spec.recipe
    tensors = {"images": torch.zeros(shape), "labels": torch.zeros(2, dtype=torch.int64)}
    batch = on_device(Batch(tensors, 2, 0, 2), recipe, World())
    assert batch.images.dtype == torch.float64 and batch.labels.dtype == torch.int64
    assert batch.images.stride(1) == 1 and batch.images.shape == shape
