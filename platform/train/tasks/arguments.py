"""A task's own arguments, ``task.arguments`` of a recipe, checked before anything starts."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from striate.core.errors import RecipeError
from striate.core.validation import first_invalid
from striate.train.config import TaskConfig

Arguments = TypeVar("Arguments", bound=BaseModel)


def check_task_arguments(kind: type[Arguments], config: TaskConfig) -> Arguments:
    """The arguments of a task.

    Raises:
        RecipeError: one is unknown or wrong.
    """
    try:
        return kind.model_validate(config.arguments)
    except ValidationError as error:
        invalid = first_invalid(error)
        given = f"{invalid.path} = {invalid.value!r}"
        raise RecipeError(
            f"The task {config.name} cannot take {given}: {invalid.reason}.",
            f"It knows {', '.join(kind.model_fields)}.",
        ) from None
