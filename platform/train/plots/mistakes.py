"""The worst mistakes of a run, as its task draws them."""

from striate.core.errors import StriateError
from striate.data.stream.reader import SplitReader
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tasks import build_task
from striate.train.tasks.base import ShowsMistakes
from striate.train.tasks.drawings import HeldOut, Picture


def draw_worst_mistakes(run: Run) -> Picture | None:
    """The worst answers of the last evaluation, the worst first.

    None where there is none, where the task draws none, or where the shards are not in reach.
    """
    task = build_task(run.spec.recipe.task, len(run.spec.labels))
    if not isinstance(task, ShowsMistakes) or not run.folder.outcome.is_file():
        return None
    mistakes = RunOutcome.model_validate_json(run.folder.outcome.read_bytes()).mistakes
    if not mistakes:
        return None
    try:
        reader = SplitReader(run.spec.shards, run.spec.recipe.data.test_split)
        return task.draw_mistakes(mistakes, HeldOut(run.spec.recipe.name, run.spec.labels, reader))
    except StriateError:
        return None
