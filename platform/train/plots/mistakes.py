"""The worst mistakes of a run, as its task draws them."""

from striate.core.errors import StriateError
from striate.data.pipelines.base import NeedsShards, Pipeline
from striate.data.pipelines.registry import pipeline_of
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
        return task.draw_mistakes(mistakes, _held_out(run))
    except StriateError:
        return None


def _held_out(run: Run) -> HeldOut:
    recipe, data = run.spec.recipe, run.spec.recipe.data
    reader = SplitReader(run.spec.shards, data.test_split)
    pipeline: Pipeline | None = None
    if data.test_pipeline is not None:
        pipeline = pipeline_of(data.test_pipeline, data.test_pipeline_arguments, training=False)
    elif data.pipeline is not None:
        pipeline = pipeline_of(data.pipeline, data.pipeline_arguments, training=False)
    if isinstance(pipeline, NeedsShards):
        pipeline = pipeline.bind(reader.folder)
    return HeldOut(recipe.name, run.spec.labels, reader, pipeline)
