"""A run that is running has its driver, and no second one; one whose driver went says so."""

from pathlib import Path

import pytest

from striate.core.errors import UsageError
from striate.core.settings import Settings
from striate.train.launch import run as job
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import Run, RunFolder
from striate.train.run.lease import LeaseHolder, hold_lease
from striate.train.run.spec import RunSpec
from striate.train.tracking.runs import RunSummary, with_lease

pytestmark = pytest.mark.unit

RUN_ID = "4c645a1f43f34764a5a1f28e4af3fae5"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, tracking_uri="http://127.0.0.1:1")


@pytest.fixture
def run(settings: Settings) -> Run:
    spec = RunSpec(
        run_id=RUN_ID,
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=resolve("lenet5-digits"),
        shards=str(settings.home / "shards"),
        manifest_sha256="",
        labels=("0", "1"),
        train_rows=100,
        created_unix_s=0.0,
    )
    run = Run(spec, RunFolder(settings.runs_folder / RUN_ID))
    run.folder.write_spec(spec)
    return run


def test_a_running_run_is_not_resumed(settings: Settings, run: Run) -> None:
    run.folder.outcome.write_text("the driver's own")
    with hold_lease(run.folder.path, RUN_ID):
        before = {path.name: path.read_bytes() for path in run.folder.path.iterdir()}
        with pytest.raises(UsageError, match=f"The run {RUN_ID} is running: process"):
            job.run(run.spec.recipe, settings, resume=RUN_ID[:8])
        after = {path.name: path.read_bytes() for path in run.folder.path.iterdir()}
    assert after == before, "nothing of the running run is touched"


def summary(status: str) -> RunSummary:
    return RunSummary(
        run_id=RUN_ID,
        recipe="lenet5-digits",
        status=status,
        started_unix_s=0.0,
        seconds=None,
        headline="top1",
        metrics={},
        parameters={},
        tags={},
        parent=None,
        url="",
    )


@pytest.mark.parametrize(
    ("driver", "tracked", "status"),
    [
        ("killed", "RUNNING", "INTERRUPTED"),
        ("killed", "FINISHED", "FINISHED"),
        ("ended", "RUNNING", "INTERRUPTED"),  # MLflow could not be told: `runs sync` does that
        ("refused", "RUNNING", "INTERRUPTED"),  # it held the lease of a killed one, in vain
        ("here", "RUNNING", "RUNNING"),
        ("unknown", "RUNNING", "RUNNING"),
    ],
)
def test_a_run_whose_driver_was_killed_is_interrupted(
    settings: Settings, run: Run, driver: str, tracked: str, status: str
) -> None:
    folder = run.folder.path
    if driver in {"killed", "refused"}:
        gone = LeaseHolder.here().model_copy(update={"started_ticks": 1})
        (folder / "lease-1.json").write_text(gone.model_dump_json())
    if driver in {"ended", "refused"}:
        with hold_lease(folder, RUN_ID):
            pass
    if driver == "here":
        with hold_lease(folder, RUN_ID):
            assert with_lease(summary(tracked), settings.runs_folder).status == status
    else:
        assert with_lease(summary(tracked), settings.runs_folder).status == status
    assert with_lease(summary(tracked), None).status == tracked
