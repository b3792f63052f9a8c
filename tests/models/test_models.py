"""Every model of the zoo: exact figures and the common surface."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from striate.accelerators.compiler.frontend import layers_of
from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import BundleError, UnknownName, UnsupportedLayer, UsageError
from striate.models import MODELS, build, build_from, name_outputs
from striate.models.count import connections, macs, parameters
from striate.models.layers.codes import HEIGHT, WIDTH, digit_codes
from striate.models.lenet5 import lenet5

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Case:
    """What is known of a model.

    Attributes:
        parameters: trainable ones.
        macs: multiply-accumulates of convolutions and full layers, for one input.
        connections: with biases and sub-sampling, where a paper counts them.
        small: arguments of a version that a test can afford.
        chip: whether chips' tools can read it.
    """

    parameters: int
    macs: int
    connections: int | None = None
    small: dict[str, Any] = field(default_factory=dict)
    chip: bool = False


# lenet1 and lenet5: the published parameters and connections. lenet1_32: 131,400 is what the ANNA
# papers call over 130,000. lenet5_modern: 415,680 up to F6, and 840 in the output layer.
CASES = {
    "alexnet": Case(60_965_224, 724_406_816, small={"width": 1 / 8, "field": 67}),
    "alexnet_one_tower": Case(61_100_840, 714_188_480, small={"width": 1 / 8, "field": 63}),
    "c3d": Case(79_991_015, 38_548_959_232, small={"width": 1 / 8, "field": 17, "frames": 8}),
    "c3d_ablation": Case(
        17_444_965, 19_261_106_176, small={"width": 1 / 8, "field": 17, "frames": 8}
    ),
    "deepface": Case(118_923_774, 517_624_448, small={"width": 1 / 8, "field": 72}),
    "face_pose": Case(63_493, 417_880, chip=True),
    "fcn": Case(147_376, 45_187_072),
    "googlenet": Case(6_998_552, 1_582_671_872, small={"width": 1 / 8, "field": 33}),
    "kb_embeddings": Case(139_392, 0, small={"dim": 8, "candidates": 6, "length": 8}),
    "lenet1": Case(2_578, 91_520, 98_442, chip=True),
    "lenet1_32": Case(3_658, 131_400, 141_166, chip=True),
    "lenet5": Case(60_000, 325_680, 340_908, chip=True),
    "lenet5_modern": Case(61_706, 415_680 + 840, 423_038),
    "memory_network": Case(57_400, 0, small={"dim": 8, "sentences": 2, "words": 4}),
    "overfeat_accurate": Case(144_656_488, 5_355_446_784, small={"width": 1 / 16, "field": 77}),
    "overfeat_fast": Case(145_920_872, 2_801_403_904, small={"width": 1 / 16, "field": 71}),
    # 384 million as the paper counts; 32 words read by 32 million weights, one written, and its
    # logits.
    "seq2seq_lstm": Case(
        384_000_000,
        33 * 32_000_000 + 80_000_000,
        small={"source_words": 50, "classes": 40, "dim": 48, "layers": 2},
    ),
    "sentence_convnet": Case(
        9_360_902,
        21_900_600,
        small={"classes": 5, "vocabulary": 40, "dim": 16, "maps": 12, "length": 9},
    ),
    "slide_tower": Case(51_413_096, 1_992_221_184, small={"width": 1 / 16, "field": 77}),
    "speech_convnet": Case(54_427_896, 75_464_704, small={"width": 1 / 16, "field": 28}),
    "story_lstm": Case(93_764, 9_606_400, small={"dim": 16, "sentences": 4, "words": 5}),
    "vgg16": Case(138_357_544, 15_470_264_320, small={"width": 1 / 8, "field": 32}),
    "vgg19": Case(143_667_240, 19_632_062_464, small={"width": 1 / 8, "field": 32}),
    "word_embeddings": Case(6_000_000, 0, small={"vocabulary": 40, "dim": 8}),
}
DENSE = {"fcn"}  # scores for each place of the input
LARGE = [name for name, case in CASES.items() if "width" in case.small]
# They take numbers of words.
OVER_WORDS = {
    "kb_embeddings",
    "memory_network",
    "sentence_convnet",
    "seq2seq_lstm",
    "story_lstm",
    "word_embeddings",
}
# The codes of LeNet-5 are those of ten digits, and the points of `face_pose` those of poses.
# `memory_network` has spare places among its classes; those of `word_embeddings` are its words.
# `kb_embeddings` scores candidates, equal ones alike.
HAS_CLASSES = sorted(
    set(MODELS) - {"lenet5", "face_pose", "memory_network", "word_embeddings", "kb_embeddings"}
)
# What finds memories learns by which ones are true: tests/train/tasks/test_story_tasks.py; vectors
# of words by their neighbours: test_word_embeddings.py.
LEARNS_BY_SCORES = sorted(set(MODELS) - {"memory_network", "word_embeddings", "kb_embeddings"})


def small(name: str, **arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(Architecture(name=name, arguments={**CASES[name].small, **arguments}))


def inputs_of(model: nn.Module, count: int) -> Tensor:
    shape = model.input_shape
    assert isinstance(shape, tuple)
    if name_of(model) in OVER_WORDS:
        return torch.randint(1, int(model.classes) + 1, (count, *shape))  # type: ignore[arg-type]
    return torch.randn(count, *shape)


def name_of(model: nn.Module) -> str:
    names = {
        "KnowledgeEmbeddings": "kb_embeddings",
        "MemoryNetwork": "memory_network",
        "Seq2SeqLstm": "seq2seq_lstm",
        "SentenceConvNet": "sentence_convnet",
        "StoryLstm": "story_lstm",
        "WordEmbeddings": "word_embeddings",
    }
    return names.get(type(model).__name__, "")


def scores_of(given: Tensor | dict[str, Tensor]) -> Tensor:
    """A network's scores: all that it gives, or the first of what it names."""
    return given if isinstance(given, Tensor) else next(iter(given.values()))


def bundle_of(folder: Path, architecture: Architecture, model: nn.Module) -> Bundle:
    edge = TensorSpec(dtype="float32", shape=(10,), layout="C", units="score")
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": edge},
        outputs={"output": edge},
    )
    return Bundle.write(folder, spec, model.state_dict())


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        *((name, {}, CASES[name].parameters) for name in MODELS),
        ("googlenet", {"auxiliary": True}, 13_378_280),
    ],
)
def test_counts_are_those_published(name: str, arguments: dict[str, Any], expected: int) -> None:
    case = CASES[name]
    with torch.device("meta"):  # no memory for the 146 million of the largest
        model = build(Architecture(name=name, arguments=arguments))
    shape = model.input_shape
    assert isinstance(shape, tuple)
    # Auxiliary heads are for training alone: what is counted for an answer stays as it is.
    assert (parameters(model), macs(model, shape)) == (expected, case.macs)
    assert case.connections in (None, connections(model, shape))


@pytest.mark.parametrize("name", MODELS)
def test_surface_of_every_model(name: str, tmp_path: Path) -> None:
    model = small(name).eval()
    inputs = inputs_of(model, 3)
    scores = scores_of(model(inputs))
    assert scores.shape == (3, model.classes, *(inputs.shape[2:] if name in DENSE else ()))
    assert torch.equal(scores, model.forward_head(model.forward_features(inputs)))  # type: ignore[operator]

    exported = torch.export.export(
        model, (inputs,), dynamic_shapes=({0: torch.export.Dim("n", min=2)},)
    ).module()
    found, expected = (scores_of(one(inputs[:2])) for one in (exported, model))
    assert torch.allclose(found, expected, atol=1e-5)

    architecture = Architecture(name=name, arguments=CASES[name].small)
    again = build_from(Bundle.open(bundle_of(tmp_path / "b", architecture, model).path))
    assert not again.training
    assert torch.equal(scores_of(again(inputs)), scores)


@pytest.mark.parametrize("name", LEARNS_BY_SCORES)
def test_a_small_version_learns(name: str) -> None:
    model = small(name, **({"dropout": 0.0} if name in (*LARGE, "sentence_convnet") else {}))
    shape, labels = inputs_of(model, 4).shape, torch.arange(4)
    inputs = inputs_of(model, 4)
    if name not in OVER_WORDS:
        coarse = torch.randn(4, shape[1], *[4] * (len(shape) - 2))
        inputs = nn.functional.interpolate(coarse, shape[2:])  # unlike one another, as images are
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    known = math.log(4)  # the loss of knowing that there are four of them, and no more
    losses = [math.inf]
    while losses[-1] > known / 2 and len(losses) < 200:
        scores = scores_of(model(inputs))
        wanted = labels.view(-1, *[1] * (scores.ndim - 2)).expand(4, *scores.shape[2:])
        loss = nn.functional.cross_entropy(scores, wanted)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] > known
    assert losses[-1] < known / 2


@pytest.mark.parametrize("name", HAS_CLASSES)
def test_classes_are_an_argument(name: str) -> None:
    model = small(name, classes=7).eval()
    assert scores_of(model(inputs_of(model, 2))).shape[:2] == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_chips_read_a_model_or_name_what_they_cannot(name: str) -> None:
    model = small(name)
    if CASES[name].chip:
        names = [layer.name for layer in layers_of(model)]
        assert set(names) <= {module for module, _ in model.named_modules()}
        return
    with pytest.raises(UnsupportedLayer) as error:
        layers_of(model)
    words = error.value.message.replace(":", " ").replace(",", " ").replace("(", " ").split()
    assert set(words) & {module for module, _ in model.named_modules() if module}
    assert error.value.remedy


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
    other = bundle_of(tmp_path / "wrong", Architecture(name="lenet1"), small("lenet1_32"))
    with pytest.raises(BundleError, match="wrong"):
        build_from(other)


EDGES = {"boxes": TensorSpec(dtype="float32", shape=(4,), layout="C", units="pixel")}
EDGES["scores"] = TensorSpec(dtype="float32", shape=(10,), layout="C", units="logit")
TWO = BundleSpec(architecture=Architecture(name="x"), task="boxes", inputs=EDGES, outputs=EDGES)


@pytest.mark.parametrize("given", ["mapping", "sequence"])
def test_outputs_are_named_as_the_bundle_says(given: str) -> None:
    boxes, scores = torch.zeros(1, 4), torch.ones(1, 10)
    more = {"scores": scores, "boxes": boxes, "features": torch.zeros(1)}
    named = name_outputs(TWO, more if given == "mapping" else [boxes, scores])
    assert list(named) == ["boxes", "scores"]
    assert named["boxes"] is boxes
    assert named["scores"] is scores


@pytest.mark.parametrize("given", [torch.zeros(1), (torch.zeros(1),) * 3, {"scores": 1}])
def test_a_network_of_other_outputs_is_refused(given: Any) -> None:
    with pytest.raises(BundleError, match="does not give the outputs boxes, scores"):
        name_outputs(TWO, given)


def test_a_bundle_that_is_no_network_is_not_built(tmp_path: Path) -> None:
    bundle = Bundle.write(tmp_path / "b", TWO.model_copy(update={"kind": "index"}), {})
    with pytest.raises(BundleError, match="of the kind index, not a network"):
        build_from(bundle)


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (37, 51)])
def test_dense_scores_are_of_the_images_own_size(size: tuple[int, int]) -> None:
    model = small("fcn").eval()
    assert model(torch.randn(2, 3, *size)).shape == (2, 8, *size)


def test_dense_scores_move_with_the_image() -> None:
    """A shift by the coarsest stride shifts the scores, away from the edges."""
    model = small("fcn").eval()
    wide = torch.randn(1, 3, 96, 192)
    left, right = model(wide[..., :184]), model(wide[..., 8:])
    assert torch.allclose(left[..., 80:104], right[..., 72:96], atol=1e-6)
