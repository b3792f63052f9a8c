"""Programs of a trained network: accuracy, files, inputs."""

from pathlib import Path

import pytest
import torch

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.quantize import quantize
from striate.accelerators.compiler.toolchain import compile_bundle, evaluate
from striate.accelerators.emulator.program import Program
from striate.core.bundle import Bundle
from striate.core.errors import BundleError, RequestError, UsageError
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import evaluation_batches
from striate.models import build_from

pytestmark = pytest.mark.unit

POINTS_LOST = 0.015


@pytest.mark.parametrize("name", ["anna-talk", "anna-1991", "null"])
def test_a_chip_loses_little_on_held_out_digits(
    programs: dict[str, Program], digits_shards: Path, name: str
) -> None:
    """Boser et al., JSSC 1991: 6-bit weights, 3-bit states; and 4-bit ones, as LeCun's talk has it.

    ANNA lost 0.4 points on its digits (IEEE TNN 3(3), 1992; as recalled).
    """
    result = evaluate(programs[name], digits_shards)
    assert result.rows == 360
    assert result.float_accuracy is not None and result.float_accuracy > 0.96
    assert result.accuracy >= result.float_accuracy - POINTS_LOST
    assert (result.predicted_characters_per_s is None) == (name == "null")


def test_the_test_split_is_not_learnt_from(
    lenet1_bundle: Bundle, digits_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from striate.accelerators.compiler import toolchain

    seen: list[torch.Tensor] = []

    def spying(*args: object, **options: object) -> object:
        seen.append(args[2])  # type: ignore[arg-type]
        return quantize(*args, **{**options, "retrain_last": False})  # type: ignore[arg-type]

    monkeypatch.setattr(toolchain, "quantize", spying)
    compile_bundle(lenet1_bundle, "anna-talk", digits_shards, qat_epochs=0)
    held_out = next(
        evaluation_batches(
            digits_shards, StreamSpec("test", 360, preprocessing=lenet1_bundle.spec.preprocessing)
        )
    ).images
    known = {image.numpy().tobytes() for image in seen[0]}
    assert not any(image.numpy().tobytes() in known for image in held_out)


def test_weights_and_states_are_codes_of_the_chip(programs: dict[str, Program]) -> None:
    program = programs["anna-1991"]
    trace = program.trace(torch.rand(8, 1, 32, 32))
    for layer in program.chip:
        assert layer.weight.abs().max() == 31
        assert -4 <= int(trace[layer.name].min()) <= int(trace[layer.name].max()) <= 3
    h3 = {layer.name: layer for layer in program.chip}["h3"]
    assert int((h3.weight.abs().flatten(2).sum(2) > 0).sum()) == 20, "the table's kernels alone"
    h2 = {layer.name: layer for layer in program.chip}["h2"]
    assert all(len(set(kernel.flatten().tolist())) == 1 for kernel in h2.weight), "one coefficient"


def test_null_is_close_to_the_float_network(
    programs: dict[str, Program], lenet1_bundle: Bundle
) -> None:
    images = torch.rand(16, 1, 32, 32, generator=torch.Generator().manual_seed(1)) - 0.1
    model = build_from(lenet1_bundle)
    with torch.no_grad():
        features = model.forward_features(images)  # type: ignore[operator]
    last = programs["null"].chip[-1]
    states = programs["null"].trace(images)["h4"].flatten(1) * last.scale + last.zero
    assert (states - features).abs().max() < 0.02


def test_a_saved_program_is_the_same_program(programs: dict[str, Program], tmp_path: Path) -> None:
    program = programs["anna-talk"]
    program.save(tmp_path / "p")
    again = Program.load(tmp_path / "p")
    images = torch.rand(5, 1, 32, 32)
    assert again.info == program.info
    assert torch.equal(again.run(images), program.run(images))
    assert again.estimate() == program.estimate()


@pytest.mark.parametrize("file", ["program.json", "program.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_program_is_refused_by_name(
    programs: dict[str, Program], tmp_path: Path, file: str, damage: str
) -> None:
    programs["anna-talk"].save(tmp_path / "p")
    path = tmp_path / "p" / file
    content = bytearray(path.read_bytes())
    if damage == "flip":
        place = content.index(b'"scale": ') + 11 if file.endswith("json") else len(content) // 2
        content[place] ^= 1
    path.unlink() if damage == "gone" else path.write_bytes(
        content if damage == "flip" else content[:-9]
    )
    with pytest.raises(BundleError, match=file):
        Program.load(tmp_path / "p")


def test_inputs_are_checked(programs: dict[str, Program]) -> None:
    program = programs["anna-talk"]
    with pytest.raises(RequestError, match=r"1×32×32.*1×28×28"):
        program.run(torch.rand(1, 1, 28, 28))
    with pytest.raises(RequestError, match="-8 to 7"):
        program.run(torch.full((1, 1, 32, 32), 8))
    images = torch.rand(3, 1, 32, 32)
    assert torch.equal(program.run(program.encode(images)), program.run(images))


def test_shards_of_other_classes_are_refused(lenet1_bundle: Bundle, digits_shards: Path) -> None:
    spec = lenet1_bundle.spec.model_copy(update={"labels": ("cat", "dog")})
    other = Bundle(lenet1_bundle.path, spec, lenet1_bundle.files)
    with pytest.raises(UsageError, match="classes"):
        compile_bundle(other, "anna-talk", digits_shards)


def test_quantising_leaves_the_model_alone(lenet1_bundle: Bundle) -> None:
    model = build_from(lenet1_bundle)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images, labels = torch.rand(8, 1, 32, 32), torch.arange(8)
    quantize(model, CHIPS["anna-talk"], images, labels, qat_epochs=1)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
