"""The zoo: one file per architecture, plain torch, the same small surface for all.

Every model has ``input_shape`` (channels, height, width), ``classes``, ``forward_features``,
``forward_head`` and ``forward``: normalised images (N, C, H, W) to scores (N, classes), larger
meaning more likely.
"""

from collections.abc import Callable

from torch import nn

from striate.core.bundle import Architecture, Bundle
from striate.core.errors import BundleError, UnknownName, UsageError
from striate.models.lenet1 import lenet1, lenet1_32
from striate.models.lenet5 import lenet5, lenet5_modern

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet1": lenet1,
    "lenet1_32": lenet1_32,
    "lenet5": lenet5,
    "lenet5_modern": lenet5_modern,
}


def build(architecture: Architecture) -> nn.Module:
    """Build a network with fresh weights.

    Raises:
        UnknownName: there is no architecture of that name.
        UsageError: its arguments do not fit.
    """
    if architecture.name not in MODELS:
        raise UnknownName.of("model", architecture.name, MODELS)
    try:
        return MODELS[architecture.name](**architecture.arguments)
    except TypeError as error:
        raise UsageError(f"The model {architecture.name} cannot be built: {error}.") from None


def build_from(bundle: Bundle) -> nn.Module:
    """Build a bundle's network with its weights, in evaluation mode, on the CPU.

    Raises:
        UnknownName, UsageError: as `build`.
        BundleError: the weights are not those of the architecture.
    """
    model = build(bundle.spec.architecture)
    try:
        model.load_state_dict(bundle.state())
    except RuntimeError:
        raise BundleError(
            f"The weights of the bundle {bundle.path.name} do not fit its architecture "
            f"{bundle.spec.architecture.name}.",
            "Train the model again with this version of Striate.",
        ) from None
    return model.eval()
