"""Predictors: what a model does to a request, knowing neither Ray nor gRPC."""

from striate.core.bundle import Bundle
from striate.serve.predictors.tagging import DEFAULT_PIXELS, TaggingPredictor


def load_tagging(bundle: Bundle, device: str, pixels: int = DEFAULT_PIXELS) -> TaggingPredictor:
    """The tagging predictor of a bundle on a torch device or an emulated chip.

    Raises:
        BundleError: the bundle is not for tagging.
        UnsupportedLayer: the chip cannot run the model.
    """
    predictor = TaggingPredictor.load(bundle, device)
    predictor.pixels = pixels
    return predictor
