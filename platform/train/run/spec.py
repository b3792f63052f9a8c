"""What a run is, and what it came to: all that does not depend on where its files lie."""

from pydantic import BaseModel, ConfigDict

from striate.core.tracking import run_page
from striate.train.config import Location, Recipe
from striate.train.run.mistake import Mistake


class RunSpec(BaseModel):
    """One run, as its workers and its driver see it.

    Attributes:
        run_id: the MLflow run.
        tracking_uri: of the server that holds the run.
        experiment_id: of the run.
        recipe: resolved.
        shards: folder or URI that every worker can read.
        manifest_sha256: hash of the shards' manifest when the run began.
        labels: class names.
        train_rows: samples of an epoch: rows, or units where rows are divided.
        created_unix_s: when the run began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    tracking_uri: str
    experiment_id: str
    recipe: Recipe
    shards: Location
    manifest_sha256: str
    labels: tuple[str, ...]
    train_rows: int
    created_unix_s: float

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return max(1, round(self.recipe.epochs * self.train_rows / self.recipe.batch_size))

    @property
    def steps_per_epoch(self) -> float:
        """Optimiser steps of one pass over the training split."""
        return self.train_rows / self.recipe.batch_size

    def evaluates_at(self, step: int) -> bool:
        """Whether an evaluation is due after `step` steps: every so many epochs, and at the end."""
        every = self.train_rows * self.recipe.evaluate_every_epochs
        batch = self.recipe.batch_size
        return step == self.total_steps or step * batch // every > (step - 1) * batch // every

    @property
    def run_url(self) -> str:
        """The run's page in MLflow."""
        return run_page(self.tracking_uri, self.experiment_id, self.run_id)


class RunOutcome(BaseModel):
    """What a finished run came to.

    Attributes:
        metrics: over the whole evaluation split.
        confusion: counts; row: true label, column: most likely one.
        mistakes: the most confident wrong answers, the worst first.
        steps: optimiser steps of the whole run.
        seconds: of training, evaluation and checkpoints in the last start of the workers.
        restarts: starts of the workers after the first.
        repeated_steps: steps that restarts did again because the checkpoint was older.
        checkpoint_blocked_share: share of the last start's time in which training waited for
            checkpoints.
        startup: seconds from the command to the first step, by part, of the last call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...] = ()
    steps: int
    seconds: float
    restarts: int = 0
    repeated_steps: int = 0
    checkpoint_blocked_share: float = 0.0
    startup: dict[str, float] = {}
