"""What pydantic found wrong, in the words of one sentence."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from striate.core.errors import RecipeError

Arguments = TypeVar("Arguments", bound=BaseModel)

_SHOWN = 60
_short = reprlib.Repr()
_short.maxstring = _short.maxlong = _short.maxother = _SHOWN


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


def check_arguments(kind: type[Arguments], arguments: Mapping[str, Any], whose: str) -> Arguments:
    """What a recipe gives to a part of it by name, checked before anything starts.

    Args:
        kind: what it can take.
        arguments: what is given.
        whose: for the message, for example ``pipeline sounds``.

    Raises:
        RecipeError: one is unknown, missing or wrong, or they contradict each other.
    """
    try:
        return kind.model_validate(dict(arguments))
    except ValidationError as error:
        invalid = first_invalid(error)
    if invalid.kind == "missing":
        said = f"The {whose} lacks {invalid.path}."
    elif invalid.path:
        given = f"{invalid.path} = {show_value(invalid.value)}"
        said = f"The {whose} cannot take {given}: {invalid.reason}."
    else:
        said = f"The {whose} cannot take its arguments: {invalid.reason}."
    raise RecipeError(said, f"It knows {', '.join(kind.model_fields)}.")


def show_value(value: Any) -> str:
    """A value as it was given, its middle left out where a sentence would not hold it.

    >>> show_value(0.5), len(show_value("9" * 5000)) < 80
    ('0.5', True)
    """
    try:
        return _short.repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return f"a number of {value.bit_length():,} bits"
