"""Tasks by name: loss, counts and metrics for one kind of problem."""

from collections.abc import Callable

from striate.core.extensions import Extended
from striate.train.config import TaskConfig
from striate.train.tasks.answers import Answers
from striate.train.tasks.base import Task, TellsLabels
from striate.train.tasks.classification import Classification
from striate.train.tasks.clips import Clips
from striate.train.tasks.dense_labels import DenseLabels
from striate.train.tasks.face_pose import FacePoses
from striate.train.tasks.frames import FrameStates
from striate.train.tasks.knowledge import Knowledge
from striate.train.tasks.memories import Memories
from striate.train.tasks.pairs import Pairs
from striate.train.tasks.sentences import Sentences
from striate.train.tasks.translation import Translations
from striate.train.tasks.word_vectors import WordVectors

TASKS: dict[str, Callable[[TaskConfig, int], Task]] = {
    "answers": Answers,
    "classification": Classification,
    "clips": Clips,
    "dense_labels": DenseLabels,
    "embeddings": WordVectors,
    "face_pose": FacePoses,
    "frames": FrameStates,
    "knowledge": Knowledge,
    "memories": Memories,
    "pairs": Pairs,
    "translation": Translations,
    "sentences": Sentences,
}
ALL_TASKS = Extended("tasks", TASKS, returning=Task)
"""With those that extensions add."""


def task_of(config: TaskConfig, labels: tuple[str, ...]) -> Task:
    """The task that a recipe names, on a corpus with these labels.

    Raises:
        UnknownName, ExtensionError, RecipeError: as `build_task`.
    """
    task = build_task(config, len(labels))
    return task.with_labels(labels) if isinstance(task, TellsLabels) else task


def build_task(config: TaskConfig, classes: int) -> Task:
    """The task that a recipe names.

    Args:
        config: the recipe's task.
        classes: labels of the corpus; any number where only what a task says of itself is asked.

    Raises:
        UnknownName: there is none of that name.
        ExtensionError: the extension that adds it cannot be used.
        RecipeError: an argument is wrong.
    """
    return ALL_TASKS.find(config.name)(config, classes)
