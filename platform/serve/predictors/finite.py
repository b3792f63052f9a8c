"""Numbers that are none: one check of what a model is asked, and of what it answers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.errors import BundleError, RequestError

_NO_FLOATS = frozenset((str, bytes, bool, int, type(None)))


def is_finite(value: object) -> bool:
    """Whether every number in a tensor, array, sequence, mapping or dataclass is finite."""
    kind: Any = type(value)  # what answers are made of comes first: each call has its own checked
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    if kind in _NO_FLOATS:
        return True
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    if isinstance(value, Tensor):
        return not value.is_floating_point() or bool(torch.isfinite(value).all())
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if names := _field_names(kind):
        return all(is_finite(getattr(value, name)) for name in names)
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    return not isinstance(value, float) or math.isfinite(value)  # NumPy's own float, say


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    """Of a dataclass; of any other class none."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


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
