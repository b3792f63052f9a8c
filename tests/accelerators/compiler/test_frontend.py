"""What the front end reads, and every kind of network that is no chain of its layers."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.frontend import layers_of
from striate.accelerators.compiler.quantize import quantize
from striate.core.errors import UnsupportedLayer
from striate.models import MODELS
from striate.models.layers.lenet import Squash

pytestmark = pytest.mark.unit

Step = Callable[["Net", Tensor], Tensor]


class Net(nn.Module):
    """Two full layers with a squash, and steps that a test puts around them."""

    def __init__(self, first: Step | None = None, between: Step | None = None) -> None:
        super().__init__()
        self.input_shape = (1, 4, 4)
        self.a, self.b, self.out = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.squash = Squash()
        self.first, self.between = first, between

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] != 1 or len(images) == 0:  # looking at sizes is allowed
            raise ValueError("another size")
        states = images if self.first is None else self.first(self, images)
        states = self.squash(self.a(states.view(states.size(0), -1).float()))
        states = states if self.between is None else self.between(self, states)
        scores: Tensor = self.out(self.squash(self.b(states)))
        return scores


class RectifiedLinear(nn.Linear):
    def forward(self, states: Tensor) -> Tensor:
        return F.relu(super().forward(states))


def bright(net: Net, states: Tensor) -> Tensor:
    return net.a(states) if bool(states.mean() > 1e6) else states


FIRST: dict[str, Step] = {
    "relu": lambda _, images: F.relu(images),
    "relu_": lambda _, images: F.relu_(images),
    "clamp": lambda _, images: images.clamp(-100, 100),
    "mul": lambda _, images: images * 1.0,
    "where": lambda _, images: torch.where(images > 50, images * 2, images),
    "mean": lambda _, images: images if float(images.mean()) < 50 else -images,
    "item": lambda _, images: images if images[0, 0, 0, 0].item() < 50 else -images,
    "tolist": lambda _, images: images if images.tolist()[0] else -images,
    "numpy": lambda _, images: images if images.numpy().max() < 50 else -images,
    "data": lambda _, images: images.data,
    "neg": lambda _, images: -images,
}


@pytest.mark.parametrize("name", FIRST)
def test_what_is_computed_before_the_first_layer_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedLayer, match=r"Net is no chain .* is computed after its input"):
        layers_of(Net(first=FIRST[name]))


BETWEEN: dict[str, tuple[Step, str]] = {
    "relu": (lambda _, states: F.relu(states), "relu is computed after squash"),
    "on the data": (bright, "mean is computed after squash"),
    "a layer twice": (lambda net, states: net.squash(net.a(states)), "layer a is used twice"),
    "a skipped layer": (lambda net, states: states + net.a(states), "layer a is used twice"),
    "by hand": (lambda net, states: F.linear(states, net.a.weight), "linear is computed"),
    "weights": (lambda net, states: (net.b.weight.data.abs(), states)[1], "data is computed"),
    "another input": (lambda net, states: (net.b(states), states)[1], "layer b takes something"),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_is_computed_between_the_layers_is_refused(name: str) -> None:
    step, said = BETWEEN[name]
    with pytest.raises(UnsupportedLayer, match=said) as caught:
        layers_of(Net(between=step))
    assert caught.value.remedy


def test_a_layer_with_a_forward_of_its_own_is_refused() -> None:
    net = Net()
    net.b = RectifiedLinear(16, 16)
    with pytest.raises(UnsupportedLayer, match=r"Layer b: RectifiedLinear"):
        layers_of(net)


def test_a_squash_comes_once_after_a_layer() -> None:
    with pytest.raises(UnsupportedLayer, match="squash comes first"):
        layers_of(Net(first=lambda net, images: net.squash(images)))
    with pytest.raises(UnsupportedLayer, match="squash follows another"):
        layers_of(Net(between=lambda net, states: net.squash(states)))


def test_another_output_than_the_last_layers_is_refused() -> None:
    class Named(Net):
        def forward(self, images: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            return {"scores": super().forward(images)}

    with pytest.raises(UnsupportedLayer, match="something else than what its last layer made"):
        layers_of(Named())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("what", ["weight", "bias"])
def test_weights_that_are_not_finite_are_refused(what: str, value: float) -> None:
    net = Net()
    nn.init.constant_(getattr(net.b, what)[:1], value)
    with pytest.raises(UnsupportedLayer, match=r"Layer b: its (weights|biases) hold NaN"):
        layers_of(net)


def test_a_network_of_another_precision_is_refused() -> None:
    with pytest.raises(UnsupportedLayer, match=r"a\.weight of Net is float64 on cpu"):
        layers_of(Net().double())


def test_a_network_that_tells_no_input_size_is_refused() -> None:
    with pytest.raises(UnsupportedLayer, match="Linear does not tell its input's size"):
        layers_of(nn.Linear(2, 2))


def test_a_chain_is_read_and_its_modes_are_left() -> None:
    net = Net()
    net.b.eval()
    modes = [module.training for module in net.modules()]
    assert [(layer.name, layer.squash) for layer in layers_of(net)] == [
        ("a", True),
        ("b", True),
        ("out", False),
    ]
    quantize(net, CHIPS["null"], torch.rand(4, 1, 4, 4))
    assert [module.training for module in net.modules()] == modes
    assert net.training and not net.b.training


def test_autocast_changes_nothing() -> None:
    """Neither the chip's integers, nor what the host computes in float32."""
    torch.manual_seed(0)
    net, images, labels = Net(), torch.randn(8, 1, 4, 4), torch.arange(8) % 3
    spec = CHIPS["null"]
    plain = compile_program(quantize(net, spec, images, labels, qat_epochs=1), spec)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = compile_program(quantize(net, spec, images, labels, qat_epochs=1), spec)
        scores = plain.run(images)
        assert torch.equal(mixed.run(images), scores)
    assert scores.dtype == torch.float32
    assert torch.equal(plain.run(images), scores)


def test_lenet5_of_1998_is_read_whole() -> None:
    names = [layer.name for layer in layers_of(MODELS["lenet5"]())]
    assert names == ["c1", "s2", "c3", "s4", "c5", "f6", "rbf"]
