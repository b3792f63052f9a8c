"""Predictors: what a model does to a request, knowing neither Ray nor gRPC."""

from pathlib import Path

from striate.core.bundle import Bundle
from striate.serve.predictors.tagging import DEFAULT_PIXELS, TaggingPredictor


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
    if program is not None:
        from striate.serve.predictors.chip import load_chip_tagging

        return load_chip_tagging(bundle, device, program, pixels)
    predictor = TaggingPredictor.load(bundle, device)
    predictor.pixels = pixels
    return predictor
