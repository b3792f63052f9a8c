"""One process of several that train together by gloo, without Ray: ``fleet.py RANK PLAN.json``.

The plan is a list of segments, which the processes go through one after the other: a segment has a
number of workers, a recipe's overrides, and the step at which it ends, and may have a recipe and
shards of its own. Segments of one folder go on from each other's checkpoints.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from striate.data.pipelines.base import Places, Stored
from striate.data.pipelines.raw import raw_images
from striate.data.pipelines.registry import PIPELINES
from striate.data.shards.manifest import Manifest
from striate.models import MODELS
from striate.models.layers.dropout import SampleDropout
from striate.train.distributed import parallel
from striate.train.distributed.world import World
from striate.train.loop import train
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec

BATCH = 37  # which neither two nor three workers share evenly
POISONED_ROWS = (5, 700)

original_step = train.train_step


class Dropping(nn.Module):
    """A small network whose dropout works on maps and on vectors; with running statistics if
    `norm`."""

    input_shape = (1, 32, 32)
    classes = 10

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        between = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.maps = nn.Sequential(nn.Conv2d(1, 6, 5, stride=2), between, nn.ReLU(), nn.MaxPool2d(2))
        self.drop = SampleDropout(0.3)
        self.hidden = nn.Linear(6 * 7 * 7, 32)
        self.drop_hidden = SampleDropout(0.5, salt=1)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) → (N, 10)."""
        hidden = self.hidden(self.drop(self.maps(images)).flatten(1)).relu()
        logits: Tensor = self.head(self.drop_hidden(hidden))
        return logits


class Poisoned:
    """The digits' own pipeline, with two samples that are not a number."""

    units_per_row = 1

    def __init__(self, arguments: Mapping[str, Any], training: bool) -> None:
        self._training, self._raw = training, raw_images(arguments, training)

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        """Tensors of the samples."""
        tensors = self._raw(stored, places)
        for index, sample in enumerate(stored):
            if self._training and sample.row in POISONED_ROWS:
                tensors["images"][index] = torch.nan
        return tensors


def run_of(segment: dict[str, Any], folder: Path, shards: str) -> Run:
    """The run of a segment, which ends at its step."""
    shards = segment.get("shards", shards)
    manifest = Manifest.load(shards)
    rows = manifest.rows("train")
    name = segment.get("recipe", "lenet5-modern-digits")
    overrides = [
        *([] if "recipe" in segment else ["model.name=dropping"]),
        f"batch_size={BATCH}",
        f"epochs={segment['until'] * BATCH / rows}",
        f"scaling.workers={segment['workers']}",
        *segment["overrides"],
    ]
    spec = RunSpec(
        run_id=segment["folder"],
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=resolve(name, overrides),
        shards=shards,
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=rows,
        created_unix_s=0.0,
    )
    return Run(spec, RunFolder(folder / segment["folder"]))


def weighed(run: Run) -> Callable[..., train.StepResult]:
    """A step of training that leaves ``held-RANK.txt``: numbers of weights and momenta held."""

    def step(*args: Any) -> train.StepResult:
        optimizer, world = args[1], args[5]
        result = original_step(*args)
        groups = optimizer.param_groups
        tensors = [parameter for group in groups for parameter in group["params"]]
        tensors += [value for state in optimizer.state.values() for value in state.values()]
        held = sum(parallel.local(tensor).numel() for tensor in tensors)
        (run.folder.path / f"held-{world.rank}.txt").write_text(str(held))
        return result

    return step


def main(rank: int, plan: Path) -> None:
    """Go through the plan as one of its workers."""
    torch.set_num_threads(1)
    MODELS["dropping"] = Dropping
    PIPELINES["poisoned"] = Poisoned
    parallel.LARGE = 1000  # so that one of the layers is sharded by itself
    document = json.loads(plan.read_text())
    for index, segment in enumerate(document["segments"]):
        world = segment["workers"]
        if rank >= world:
            continue
        if world > 1:
            meeting = f"file://{plan.parent}/meeting-{index}"
            dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
        run = run_of(segment, plan.parent, document["shards"])
        train.train_step = weighed(run)
        train.train(run, World(rank, world))
        if world > 1:
            dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
