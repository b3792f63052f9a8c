"""A function's arguments, held against the bounds that its annotations give.

``def net(classes: Annotated[int, Field(ge=1, le=1000)])`` says which numbers `net` takes;
`striate.core.numbers` has the common kinds. Whatever has no bounds is left to the function.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from striate.core.errors import UsageError
from striate.core.validation import first_invalid, show_value


def check_bounds(function: Callable[..., object], given: Mapping[str, Any], of: str) -> None:
    """Refuse an argument that lies outside the bounds of its annotation.

    Args:
        function: a function, or a class whose constructor takes the arguments.
        given: the arguments by name; those without bounds are not looked at.
        of: what takes them, in the words of a message: ``The model vgg16``.

    Raises:
        UsageError: one lies outside; the message names it.
    """
    kinds = bounded_arguments(function)
    for name, value in given.items():
        if name not in kinds:
            continue
        try:
            kinds[name].validate_python(value, strict=True)
        except ValidationError as error:
            reason = first_invalid(error).reason
            raise UsageError(
                f"{of} cannot be built with {name} = {show_value(value)}:"
                f" {reason[0].lower()}{reason[1:]}."
            ) from None


def bounded_arguments(function: Callable[..., object]) -> dict[str, TypeAdapter[Any]]:
    """The arguments whose annotations give bounds that pydantic reads, each with what checks it."""
    found = {}
    for name, kind in _hints(function).items():
        if _is_bounded(kind):
            try:
                found[name] = TypeAdapter(kind)
            except PydanticUserError:  # annotated for somebody else
                continue
    return found


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    function = inspect.unwrap(function)
    if inspect.isclass(function):
        function = function.__init__
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError):  # it names what only a type checker imports
        return {}


def _is_bounded(kind: Any) -> bool:
    return get_origin(kind) is Annotated or any(map(_is_bounded, get_args(kind)))
