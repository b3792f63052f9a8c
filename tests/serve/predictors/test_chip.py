"""Tagging on an emulated chip: the same bundle, through its program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import quantize
from striate.accelerators.compiler.toolchain import compile_bundle
from striate.accelerators.emulator.program import Program
from striate.core.bundle import Bundle, Provenance, TensorSpec
from striate.core.errors import BundleError, UsageError
from striate.core.settings import Settings
from striate.data.corpora.mnist import IdxSplit, write_mnist
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from
from striate.serve.common.types import TagRequest
from striate.serve.deployment.chip_programs import program_for
from striate.serve.predictors import load_network, load_tagging
from striate.serve.predictors.base import answer

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
CHIP = "anna-talk"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    """A LeNet-1 bundle with random weights."""
    return write_bundle(tmp_path_factory.mktemp("small") / "digits", name="lenet1_32")


@pytest.fixture(scope="module")
def program(small: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its program for the chip."""
    spec = CHIPS[CHIP]
    noise = torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    images = apply(small.spec.preprocessing, noise.to(torch.uint8))
    quantized = quantize(build_from(small), spec, images, retrain_last=False, qat_epochs=0)
    source = f"lenet1_32 {small.digest}"
    compiled = compile_program(quantized, spec, labels=small.spec.labels, source=source)
    folder = tmp_path_factory.mktemp("programs") / "lenet1"
    compiled.save(folder)
    return folder


def test_scores_are_those_of_the_program(small: Bundle, program: Path, png: Png) -> None:
    predictor = load_tagging(small, CHIP, program=program)
    request = TagRequest(png(), top_k=10)
    (tags,) = answer(predictor, [request])
    assert isinstance(tags, list)
    images = apply(small.spec.preprocessing, predictor.decode(request)[None])
    output = torch.flatten(Program.load(program).run(images), 1).float()
    expected = torch.softmax(output, 1)[0]
    assert {tag.index: tag.score for tag in tags} == pytest.approx(
        dict(enumerate(expected.tolist()))
    )


def test_a_program_of_another_network_is_refused(
    program: Path, tmp_path: Path, write_bundle: Callable[..., Bundle]
) -> None:
    other = write_bundle(tmp_path / "other", seed=5, name="lenet1_32")
    with pytest.raises(BundleError, match="was compiled from"):
        load_tagging(other, CHIP, program=program)


def test_a_program_for_another_chip_is_refused(small: Bundle, program: Path) -> None:
    with pytest.raises(BundleError, match=CHIP):
        load_tagging(small, "anna-1991", program=program)


def test_without_the_training_shards_a_program_must_be_given(small: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--program"):
        program_for(small, CHIP, Settings(home=tmp_path))


def test_it_is_compiled_once_from_the_shards_of_its_training(tmp_path: Path, small: Bundle) -> None:
    settings = Settings(home=tmp_path)
    shards = settings.data_folder / "digits" / "shards"
    few = IdxSplit(
        np.eye(28, dtype=np.uint8)[None].repeat(64, 0), np.arange(64, dtype=np.uint8) % 10
    )
    write_mnist(tmp_path / "few", {"train": few, "test": few})
    ingest("mnist", tmp_path / "few", shards)
    provenance = Provenance(data_manifest_sha256=Manifest.load(shards).sha256)
    spec = small.spec.model_copy(update={"provenance": provenance})
    trained = Bundle.write(tmp_path / "trained", spec, small.state())
    program = program_for(trained, CHIP, settings)
    assert load_tagging(trained, CHIP, program=program)
    before = program.stat().st_mtime_ns
    assert program_for(trained, CHIP, settings) == program
    assert program.stat().st_mtime_ns == before


EDGE = TensorSpec(dtype="float32", shape=(10,), layout="C", units="score")
ANY = EDGE.model_copy(update={"shape": ("count",)})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": {"left": EDGE, "right": EDGE}}, "takes one input; the bundle has left, right"),
        ({"outputs": {"scores": EDGE, "boxes": EDGE}}, "one output; the bundle has scores, boxes"),
        ({"inputs": {"words": ANY}}, "fixed sizes; count of the input words has none"),
    ],
)
def test_a_bundle_of_other_tensors_than_a_chips_is_refused(
    small: Bundle, program: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    spec = small.spec.model_copy(update=changes)
    other = Bundle.write(tmp_path / "other", spec, small.state())
    with pytest.raises(BundleError, match=said):
        load_network(other, CHIP, program)
    with pytest.raises(BundleError, match=said):
        compile_bundle(other, CHIP, tmp_path / "shards")
