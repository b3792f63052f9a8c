"""The worst mistakes of a run, as its task draws them."""

from striate.core.errors import StriateError
from striate.data.stream.reader import SplitReader
from striate.train.run.spec import Assignment, RunOutcome
from striate.train.tasks import TASKS
from striate.train.tasks.base import ShowsMistakes
from striate.train.tasks.drawings import HeldOut, Picture


def worst_mistakes(run: Assignment) -> Picture | None:
    """The worst answers of the last evaluation, the worst first.

    None where there is none, where the task draws none, or where the shards are not in reach.
    """
    task = TASKS[run.recipe.task.name](run.recipe.task, len(run.labels))
    if not isinstance(task, ShowsMistakes) or not run.outcome.is_file():
        return None
    mistakes = RunOutcome.model_validate_json(run.outcome.read_bytes()).mistakes
    if not mistakes:
        return None
    try:
        reader = SplitReader(run.shards, run.recipe.data.test_split)
        return task.draw_mistakes(mistakes, HeldOut(run.recipe.name, run.labels, reader))
    except StriateError:
        return None
