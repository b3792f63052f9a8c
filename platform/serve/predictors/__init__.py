"""Predictors: what a model does to a request, knowing neither Ray nor gRPC."""

from collections.abc import Callable
from pathlib import Path

from striate.core.bundle import NETWORK, Bundle
from striate.core.errors import BundleError, UnknownName
from striate.core.extensions import Extended
from striate.serve.predictors.image_reader import DEFAULT_PIXELS
from striate.serve.predictors.network import NamedNetwork, only_network, torch_network
from striate.serve.predictors.tagging import TaggingPredictor

PREDICTORS: dict[str, Callable[[Bundle, str], NamedNetwork]] = {NETWORK: torch_network}
"""What runs a bundle on a torch device, by the bundle's kind."""
ALL_PREDICTORS = Extended("predictors", PREDICTORS)
"""With those that extensions add."""


def load_network(bundle: Bundle, device: str = "cpu", program: Path | None = None) -> NamedNetwork:
    """The network of a bundle, on torch or as a chip's program.

    Args:
        bundle: architecture and weights.
        device: a torch device, or the name of the chip that `program` is for.
        program: folder of the bundle's program for an emulated chip; None runs on torch.

    Raises:
        BundleError: nothing runs bundles of its kind, the weights do not fit, or the program is
            not the bundle's own.
    """
    if program is None:
        return _runner(bundle)(bundle, device)
    from striate.serve.predictors.chip import chip_network

    return chip_network(bundle, device, program)


def _runner(bundle: Bundle) -> Callable[[Bundle, str], NamedNetwork]:
    try:
        return ALL_PREDICTORS.find(bundle.spec.kind)
    except UnknownName as error:
        raise BundleError(
            f"The bundle {bundle.path.name} is of the kind {bundle.spec.kind}, which nothing runs.",
            error.remedy,
        ) from None


def load_tagging(
    bundle: Bundle, device: str, pixels: int = DEFAULT_PIXELS, program: Path | None = None
) -> TaggingPredictor:
    """The tagging predictor of a bundle.

    Args:
        bundle: a classification bundle.
        device: a torch device, or the name of the chip that `program` is for.
        pixels: largest decoded image.
        program: folder of the bundle's program for an emulated chip; None runs on torch.

    Raises:
        BundleError: the bundle is not for tagging, or the program is not its own.
    """
    network = only_network(bundle.spec, load_network(bundle, device, program))
    return TaggingPredictor(bundle.spec, network, pixels)
