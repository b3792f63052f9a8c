"""Tasks by name: loss, counts and metrics for one kind of problem."""

from collections.abc import Callable

from striate.train.config import TaskConfig
from striate.train.tasks.base import Task
from striate.train.tasks.classification import Classification

TASKS: dict[str, Callable[[TaskConfig, int], Task]] = {
    "classification": Classification,
}
