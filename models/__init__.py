"""The zoo: one file per architecture, plain torch, the same small surface for all.

Every model has ``input_shape`` (channels, height, width; clips: channels, frames, height, width),
``classes``, ``forward_features``, ``forward_head`` and ``forward``: normalised inputs (N,
*input_shape) to scores (N, classes), larger meaning more likely. A network with auxiliary heads
returns a tuple in training mode, its own scores first. The large networks take ``classes``,
``field``, the size of the input, and ``width``, which multiplies all maps and hidden units, so that
a small version trains on a CPU in seconds.
"""

import re
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from typing import Any

from torch import Tensor, nn

from striate.core.bundle import NETWORK, Architecture, Bundle, BundleSpec
from striate.core.errors import BundleError, UsageError
from striate.core.extension_sources import find_offers
from striate.core.extensions import extended
from striate.models.alexnet import alexnet, alexnet_one_tower
from striate.models.c3d import c3d, c3d_ablation
from striate.models.fcn import Fcn
from striate.models.googlenet import googlenet
from striate.models.lenet1 import lenet1, lenet1_32
from striate.models.lenet5 import lenet5, lenet5_modern
from striate.models.overfeat import overfeat_accurate, overfeat_fast
from striate.models.slide_tower import slide_tower
from striate.models.speech_convnet import speech_convnet
from striate.models.vgg import vgg16, vgg19

MODELS: dict[str, Callable[..., nn.Module]] = {
    "alexnet": alexnet,
    "alexnet_one_tower": alexnet_one_tower,
    "c3d": c3d,
    "c3d_ablation": c3d_ablation,
    "fcn": Fcn,
    "googlenet": googlenet,
    "lenet1": lenet1,
    "lenet1_32": lenet1_32,
    "lenet5": lenet5,
    "lenet5_modern": lenet5_modern,
    "overfeat_accurate": overfeat_accurate,
    "overfeat_fast": overfeat_fast,
    "slide_tower": slide_tower,
    "speech_convnet": speech_convnet,
    "vgg16": vgg16,
    "vgg19": vgg19,
}
_HOUSE = "striate"
ALL_MODELS = extended("models", MODELS, returning=nn.Module)
"""With those that extensions add."""


def build(architecture: Architecture) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        UnknownName: there is no architecture of that name.
        BundleError: the package that it comes from is not here.
        ExtensionError: the extension that adds it cannot be used.
        UsageError: its arguments do not fit.
    """
    if _is_elsewhere(architecture):
        raise _missing(architecture)
    make = ALL_MODELS.find(architecture.name)
    try:
        return make(**architecture.arguments)
    except TypeError as error:
        raise UsageError(f"The model {architecture.name} cannot be built: {error}.") from None


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
        return _plain(architecture.package) != _HOUSE and not find_offers().problems
    origin = ALL_MODELS.origin(architecture.name)
    said = architecture.package != _HOUSE  # what recipes ask for comes from wherever it is
    return said and _plain(origin.name if origin else _HOUSE) != _plain(architecture.package)


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


def _plain(package: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


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
