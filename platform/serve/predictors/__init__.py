"""Predictors: what a model does to a request, knowing neither Ray nor gRPC."""

from pathlib import Path

from striate.core.bundle import Bundle
from striate.serve.predictors.image_reader import DEFAULT_PIXELS
from striate.serve.predictors.network import NamedNetwork, only_network, torch_network
from striate.serve.predictors.tagging import TaggingPredictor


def load_network(bundle: Bundle, device: str = "cpu", program: Path | None = None) -> NamedNetwork:
    """The network of a bundle, on torch or as a chip's program.

    Args:
        bundle: architecture and weights.
        device: a torch device, or the name of the chip that `program` is for.
        program: folder of the bundle's program for an emulated chip; None runs on torch.

    Raises:
        BundleError: the weights do not fit, or the program is not the bundle's own.
    """
    if program is None:
        return torch_network(bundle, device)
    from striate.serve.predictors.chip import chip_network

    return chip_network(bundle, device, program)


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
