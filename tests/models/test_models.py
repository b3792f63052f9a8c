"""Every model of the zoo: exact figures and the common surface."""

from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import BundleError, UnknownName, UsageError
from striate.models import MODELS, build, build_from
from striate.models.codes import HEIGHT, WIDTH, digit_codes
from striate.models.count import connections, macs, parameters
from striate.models.lenet5 import lenet5

pytestmark = pytest.mark.unit

# Trainable parameters, connections with biases, and multiply-accumulates of conv and full layers.
# lenet1 and lenet5: the published parameters and connections. lenet1_32: 131,400 is what the ANNA
# papers call over 130,000. lenet5_modern: 415,680 up to F6, and 840 in the output layer.
FIGURES = {
    "lenet1": (2_578, 98_442, 91_520),
    "lenet1_32": (3_658, 141_166, 131_400),
    "lenet5": (60_000, 340_908, 325_680),
    "lenet5_modern": (61_706, 423_038, 415_680 + 840),
}


def model_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(Architecture(name=name))


def bundle_of(folder: Path, name: str, model: nn.Module) -> Bundle:
    edge = TensorSpec(dtype="float32", shape=(10,), layout="C", units="score")
    spec = BundleSpec(
        architecture=Architecture(name=name), task="classification", input=edge, output=edge
    )
    return Bundle.write(folder, spec, model.state_dict())


@pytest.mark.parametrize("name", MODELS)
def test_surface_of_every_model(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    shape = model.input_shape
    assert isinstance(shape, tuple)
    counted = (parameters(model), connections(model, shape), macs(model, shape))
    assert counted == FIGURES[name]

    images = torch.randn(3, *shape)
    scores = model(images)
    assert scores.shape == (3, model.classes)
    assert torch.equal(scores, model.forward_head(model.forward_features(images)))  # type: ignore[operator]
    loss = nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2]))
    torch.autograd.backward(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())

    exported = torch.export.export(
        model, (images,), dynamic_shapes={"images": {0: torch.export.Dim("n", min=2)}}
    ).module()
    assert torch.allclose(exported(images[:2]), model(images[:2]), atol=1e-5)

    again = build_from(Bundle.open(bundle_of(tmp_path / "b", name, model).path))
    assert not again.training
    assert torch.equal(again(images), model.eval()(images))


def test_initial_weights_lie_within_2_4_over_the_fan_in() -> None:
    model = lenet5()
    bound = 2.4 / (3 * 25)
    first = model.c3.kernels[:3].abs().max().item()  # the first map of C3 sees three maps
    assert bound / 2 < first <= bound
    assert model.f6.weight.abs().max().item() <= 2.4 / 120


def test_unconnected_maps_have_no_influence() -> None:
    model = lenet5()
    maps = torch.randn(1, 6, 14, 14)
    other = maps.clone()
    other[:, 3:] = 0  # the first map of C3 sees maps 0, 1, 2 only
    changed = (model.c3(maps) != model.c3(other)).flatten(2).any(2)
    assert changed[0].tolist() == [False, *[True] * 15]


def test_codes_are_distinct_drawings() -> None:
    codes = digit_codes()
    assert codes.shape == (10, WIDTH * HEIGHT)
    assert set(codes.flatten().tolist()) == {-1.0, 1.0}
    distances = torch.cdist(codes, codes, p=0) + 84 * torch.eye(10)
    assert distances.min() >= 8


def test_the_radial_basis_output_prefers_its_own_code() -> None:
    model = lenet5()
    assert model.forward_head(digit_codes()).argmax(1).tolist() == list(range(10))
    assert model.forward_head(digit_codes()).diagonal().tolist() == [0.0] * 10


def test_unknown_names_and_arguments_are_said() -> None:
    with pytest.raises(UnknownName, match=r"lenet6.*lenet5"):
        build(Architecture(name="lenet6"))
    with pytest.raises(UsageError, match="lenet1"):
        build(Architecture(name="lenet1", arguments={"colour": 3}))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "wrong", "lenet1", model_of("lenet1_32"))
    with pytest.raises(BundleError, match="wrong"):
        build_from(bundle)
