"""The zoo: one file per architecture, plain torch, the same small surface for all.

Every model has ``input_shape`` (channels, height, width; clips: channels, frames, height, width),
``classes``, ``forward_features``, ``forward_head`` and ``forward``: normalised inputs (N,
*input_shape) to scores (N, classes), larger meaning more likely. A network with auxiliary heads
returns a tuple in training mode, its own scores first. The large networks take ``classes``,
``field``, the size of the input, and ``width``, which multiplies all maps and hidden units, so that
a small version trains on a CPU in seconds.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from typing import Any

from torch import Tensor, nn

from striate.core.bounds import check_bounds
from striate.core.bundle import NETWORK, Architecture, Bundle, BundleSpec
from striate.core.errors import BundleError, UsageError
from striate.core.extension_sources import find_offers, is_same_package
from striate.core.extensions import Extended
from striate.models.alexnet import alexnet, alexnet_one_tower
from striate.models.c3d import c3d, c3d_ablation
from striate.models.deepface import deepface
from striate.models.face_pose import face_pose
from striate.models.fcn import Fcn
from striate.models.googlenet import googlenet
from striate.models.kb_embeddings import KnowledgeEmbeddings
from striate.models.lenet1 import lenet1, lenet1_32
from striate.models.lenet5 import lenet5, lenet5_modern
from striate.models.memory import check_memory
from striate.models.memory_network import MemoryNetwork
from striate.models.overfeat import overfeat_accurate, overfeat_fast
from striate.models.sentence_convnet import SentenceConvNet
from striate.models.seq2seq import Seq2SeqLstm
from striate.models.slide_tower import slide_tower
from striate.models.speech_convnet import speech_convnet
from striate.models.story_lstm import StoryLstm
from striate.models.vgg import vgg16, vgg19
from striate.models.word_embeddings import WordEmbeddings

MODELS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": alexnet,
    "alexnet_one_tower": alexnet_one_tower,
    "c3d": c3d,
    "c3d_ablation": c3d_ablation,
    "deepface": deepface,
    "face_pose": face_pose,
    "fcn": Fcn,
    "googlenet": googlenet,
    "kb_embeddings": KnowledgeEmbeddings,
    "lenet1": lenet1,
    "lenet1_32": lenet1_32,
    "lenet5": lenet5,
    "lenet5_modern": lenet5_modern,
    "memory_network": MemoryNetwork,
    "overfeat_accurate": overfeat_accurate,
    "overfeat_fast": overfeat_fast,
    "seq2seq_lstm": Seq2SeqLstm,
    "sentence_convnet": SentenceConvNet,
    "slide_tower": slide_tower,
    "speech_convnet": speech_convnet,
    "story_lstm": StoryLstm,
    "vgg16": vgg16,
    "vgg19": vgg19,
    "word_embeddings": WordEmbeddings,
}
_HOUSE = "striate"
ALL_MODELS = Extended("models", MODELS, returning=nn.Module)
"""With those that extensions add."""


def build(architecture: Architecture) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        UnknownName: there is no architecture of that name.
        BundleError: the package that it comes from is not here.
        ExtensionError: the extension that adds it cannot be used.
        UsageError: its arguments do not fit, or it takes more memory than there is.
    """
    if _is_elsewhere(architecture):
        raise _missing(architecture)
    make = ALL_MODELS.find(architecture.name)
    check_model(architecture.name, architecture.arguments)
    try:
        if ALL_MODELS.origin(architecture.name) is None:  # one of ours, which does nothing else
            check_memory(architecture.name, make, architecture.arguments)
        return make(**architecture.arguments)
    except (TypeError, ValueError, ArithmeticError, MemoryError, RuntimeError) as error:
        said = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UsageError(f"The model {architecture.name} cannot be built: {said}.") from None


def check_model(name: str, arguments: Mapping[str, Any]) -> None:
    """Hold arguments against the bounds that the model's own annotations give; builds nothing.

    Raises:
        UnknownName, ExtensionError: as `build`.
        UsageError: an argument lies outside.
    """
    check_bounds(ALL_MODELS.find(name), arguments, f"The model {name}")


def build_from(bundle: Bundle) -> nn.Module:
    """Build a bundle's network with its weights, in evaluation mode, on the CPU.

    Raises:
        UnknownName, UsageError: as `build`.
        BundleError: the bundle is of a kind that is no network, or the weights are not those of
            the architecture.
    """
    if bundle.spec.kind != NETWORK:
        raise BundleError(
            f"The bundle {bundle.path.name} is of the kind {bundle.spec.kind}, not a {NETWORK}."
        )
    model = build(bundle.spec.architecture)
    try:
        model.load_state_dict(bundle.state())
    except RuntimeError:
        raise BundleError(
            f"The weights of the bundle {bundle.path.name} do not fit its architecture "
            f"{bundle.spec.architecture.name}.",
            _remedy(bundle.spec.architecture),
        ) from None
    return model.eval()


def architecture_of(name: str, arguments: Mapping[str, Any]) -> Architecture:
    """A name and arguments, with the package that defines it and its version here."""
    origin = ALL_MODELS.origin(name)
    package, version = (
        (origin.name, origin.version) if origin else (_HOUSE, installed_version(_HOUSE))
    )
    return Architecture(name=name, arguments=dict(arguments), package=package, version=version)


def _is_elsewhere(architecture: Architecture) -> bool:
    """Whether another package than the one here defines what the architecture names."""
    if architecture.name not in ALL_MODELS:
        return not is_same_package(architecture.package, _HOUSE) and not find_offers().problems
    origin = ALL_MODELS.origin(architecture.name)
    said = architecture.package != _HOUSE  # what recipes ask for comes from wherever it is
    return said and not is_same_package(origin.name if origin else _HOUSE, architecture.package)


def _missing(architecture: Architecture) -> BundleError:
    package, version = architecture.package, architecture.version
    wanted = f"{package}=={version}" if version else package
    return BundleError(
        f"The model {architecture.name} comes from the package"
        f" {package}{f' {version}' if version else ''}, which is not here.",
        f"Run `pip install {wanted}` where it is needed, or name its module with --module.",
    )


def _remedy(architecture: Architecture) -> str:
    """What to do about weights that do not fit."""
    here = architecture_of(architecture.name, {})
    if here.package == _HOUSE or here.version == architecture.version:
        return "Train the model again with this version of Striate."
    return (
        f"It was made by {here.package} {architecture.version}, and {here.version} is here: install"
        " that version, or train the model again."
    )


def name_outputs(spec: BundleSpec, given: Any) -> dict[str, Tensor]:
    """What a bundle's network gives, by the names of the bundle's outputs.

    Args:
        spec: names them.
        given: one tensor, several in the order of the outputs, or a mapping by name, which may
            have more.

    Raises:
        BundleError: the network gives something else.
    """
    if isinstance(given, Tensor):
        given = (given,)
    if isinstance(given, Mapping):
        found = {name: given[name] for name in spec.outputs if name in given}
    else:
        same = len(given) == len(spec.outputs)
        found = dict(zip(spec.outputs, given, strict=True)) if same else {}
    if len(found) < len(spec.outputs):
        raise BundleError(
            f"The network does not give the outputs {', '.join(spec.outputs)} of its bundle.",
            "Train the model again with this version of Striate.",
        )
    return found
