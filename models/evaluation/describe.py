"""A face's descriptor: what is compared between two faces."""

import torch
from torch import Tensor

from striate.models.deepface import DeepFace, WeightedUnits


@torch.no_grad()
def describe(model: DeepFace, images: Tensor) -> Tensor:
    """Descriptors of faces that are cut out and turned to the front.

    Args:
        model: in evaluation mode.
        images: (N, maps, field, field), as the bundle's preprocessing makes them.

    Returns:
        (N, units) float32: F7's units, or the weighted ones of a siamese network.
    """
    units = model.forward_features(images)
    if isinstance(model.f8, WeightedUnits):
        units = model.forward_head(units)
    return units.float()
