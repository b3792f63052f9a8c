"""Requests of one batch that are answered each for itself, and fail each for itself."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def answer_each(
    requests: Sequence[Request], answer: Callable[[Request], Answer]
) -> list[Answer | Exception]:
    """In the order of `requests`, the answer of each, or the exception that it ended with."""
    found: list[Answer | Exception] = []
    for request in requests:
        try:
            found.append(answer(request))
        except Exception as error:  # told apart by the status table
            found.append(error)
    return found
