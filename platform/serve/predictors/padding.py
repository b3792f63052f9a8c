"""Batches of samples that differ in size: rounded lengths, padding with zeros, and its mask."""

from collections.abc import Sequence

import torch
from torch import Tensor

STEPS = 4
"""Rounded lengths from one power of two to the next, evenly spaced; a power of two itself."""

MOST_PADDING = 1 / (STEPS + 1)
"""Padding to the longest of samples that are rounded to one length is a smaller share than this."""


def round_up(length: int) -> int:
    """The least rounded length that is no shorter; `length` is at least 1.

    >>> [round_up(length) for length in (1, 5, 17, 33, 100)]
    [1, 5, 20, 40, 112]
    """
    step = max(1, (1 << (length - 1).bit_length() >> 1) // STEPS)
    return -(-length // step) * step


def pad(samples: Sequence[Tensor]) -> Tensor:
    """Samples of one type and number of dimensions as one batch, with zeros at their ends.

    Returns:
        (N, …), every dimension as large as the largest sample's.
    """
    return join([sample[None] for sample in samples], _largest([s.shape for s in samples]))


def pad_mask(shapes: Sequence[Sequence[int]]) -> Tensor:
    """Where samples of these shapes have values in their padded batch: bool, (N, …)."""
    ones = [torch.ones((1, *shape), dtype=torch.bool) for shape in shapes]
    return join(ones, _largest(shapes))


def join(parts: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Rows of several requests as one batch of samples of a shape.

    Args:
        parts: (N, …) each, of one type; no sample is larger than `shape` in any dimension.
        shape: of a sample of the batch; smaller ones have zeros at their ends.
    """
    if all(part.shape[1:] == tuple(shape) for part in parts):
        return cat(parts)
    batch = parts[0].new_zeros((sum(map(len, parts)), *shape))
    first = 0
    for part in parts:
        rows = batch[first : first + len(part)]
        cut(rows, part.shape[1:]).copy_(part)
        first += len(part)
    return batch


def cat(parts: Sequence[Tensor]) -> Tensor:
    """Rows of samples of one shape as one batch; a single part is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def cut(rows: Tensor, shape: Sequence[int]) -> Tensor:
    """The beginning of every sample: what is left is of `shape`, a view of `rows`."""
    if rows.shape[1:] == tuple(shape):
        return rows
    return rows[(slice(None), *(slice(size) for size in shape))]


def _largest(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))
