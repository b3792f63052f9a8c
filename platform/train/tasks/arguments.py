"""A task's own arguments, ``task.arguments`` of a recipe, checked before anything starts."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from striate.core.errors import RecipeError
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
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RecipeError(
            f"The task {config.name} cannot take {name} = {first['input']!r}: {first['msg']}.",
            f"It knows {', '.join(kind.model_fields)}.",
        ) from None
