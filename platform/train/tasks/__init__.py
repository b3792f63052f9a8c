"""Tasks by name: loss, counts and metrics for one kind of problem."""

from collections.abc import Callable

from striate.core.extensions import extended
from striate.train.config import TaskConfig
from striate.train.tasks.base import Task
from striate.train.tasks.classification import Classification
from striate.train.tasks.clips import Clips
from striate.train.tasks.dense_labels import DenseLabels
from striate.train.tasks.frames import FrameStates
from striate.train.tasks.pairs import Pairs

TASKS: dict[str, Callable[[TaskConfig, int], Task]] = {
    "classification": Classification,
    "clips": Clips,
    "dense_labels": DenseLabels,
    "frames": FrameStates,
    "pairs": Pairs,
}
ALL_TASKS = extended("tasks", TASKS, returning=Task)
"""With those that extensions add."""
