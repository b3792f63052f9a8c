"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model("models:/NAME@champion")``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.bundle import Bundle, TensorSpec
from striate.core.errors import RequestError
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from, name_outputs

Prediction = np.ndarray | dict[str, np.ndarray]


class BundleModel:
    """A bundle's network behind MLflow's `predict`."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._network = build_from(bundle)

    @torch.no_grad()
    def predict(self, inputs: Any, params: dict[str, Any] | None = None) -> Prediction:
        """The network's output: of a classifier logits (N, classes) float32.

        Args:
            inputs: stored images, (N, channels, height, width) uint8, of a model whose bundle
                tells how they are prepared; of any other, of clips or of frames, what its
                pipeline gives: (N, …) in the type and shape of the bundle's input. Of a model of
                several inputs, a mapping by name. A mask may be left out: all places count.
            params: none are known.

        Returns:
            The one output, or a mapping by name where there are several.

        Raises:
            RequestError: other inputs, or of another shape, than the model takes.
        """
        outputs = name_outputs(self.bundle.spec, self._network(*self._prepared(inputs)))
        arrays = {name: _array(output) for name, output in outputs.items()}
        return arrays if len(arrays) > 1 else next(iter(arrays.values()))

    def _prepared(self, inputs: Any) -> list[Tensor]:
        """The network's inputs, in their order."""
        spec = self.bundle.spec
        given = dict(inputs) if isinstance(inputs, Mapping) else {next(iter(spec.data)): inputs}
        if given.keys() - spec.inputs.keys() or spec.data.keys() - given.keys():
            raise RequestError(
                f"The model takes {', '.join(spec.inputs)}, not {', '.join(map(str, given))}.",
                "Give a mapping from their names to arrays.",
            )
        for name in spec.prepared:
            stored = torch.as_tensor(np.asarray(given[name], dtype=np.uint8))
            given[name] = apply(spec.preprocessing, stored)
        sizes: dict[str, int] = {}
        tensors = {name: _tensor(name, of, given[name], sizes) for name, of in spec.data.items()}
        rows = len(next(iter(tensors.values())))
        for name, of in spec.masks.items():
            given.setdefault(name, np.ones((rows, *of.sizes(sizes))))
            tensors[name] = _tensor(name, of, given[name], sizes)
        return [tensors[name] for name in spec.inputs]


def _array(output: Tensor) -> np.ndarray:
    return np.asarray((output.float() if output.is_floating_point() else output).numpy())


def _tensor(name: str, spec: TensorSpec, value: Any, sizes: dict[str, int]) -> Tensor:
    """An input as the network takes it; `sizes` learns those of its named dimensions."""
    tensor = torch.as_tensor(np.asarray(value) if not isinstance(value, Tensor) else value)
    shape = tuple(tensor.shape[1:])
    if not spec.fits(shape):
        raise RequestError(
            f"The model takes {name} of the shape {spec.shape}, not {shape}.",
            "Give them as (N, …), N of them.",
        )
    for dimension, size in zip(spec.shape, shape, strict=True):
        if isinstance(dimension, str) and sizes.setdefault(dimension, size) != size:
            raise RequestError(f"{dimension} is {sizes[dimension]} and, in {name}, {size}.")
    return tensor.to(getattr(torch, spec.dtype))


def _load_pyfunc(path: str) -> BundleModel:
    """MLflow's entry point; `path` is the bundle's folder."""
    return BundleModel(Bundle.open(Path(path)))
