"""Numbers that are none: one check of what a model is asked, and of what it answers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import BundleError, RequestError


def is_finite(value: object) -> bool:
    """Whether every number in a tensor, array, sequence, mapping or dataclass is finite."""
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    if is_dataclass(value):
        return all(is_finite(getattr(value, field.name)) for field in fields(value))
    return True


def require_finite_inputs(inputs: Mapping[str, Tensor]) -> None:
    """Accept what a caller sent.

    Raises:
        RequestError: an input, told by its name, holds NaN or infinity.
    """
    for name, tensor in inputs.items():
        if not is_finite(tensor):
            raise RequestError(
                f"{name} holds numbers that are not finite.", "Send no NaN and no infinity."
            )


def require_finite_outputs(outputs: Iterable[object]) -> None:
    """Accept what a model computed of numbers that are finite.

    Raises:
        BundleError: an output holds NaN or infinity.
    """
    if not all(map(is_finite, outputs)):
        raise BundleError("The model's numbers are not finite.", "Deploy another version.")
