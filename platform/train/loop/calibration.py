"""How sure a trained network's answers are, fitted for its bundle on a split of its own."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from striate.data.shards.manifest import Manifest
from striate.models import architecture_of, build
from striate.train.distributed.world import World
from striate.train.loop.batches import open_evaluation
from striate.train.run.spec import RunSpec
from striate.train.tasks import build_task
from striate.train.tasks.base import Calibrating


@torch.no_grad()
def calibration_assets(run: RunSpec, weights: Mapping[str, Tensor]) -> Mapping[str, str | Path]:
    """The files that a task which says how sure it is wants in the bundle; none of another task.

    Args:
        run: what was trained.
        weights: name → whole tensor of the trained network.

    Raises:
        DataError: a shard is missing or damaged.
    """
    recipe = run.recipe
    task = build_task(recipe.task, len(run.labels))
    if not isinstance(task, Calibrating):
        return {}
    there = Manifest.load(run.shards).splits
    split = task.calibration_split if there.get(task.calibration_split) else recipe.data.train_split
    network = build(architecture_of(recipe.model.name, recipe.model.arguments)).eval()
    network.load_state_dict(dict(weights))
    return task.calibrate(network, open_evaluation(run, World(), split=split), split)
