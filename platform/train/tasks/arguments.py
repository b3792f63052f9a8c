"""A task's own arguments, ``task.arguments`` of a recipe, checked before anything starts."""

from striate.core.validation import Arguments, check_arguments
from striate.train.config import TaskConfig


def check_task_arguments(kind: type[Arguments], config: TaskConfig) -> Arguments:
    """The arguments of a task.

    Raises:
        RecipeError: one is unknown or wrong.
    """
    return check_arguments(kind, config.arguments, f"task {config.name}")
