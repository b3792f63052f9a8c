"""A failure in a shared batch, kept to the requests that cause it."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from striate.core.errors import StriateError

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")


def isolate(
    compute: Callable[[Sequence[Item]], Sequence[Result | Exception]], items: Sequence[Item]
) -> list[Result | Exception]:
    """The results of a batch; where computing it raises, its halves are computed instead.

    One bad item of n costs about 2 · log2(n) further batches, together twice the items; where
    nothing can be computed, there are 2 n - 1 of them. An error that no caller can cause is logged
    once a batch: the halves may well succeed (a batch too large for the memory), and then nobody
    would learn why the server is slow.

    Args:
        compute: answers a batch in its order, as often as it is asked; an answer that is an
            exception stands for its item alone.
        items: the batch.

    Returns:
        In the order of `items`, the result of each, or the exception that it causes by itself.
    """
    try:
        return list(compute(items))
    except Exception as error:
        if len(items) > 1 and not isinstance(error, StriateError):
            logger.warning(
                "A batch of %d failed; its halves are computed instead.", len(items), exc_info=error
            )
        return _halves(compute, items, error)


def _halves(
    compute: Callable[[Sequence[Item]], Sequence[Result | Exception]],
    items: Sequence[Item],
    failed: Exception,
) -> list[Result | Exception]:
    """The results of a batch that failed, without a word."""
    if len(items) <= 1:
        return [failed] * len(items)
    half = len(items) // 2
    found: list[Result | Exception] = []
    for part in (items[:half], items[half:]):
        try:
            found += list(compute(part))
        except Exception as error:
            found += _halves(compute, part, error)
    return found
