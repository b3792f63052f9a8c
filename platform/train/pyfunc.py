"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model("models:/NAME@champion")``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.core.bundle import Bundle
from striate.data.transforms.preprocess import apply
from striate.models import build_from


class BundleModel:
    """A bundle's network behind MLflow's `predict`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._network = build_from(bundle)

    @torch.no_grad()
    def predict(self, images: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Logits (N, classes) float32 of stored images, (N, channels, height, width) uint8."""
        pixels = torch.as_tensor(np.asarray(images, dtype=np.uint8))
        logits = self._network(apply(self.bundle.spec.preprocessing, pixels))
        return np.asarray(logits.float().numpy())


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's entry point; `path` is the bundle's folder."""
    return BundleModel(Bundle.open(Path(path)))
