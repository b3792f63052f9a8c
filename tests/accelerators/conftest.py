"""A LeNet-1 that was really trained, a few seconds long, and its programs."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.accelerators.compiler.toolchain import compile_bundle
from striate.accelerators.emulator.program import Program
from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.data.shards.manifest import Manifest
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.models import build

EPOCHS = 20
BATCH = 64
PREPROCESSING = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


@pytest.fixture(scope="session")
def lenet1_bundle(digits_shards: Path, made_once: Callable[..., Path]) -> Bundle:
    """`lenet1_32` trained on the digits' train split."""
    return Bundle.open(
        made_once("lenet1", lambda folder: _train(digits_shards, folder / "bundle")) / "bundle"
    )


def _train(digits_shards: Path, folder: Path) -> None:
    manifest = Manifest.load(digits_shards)
    steps = EPOCHS * (manifest.rows("train") // BATCH)
    torch.manual_seed(0)
    architecture = Architecture(name="lenet1_32")
    model = build(architecture)
    optimiser = torch.optim.AdamW(model.parameters(), 8e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    with Stream(
        digits_shards,
        StreamSpec(
            "train", BATCH, seed=0, augment="affine", preprocessing=PREPROCESSING, threads=0
        ),
    ) as stream:
        for _ in range(steps):
            batch = next(stream)
            loss = torch.nn.functional.cross_entropy(model(batch.images), batch.labels)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    image = TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity")
    scores = TensorSpec(dtype="float32", shape=(10,), layout="C", units="score")
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": image},
        outputs={"output": scores},
        preprocessing=PREPROCESSING,
        labels=manifest.labels,
    )
    Bundle.write(folder, spec, model.state_dict())


@pytest.fixture(scope="session")
def programs(
    lenet1_bundle: Bundle, digits_shards: Path, made_once: Callable[..., Path]
) -> dict[str, Program]:
    """The trained network compiled for every chip."""
    epochs = {"anna-talk": 3, "anna-1991": 4, "null": 0}

    def make(folder: Path) -> None:
        for chip, count in epochs.items():
            compile_bundle(lenet1_bundle, chip, digits_shards, qat_epochs=count).save(folder / chip)

    folder = made_once("lenet1-programs", make)
    return {chip: Program.load(folder / chip) for chip in epochs}
