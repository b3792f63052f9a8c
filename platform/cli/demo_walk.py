"""The steps of `striate demo` between bringing the platform up and taking it down."""

import io
import statistics
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from striate.core.settings import Settings

PHOTO_RECIPE = "lenet5-digits"
CHIP_RECIPE = "lenet1-anna-digits"
APP = "photos"


class _Steps(Protocol):
    def step(self, name: str, what: str) -> AbstractContextManager[None]: ...


def walk(settings: Settings, chip: str, steps: _Steps) -> dict[str, Any]:
    """Take the digits the whole way.

    Args:
        settings: of a platform that is up and offers `chip`.
        chip: name in `striate.accelerators.chips.CHIPS`.
        steps: told which step runs.

    Returns:
        What was measured, by name.
    """
    import ray

    from striate.data.ingest.ingest import ingest
    from striate.serve.deployment.deploy import deploy
    from striate.train.launch.run import run
    from striate.train.recipes.resolve import resolve

    source = settings.data_folder / "corpora" / "digits"
    shards = settings.data_folder / "digits"
    with steps.step("ingest", "1,797 digits become IDX files, then Arrow shards"):
        ingest("digits", source, shards)
    with steps.step("train", "LeNet-5 trains on two Ray Train workers"):
        trained = run(resolve(PHOTO_RECIPE, ["scaling.workers=2"]), settings)
    with steps.step("deploy", "The registered model is deployed behind gRPC"):
        deployed = deploy(APP, trained.model_uri, settings)
    with steps.step("query", "Held-out digits are asked for over gRPC"):
        answers = ask(deployed.address, source)
    with steps.step("train_chip_model", "LeNet-1 trains for the chip"):
        small = run(resolve(CHIP_RECIPE, ["scaling.workers=0"]), settings)
    with steps.step("chip", f"LeNet-1 is compiled for {chip} and reads the same digits there"):
        on_chip = run_on_chip(settings, small.bundle_path, chip, shards)
    ray.shutdown()  # before the cluster goes down, so that Ray has nothing to complain of
    return {
        "accuracy": trained.metrics["top1"],
        "run_id": trained.run_id,
        "run_url": trained.run_url,
        "model_uri": trained.model_uri,
        **answers,
        **on_chip,
    }


def ask(address: str, source: Path) -> dict[str, float]:
    """Send every held-out digit as a PNG file through gRPC, one after the other.

    Args:
        address: ``host:port`` of the edge.
        source: folder of the digits' IDX files.

    Returns:
        Requests answered, the share answered right, and p50 and p99 of the latency in ms.
    """
    from striate.serve.client.client import Client

    photos, labels = held_out_photos(source)
    latencies_ms, right = [], 0
    with Client(address) as client:
        client.tag(photos[0], top_k=1)  # connects; not counted
        for photo, label in zip(photos, labels, strict=True):
            began = time.perf_counter()
            best = client.tag(photo, top_k=1).labels[0]
            latencies_ms.append(1000 * (time.perf_counter() - began))
            right += best.name == str(label)
    return {
        "requests": len(photos),
        "served_accuracy": right / len(photos),
        "p50_ms": statistics.median(latencies_ms),
        "p99_ms": float(np.percentile(latencies_ms, 99)),
    }


def held_out_photos(source: Path) -> tuple[list[bytes], list[int]]:
    """The held-out digits as PNG files, and what they show."""
    from PIL import Image

    from striate.data.corpora.mnist import IMAGES_MAGIC, LABELS_MAGIC, read_idx

    photos = []
    for pixels in read_idx(source / "t10k-images-idx3-ubyte", IMAGES_MAGIC):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        photos.append(file.getvalue())
    return photos, read_idx(source / "t10k-labels-idx1-ubyte", LABELS_MAGIC).tolist()


def run_on_chip(
    settings: Settings, bundle: Path, chip: str, shards: Path
) -> dict[str, float | None]:
    """Compile a bundle and run the held-out digits, as a Ray task on the chip's own node."""
    import ray

    from striate.accelerators.placement.pools import pool_options
    from striate.serve.deployment import ray_serve

    ray_serve.connect(settings)
    task = ray.remote(_compile_and_run).options(**pool_options(f"chip:{chip}"))
    measured: dict[str, float | None] = ray.get(task.remote(str(bundle), chip, str(shards)))
    return measured


def _compile_and_run(bundle: str, chip: str, shards: str) -> dict[str, float | None]:
    from striate.accelerators.compiler.toolchain import compile_bundle, evaluate
    from striate.core.bundle import Bundle

    program = compile_bundle(Bundle.open(Path(bundle)), chip, Path(shards))
    result = evaluate(program, Path(shards), split="test")
    return {
        "chip_accuracy": result.accuracy,
        "chip_float_accuracy": result.float_accuracy,
        "chip_characters_per_s": result.predicted_characters_per_s,
        "emulated_characters_per_s": result.emulated_characters_per_s,
    }
