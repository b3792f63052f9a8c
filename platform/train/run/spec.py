"""What every worker of a run is given, and the files of a run's folder."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from striate.core.errors import UnknownName
from striate.core.files import write_atomic
from striate.core.settings import Settings
from striate.train.config import Location, Recipe
from striate.train.run.mistake import Mistake

RUN_FILE = "run.json"
RECIPE_FILE = "recipe.json"


class Assignment(BaseModel):
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
        folder: the run's folder, which every restart sees.
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
    folder: Path
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
    def spool(self) -> Path:
        """Metrics and notes of rank 0."""
        return self.folder / "spool.jsonl"

    @property
    def system(self) -> Path:
        """System metrics, one spool for each node that holds workers."""
        return self.folder / "system"

    def spools(self) -> list[Path]:
        """All files of metrics that there are now; a node that joins adds one."""
        return [self.spool, *sorted(self.system.glob("*.jsonl"))]

    @property
    def checkpoints(self) -> Path:
        """The run's checkpoints."""
        return self.folder / "checkpoints"

    @property
    def bundle(self) -> Path:
        """The trained model."""
        return self.folder / "bundle"

    @property
    def outcome(self) -> Path:
        """What the run came to; see `RunOutcome`."""
        return self.folder / "outcome.json"

    @property
    def failure(self) -> Path:
        """Why a worker gave up, when restarting cannot help."""
        return self.folder / "failure.json"

    @property
    def stop_request(self) -> Path:
        """Its presence asks the workers to end with a checkpoint."""
        return self.folder / "stop"

    @property
    def stopped(self) -> Path:
        """After which step the workers ended because they were asked to."""
        return self.folder / "stopped.json"

    @property
    def filters(self) -> Path:
        """First-layer weights as they learn, one file an evaluation."""
        return self.folder / "filters"

    @property
    def not_finite(self) -> Path:
        """Samples of the steps whose loss or gradient was not finite, one file a step and rank."""
        return self.folder / "nan"

    @property
    def workers(self) -> Path:
        """One file a rank, with the process id of the worker that holds it now."""
        return self.folder / "workers"

    @property
    def run_url(self) -> str:
        """The run's page in MLflow."""
        base = self.tracking_uri.rstrip("/")
        return f"{base}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def write(self) -> None:
        """Write ``run.json`` and ``recipe.json``."""
        write_atomic(self.folder / RUN_FILE, self.model_dump_json(indent=2).encode())
        write_atomic(self.folder / RECIPE_FILE, self.recipe.model_dump_json(indent=2).encode())

    @classmethod
    def load(cls, settings: Settings, run_id: str) -> "Assignment":
        """A run of this home, by its id or by the beginning of it when that is unique.

        Raises:
            UnknownName: this home holds no such run, or several that begin so.
        """
        known = {path.parent.name: path for path in settings.runs_folder.glob(f"*/{RUN_FILE}")}
        found = [name for name in known if run_id and name.startswith(run_id)]
        if len(found) != 1:
            raise UnknownName.of("run in this home", run_id, known)
        return cls.model_validate_json(known[found[0]].read_bytes())


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
