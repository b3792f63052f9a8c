"""Where a run's files lie: in one folder, which every restart and every worker sees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from striate.core.errors import CheckpointError
from striate.core.files import write_atomic
from striate.core.settings import Settings
from striate.core.tracking import RUNS_TOLD, ambiguous_run, unknown_run
from striate.train.run.spec import RunSpec

RUN_FILE = "run.json"
RECIPE_FILE = "recipe.json"


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Attributes:
        path: of the folder.
    """

    path: Path

    @property
    def metric_log(self) -> Path:
        """Metrics and notes of rank 0."""
        return self.path / "spool.jsonl"

    @property
    def system(self) -> Path:
        """System metrics, one metric log for each node that holds workers."""
        return self.path / "system"

    def metric_logs(self) -> list[Path]:
        """All files of metrics that there are now; a node that joins adds one."""
        return [self.metric_log, *sorted(self.system.glob("*.jsonl"))]

    @property
    def checkpoints(self) -> Path:
        """The run's checkpoints."""
        return self.path / "checkpoints"

    @property
    def bundle(self) -> Path:
        """The trained model."""
        return self.path / "bundle"

    @property
    def outcome(self) -> Path:
        """What the run came to; see `RunOutcome`."""
        return self.path / "outcome.json"

    @property
    def failure(self) -> Path:
        """Why a worker gave up, when restarting cannot help."""
        return self.path / "failure.json"

    @property
    def stop_request(self) -> Path:
        """Its presence asks the workers to end with a checkpoint."""
        return self.path / "stop"

    @property
    def stopped(self) -> Path:
        """After which step the workers ended because they were asked to."""
        return self.path / "stopped.json"

    @property
    def filters(self) -> Path:
        """First-layer weights as they learn, one file an evaluation."""
        return self.path / "filters"

    @property
    def not_finite(self) -> Path:
        """Samples of the steps whose loss or gradient was not finite, one file a step and rank."""
        return self.path / "nan"

    @property
    def workers(self) -> Path:
        """One file a rank, with the process id of the worker that holds it now."""
        return self.path / "workers"

    @property
    def recipe(self) -> Path:
        """The resolved recipe, which can be trained again as a file."""
        return self.path / RECIPE_FILE

    @property
    def holds_spec(self) -> bool:
        """Whether the run can be found by its id, to go on with it."""
        return (self.path / RUN_FILE).is_file()

    def write_spec(self, spec: RunSpec) -> None:
        """Write ``run.json`` and ``recipe.json``."""
        write_atomic(self.path / RUN_FILE, spec.model_dump_json(indent=2).encode())
        write_atomic(self.recipe, spec.recipe.model_dump_json(indent=2).encode())

    def read_spec(self) -> RunSpec:
        """What the run of this folder is.

        Raises:
            CheckpointError: another version of Striate wrote it, and this one cannot read it.
        """
        try:
            document = json.loads((self.path / RUN_FILE).read_bytes())
            document.pop("folder", None)  # before 0.1.0 the folder's own path stood in it
            return RunSpec.model_validate(document)
        except (ValueError, ValidationError) as error:
            raise CheckpointError(
                f"The run {self.path.name} was written by another version of Striate, which this"
                " one cannot read.",
                "Go on with it with that version, or train its recipe.json anew.",
            ) from error


@dataclass(frozen=True)
class Run:
    """A run and where its files lie.

    Attributes:
        spec: what the run is.
        folder: its files.
    """

    spec: RunSpec
    folder: RunFolder

    def with_spec(self, **changes: Any) -> "Run":
        """The same run in the same folder, with some of what it is changed."""
        return Run(self.spec.model_copy(update=changes), self.folder)

    @classmethod
    def load(cls, settings: Settings, run_id: str) -> "Run":
        """A run of this home, by its id or by the beginning of it when that is unique.

        Raises:
            UnknownName: this home holds no such run, or several that begin so.
            CheckpointError: another version of Striate wrote it, and this one cannot read it.
        """
        known = {path.parent.name: path for path in settings.runs_folder.glob(f"*/{RUN_FILE}")}
        found = [name for name in known if run_id and name.startswith(run_id)]
        if not found:
            raise unknown_run(run_id, _named(list(known.values())), " in this home")
        if len(found) > 1:
            raise ambiguous_run(run_id, _named([known[name] for name in found]))
        folder = RunFolder(known[found[0]].parent)
        return cls(folder.read_spec(), folder)


def _named(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Ids and names of the newest runs of these files."""
    newest = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    return [(file.parent.name, _name_of(file)) for file in newest[:RUNS_TOLD]]


def _name_of(file: Path) -> str:
    try:
        recipe = RunFolder(file.parent).read_spec().recipe
    except CheckpointError:
        return "of another version"
    return f"{recipe.name} seed {recipe.seed}"
