"""Training in this process, without a tracking server, for benchmarks of what networks learn."""

from pathlib import Path

from striate.data.shards.manifest import Manifest
from striate.train.distributed.world import World
from striate.train.loop.batches import samples_per_epoch
from striate.train.loop.train import train
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec


def train_untracked(folder: Path, shards: Path, name: str, *overrides: str) -> Run:
    """A finished run of a recipe on shards: its folder holds the outcome and the bundle."""
    recipe = resolve(name, [f"data.shards={shards}", *overrides, "scaling.workers=0"])
    manifest = Manifest.load(shards)
    spec = RunSpec(
        run_id=folder.name,
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=recipe,
        shards=str(shards),
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=samples_per_epoch(recipe.data, manifest),
        created_unix_s=0.0,
    )
    run = Run(spec, RunFolder(folder))
    train(run, World())
    return run
