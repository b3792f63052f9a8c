"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model("models:/NAME@champion")``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import RequestError
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from


class BundleModel:
    """A bundle's network behind MLflow's `predict`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._network = build_from(bundle)

    @torch.no_grad()
    def predict(self, inputs: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Logits (N, classes) float32.

        Args:
            inputs: stored images, (N, channels, height, width) uint8, of a model whose bundle
                tells how they are prepared; of any other, of clips or of frames, what its
                pipeline gives: (N, …) float32 in the shape of the bundle's input.
            params: none are known.

        Raises:
            RequestError: inputs of another shape than the model takes.
        """
        steps = self.bundle.spec.preprocessing
        if steps:
            prepared = apply(steps, torch.as_tensor(np.asarray(inputs, dtype=np.uint8)))
        else:
            prepared = torch.as_tensor(np.asarray(inputs, dtype=np.float32))
        self._check(prepared)
        return np.asarray(self._network(prepared).float().numpy())

    def _check(self, prepared: Tensor) -> None:
        wanted = tuple(self.bundle.spec.input.shape)
        if tuple(prepared.shape[1:]) != wanted:
            raise RequestError(
                f"The model takes inputs of the shape {wanted}, not {tuple(prepared.shape[1:])}.",
                "Give them as (N, …), N of them.",
            )


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's entry point; `path` is the bundle's folder."""
    return BundleModel(Bundle.open(Path(path)))
