"""What pydantic found wrong, in the words of one sentence."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class InvalidField:
    """The first field that a validation refused.

    Attributes:
        path: the field, dotted (``model.arguments.0``); empty when the whole is refused.
        reason: why, without a full stop.
        value: what was given.
        kind: pydantic's name of the fault, for example ``missing`` or ``extra_forbidden``.
        expected: what would have been valid, where pydantic tells; may be empty.
    """

    path: str
    reason: str
    value: Any
    kind: str
    expected: str = ""


def first_invalid(error: ValidationError) -> InvalidField:
    """The first fault of a validation; a user mends one at a time."""
    first = error.errors(include_url=False)[0]
    return InvalidField(
        path=".".join(map(str, first["loc"])),
        reason=first["msg"].removeprefix("Value error, "),
        value=first["input"],
        kind=first["type"],
        expected=str(first.get("ctx", {}).get("expected", "")),
    )


def describe_invalid(error: ValidationError, whole: str = "content") -> str:
    """The first fault as ``FIELD: reason``, to be put into a sentence.

    Args:
        error: what pydantic raised.
        whole: stands for the field when no single one is at fault; empty for the reason alone.
    """
    invalid = first_invalid(error)
    place = invalid.path or whole
    return f"{place}: {invalid.reason}" if place else invalid.reason
