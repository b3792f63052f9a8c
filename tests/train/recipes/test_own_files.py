"""Recipes that ship, trained on a folder of one's own files by overrides alone."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.core.bundle import Bundle
from striate.data.corpora.base import FolderOptions
from striate.data.corpora.sports import encode
from striate.data.ingest.ingest import ingest
from striate.train.distributed.world import World
from striate.train.loop.train import train
from striate.train.plots.mistakes import draw_worst_mistakes
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome

pytestmark = pytest.mark.unit


def photo(red: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(red).integers(0, 80, (70, 80, 3), np.uint8)
    pixels[:, :, 0] += np.uint8(red)
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def sound(hz: float) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, np.sin(np.arange(8000) * hz * 2 * np.pi / 16_000), 16_000, format="WAV")
    return out.getvalue()


def moving(step: int) -> Iterator[np.ndarray]:
    for index in range(20):
        frame = np.zeros((48, 64, 3), np.uint8)
        left = 22 + step * (index - 10)
        frame[10:30, left : left + 20] = (200, 40, 90)
        yield frame


def write_files(folder: Path, corpus: str) -> None:
    """Sixteen files of two classes that are easily told apart."""
    for number in range(16):
        label, ending = number % 2, {"images": "jpg", "clips": "mp4", "sounds": "wav"}[corpus]
        path = folder / "ab"[label] / f"{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if corpus == "clips":
            encode(path, moving(2 * label - 1))
        elif corpus == "images":
            path.write_bytes(photo(150 * label + number))
        else:
            path.write_bytes(sound(300 + 2500 * label + 10 * number))


OVERRIDES = {
    "images": ("alexnet-mini", ()),
    "clips": ("c3d-mini", ()),
    "sounds": (
        "speech-mini",
        ("data.pipeline=sounds", "task.name=classification", "optimizer.lr=0.005"),
    ),
}


@pytest.mark.parametrize("corpus", OVERRIDES)
def test_a_recipe_that_ships_learns_ones_own_files(
    corpus: str, tmp_path: Path, make_run_on: Callable[..., Run]
) -> None:
    write_files(tmp_path / "own", corpus)
    options = FolderOptions(test_share=0.3)
    report = ingest(corpus, tmp_path / "own", tmp_path / "shards", folder=options)
    assert set(report.splits) == {"train", "test"}
    name, overrides = OVERRIDES[corpus]
    own = [f"data.corpus={corpus}", "data.test_split=test", "model.arguments.classes=2"]
    short = ["batch_size=4", f"epochs={1 if corpus == 'clips' else 8}", "evaluate_every_epochs=8"]
    run = make_run_on(tmp_path / "shards", name, *own, *overrides, *short)
    train(run, World())
    outcome = RunOutcome.model_validate_json(run.folder.outcome.read_bytes())
    headline = "video_hit1" if corpus == "clips" else "top1"
    if corpus != "clips":  # a motion is not learnt in a few steps
        assert outcome.metrics[headline] > 0.9
    bundle = Bundle.open(run.folder.bundle)
    assert bundle.spec.labels == ("a", "b")
    assert draw_worst_mistakes(run) is not None or outcome.metrics[headline] == 1.0
