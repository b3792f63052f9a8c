"""Whether what `quantize` is given can be meant: each fault one sentence, before anything runs."""

import warnings

import torch
from torch import Tensor

from striate.accelerators.chips.spec import ChipSpec
from striate.accelerators.ir.layers import FloatLayer
from striate.core.errors import UnknownName, UsageError

CHOICES = ("error", "host")
_SAMPLE = 1_000_000  # values of the calibration that are looked at for outliers


def check_choices(
    layers: list[FloatLayer], host_layers: int, on_unsupported: str, qat_epochs: int, seed: int
) -> None:
    """Accept how many layers run where, and how long they are trained.

    Raises:
        UnknownName: `on_unsupported` is none of `CHOICES`.
        UsageError: a number is out of range.
    """
    if on_unsupported not in CHOICES:
        raise UnknownName.of("choice for on_unsupported", on_unsupported, CHOICES)
    for name, value, most in (
        ("host_layers", host_layers, len(layers)),
        ("qat_epochs", qat_epochs, 100_000),
        ("seed", seed, 2**63 - 1),
    ):
        if not isinstance(value, int) or not 0 <= value <= most:
            raise UsageError(f"{name} is {value!r}.", f"Give a whole number from 0 to {most:,}.")


def check_calibration(images: object, shape: tuple[int, ...], spec: ChipSpec) -> None:
    """Accept calibration images (N, maps, height, width), and warn of outliers among them.

    Raises:
        UsageError: no tensor of floats of that shape, no image, or values that are not finite.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise UsageError(
            f"The calibration images are of type {kind}.",
            "Give a torch.Tensor of normalised images, float32.",
        )
    if images.shape[1:] != shape or len(shape) != 3 or not len(images):
        raise UsageError(
            f"The calibration images have the shape {tuple(images.shape)}.",
            f"Give at least one image of {'×'.join(map(str, shape))}, as (N, maps, height, width).",
        )
    if not bool(images.isfinite().all()):
        raise UsageError("The calibration images hold NaN or infinity.", "Leave those images out.")
    _warn_of_outliers(images, spec)


def check_labels(labels: object, images: Tensor, classes: int) -> None:
    """Accept the classes of the calibration images, (N,) of whole numbers.

    Raises:
        UsageError: another type or length, or a class that the network does not have.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        kind = str(labels.dtype) if isinstance(labels, Tensor) else type(labels).__name__
        raise UsageError(f"The labels are of type {kind}.", "Give a torch.Tensor of int64.")
    if labels.shape != images.shape[:1]:
        raise UsageError(
            f"The labels have the shape {tuple(labels.shape)}.",
            f"Give one for each of the {len(images):,} calibration images.",
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise UsageError(
            f"The labels go from {low} to {high}.",
            f"The network has the classes 0 to {classes - 1}.",
        )


def _warn_of_outliers(images: Tensor, spec: ChipSpec) -> None:
    """A few extreme values set the scale of all codes; say so where the rest share one code."""
    low, high = float(images.min()), float(images.max())
    step = (high - low) / (spec.state.high - spec.state.low)
    values = images.flatten()[:: max(1, images.numel() // _SAMPLE)].sort().values
    outer = max(1, len(values) // 1000)
    rest = values[outer:-outer]
    spread = float(rest[-1] - rest[0]) if len(rest) else 0.0
    if 0 < spread < step:
        warnings.warn(
            f"Calibration values from {low:g} to {high:g} leave one {spec.state.bits}-bit state for"
            f" 99.8 % of them, which lie within {spread:g}; leave the outliers out.",
            stacklevel=3,
        )
