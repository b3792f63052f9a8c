"""Arithmetic of the precision that is written, whatever surrounds it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Nothing is cast within, under a caller's `torch.autocast` neither; a decorator as well."""
    with torch.autocast("cpu", enabled=False):
        yield
