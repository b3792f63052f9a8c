"""DeepFace layer by layer, as the paper's section 3 has it."""

import pytest
import torch

from striate.core.errors import UnknownName, UsageError
from striate.models.count import parameters
from striate.models.deepface import LEAST_FIELD, WeightedUnits, deepface
from striate.models.evaluation.describe import describe

pytestmark = pytest.mark.unit

LAYERS = {  # parameters; maps and side of what comes out
    "c1": (11_648, (32, 142, 142)),
    "m2": (0, (32, 71, 71)),
    "c3": (41_488, (16, 63, 63)),
    "l4": (62_774_800, (16, 55, 55)),
    "l5": (7_850_000, (16, 25, 25)),
    "l6": (2_829_456, (16, 21, 21)),
    "f7": (28_905_472, (4096,)),
    "f8": (16_510_910, (4030,)),
}


def test_every_layer_has_the_published_size() -> None:
    with torch.device("meta"):
        model = deepface()
        seen: dict[str, tuple[int, ...]] = {}
        for name in LAYERS:
            layer = model.get_submodule(name)
            layer.register_forward_hook(
                lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])})
            )
        model.eval()(torch.zeros(1, 3, 152, 152))
    counts = {name: parameters(model.get_submodule(name)) for name in LAYERS}
    assert {name: (counts[name], seen[name]) for name in LAYERS} == LAYERS
    assert sum(counts.values()) == 118_923_774
    assert model.descriptor_size == 4096
    local = sum(counts[name] for name in ("l4", "l5", "l6", "f7", "f8"))
    assert local / sum(counts.values()) > 0.95  # the paper: more than 95 % of the parameters


def test_initial_weights_are_those_published() -> None:
    torch.manual_seed(0)
    model = deepface(classes=10, field=LEAST_FIELD, init="published")
    for name in ("c1", "c3", "l4", "l5", "l6", "f7", "f8"):
        layer = model.get_submodule(name)
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, torch.Tensor)
        assert isinstance(bias, torch.Tensor)
        assert float(weight.detach().std()) == pytest.approx(0.01, rel=0.05)
        assert set(bias.flatten().tolist()) == {0.5}


def test_descriptors_have_no_dropout_and_no_negative_entries() -> None:
    torch.manual_seed(0)
    model = deepface(classes=5, field=80, width=0.25).train()
    images = torch.randn(3, 3, 80, 80)
    descriptors = model.forward_features(images)
    assert torch.equal(descriptors, model.eval().forward_features(images))
    assert descriptors.shape == (3, model.descriptor_size)
    assert float(descriptors.detach().min()) == 0 < float(descriptors.detach().max())


def test_a_field_that_is_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match=f"field of {LEAST_FIELD - 1} pixels leaves nothing"):
        deepface(field=LEAST_FIELD - 1)
    assert deepface(field=LEAST_FIELD, width=1 / 8).l6.places == (1, 1)


def test_the_siamese_head_weighs_the_differences_of_units() -> None:
    """Taigman et al., section 4.2: d = Σ α_i |f_i − g_i|, of descriptors of length 1."""
    torch.manual_seed(0)
    model = deepface(field=LEAST_FIELD, width=1 / 8, head="siamese").eval()
    assert model.classes == model.descriptor_size
    assert isinstance(model.f8, WeightedUnits)
    with torch.no_grad():
        model.f8.alpha.uniform_(-1, 1)
        images = torch.randn(2, *model.input_shape)
        first, second = model(images)
        f, g = torch.nn.functional.normalize(model.forward_features(images))
    expected = (model.f8.alpha.detach().abs() * (f - g).abs()).sum()
    assert float((first - second).abs().sum()) == pytest.approx(float(expected), rel=1e-5)
    assert torch.equal(describe(model, images), torch.stack([first, second]))


def test_descriptors_of_a_classifier_are_f7_s_units() -> None:
    torch.manual_seed(0)
    model = deepface(classes=5, field=LEAST_FIELD, width=1 / 8).eval()
    images = torch.randn(2, *model.input_shape)
    assert torch.equal(describe(model, images), model.forward_features(images).detach())
    with pytest.raises(UnknownName, match=r"siamise.*siamese"):
        deepface(head="siamise")  # type: ignore[arg-type]
