"""From a bundle and shards to a program, and from a program to its accuracy."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from striate.accelerators.chips import chip as chip_named
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.constraints import check_tensors
from striate.accelerators.compiler.quantize import quantize
from striate.accelerators.emulator.program import Program
from striate.core.bundle import Bundle
from striate.core.errors import UsageError
from striate.data.shards.manifest import Manifest
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream, evaluation_batches
from striate.models import build_from

CALIBRATION_ROWS = 12_000
_BATCH = 256
_AUGMENTED_EPOCHS = 3


class ChipResult(BaseModel):
    """A program's figures on one split.

    Attributes:
        chip: the chip's name.
        split: of the shards.
        rows: images classified.
        accuracy: share right on the emulated chip.
        float_accuracy: share right of the network in floating point on the test split, measured
            when it was compiled; None if it was not.
        predicted_characters_per_s: what the chip would do, predicted; None where its time is not
            modelled.
        predicted_ms: for one character, all costs in.
        emulated_characters_per_s: what the emulator did on this machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chip: str
    split: str
    rows: int
    accuracy: float
    float_accuracy: float | None
    predicted_characters_per_s: float | None
    predicted_ms: float | None
    emulated_characters_per_s: float


def compile_bundle(
    bundle: Bundle,
    chip: str,
    shards: Path | str,
    *,
    on_unsupported: str = "error",
    allow_reload: bool = False,
    qat_epochs: int = 6,
    seed: int = 0,
    say: Callable[[str], None] = lambda _text: None,
) -> Program:
    """Quantise a bundle's network with the shards' train split, and compile it.

    Weights are fine-tuned with the chip's rounding and the last layer is retrained on the chip's
    own states, on the train split and a few affine distortions of it; the test split is only
    measured.

    Args:
        bundle: the trained network.
        chip: name of a chip.
        shards: folder of shards with the splits ``train`` and ``test``.
        on_unsupported: ``error``, or ``host`` to run what the chip cannot on the host.
        allow_reload: whether weights may be written again for every input, at a cost in time.
        qat_epochs: passes of fine-tuning; 0 for none.
        seed: of the order and the distortions.
        say: told what is going on, one line at a time.

    Raises:
        UnknownName: there is no such chip.
        BundleError: the network has several inputs or outputs, or inputs of no fixed size.
        UsageError: the shards have other classes than the network.
        UnsupportedLayer: the chip cannot run a layer.
        DataError: the shards cannot be used.
    """
    spec = chip_named(chip)
    check_tensors(bundle.spec)
    _check_labels(bundle, shards)
    model = build_from(bundle)
    preprocessing = bundle.spec.preprocessing
    say("reading calibration images")
    images, labels = _calibration(shards, preprocessing, seed)
    say(f"quantising to {spec.weight.bits}-bit weights and {spec.state.bits}-bit states")
    quantized = quantize(
        model,
        spec,
        images,
        labels,
        on_unsupported=on_unsupported,
        qat_epochs=qat_epochs,
        seed=seed,
    )
    say("measuring the network in floating point")
    metrics = {"float_accuracy": float_accuracy(model, shards, preprocessing)}
    return compile_program(
        quantized,
        spec,
        allow_reload=allow_reload,
        labels=bundle.spec.labels,
        preprocessing=preprocessing,
        source=f"{bundle.spec.architecture.name} {bundle.digest}",
        metrics=metrics,
    )


def evaluate(program: Program, shards: Path | str, split: str = "test") -> ChipResult:
    """Classify a split on the emulated chip.

    Raises:
        DataError: the shards cannot be used.
        UnknownName: there is no such split.
    """
    right = rows = 0
    seconds = 0.0
    spec = StreamSpec(split, _BATCH, preprocessing=program.info.preprocessing, threads=0)
    for batch in evaluation_batches(shards, spec):
        if rows == 0:
            program.run(batch.images)  # builds the tables once
        began = time.perf_counter()
        predicted = program.predict(batch.images)
        seconds += time.perf_counter() - began
        right += int((predicted == batch.labels).sum())
        rows += len(batch.labels)
    report = program.estimate()
    return ChipResult(
        chip=program.info.spec.name,
        split=split,
        rows=rows,
        accuracy=right / max(rows, 1),
        float_accuracy=program.info.metrics.get("float_accuracy"),
        predicted_characters_per_s=report.characters_per_s,
        predicted_ms=None if report.seconds is None else 1000 * report.seconds,
        emulated_characters_per_s=rows / max(seconds, 1e-9),
    )


@torch.no_grad()
def float_accuracy(
    model: nn.Module, shards: Path | str, preprocessing: Iterable[dict[str, object]]
) -> float:
    """Share of the test split that a network classifies right in floating point."""
    right = rows = 0
    spec = StreamSpec("test", _BATCH, preprocessing=tuple(preprocessing), threads=0)
    for batch in evaluation_batches(shards, spec):
        right += int((model(batch.images).argmax(1) == batch.labels).sum())
        rows += len(batch.labels)
    return right / max(rows, 1)


def _calibration(
    shards: Path | str, preprocessing: Iterable[dict[str, object]], seed: int
) -> tuple[Tensor, Tensor]:
    """One epoch as it is and a few distorted ones, up to `CALIBRATION_ROWS`."""
    steps = tuple(preprocessing)
    rows = Manifest.load(shards).rows("train")
    images, labels = [], []
    for epoch in range(1 + _AUGMENTED_EPOCHS):
        room = CALIBRATION_ROWS - epoch * rows
        if room <= 0:
            break
        augment = "affine" if epoch else None
        batch_size = min(rows, room)
        spec = StreamSpec("train", batch_size, seed, augment, preprocessing=steps, threads=0)
        with Stream(shards, spec, cursor=epoch * rows) as stream:
            batch = next(stream)
        images.append(batch.images)
        labels.append(batch.labels)
    return torch.cat(images), torch.cat(labels)


def _check_labels(bundle: Bundle, shards: Path | str) -> None:
    theirs = tuple(Manifest.load(shards).labels)
    if bundle.spec.labels and bundle.spec.labels != theirs:
        raise UsageError(
            f"The shards' classes ({', '.join(theirs[:5])}, …) are not those of the network.",
            "Give the shards that the network was trained on.",
        )
