"""A run is stored apart from where its files lie, and a run of another version says so."""

import json
import os
from pathlib import Path

import pytest

from striate.core.errors import CheckpointError, UnknownName
from striate.core.settings import Settings
from striate.train.recipes.resolve import resolve
from striate.train.run.folder import RUN_FILE, Run, RunFolder
from striate.train.run.spec import RunSpec

pytestmark = pytest.mark.unit


@pytest.fixture
def run(tmp_path: Path) -> Run:
    spec = RunSpec(
        run_id="4c64",
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=resolve("lenet5-digits"),
        shards=str(tmp_path / "shards"),
        manifest_sha256="",
        labels=("0", "1"),
        train_rows=100,
        created_unix_s=0.0,
    )
    run = Run(spec, RunFolder(Settings(home=tmp_path).runs_folder / spec.run_id))
    run.folder.write_spec(spec)
    return run


def _edit(run: Run, **changes: object) -> None:
    file = run.folder.path / RUN_FILE
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **changes}))


def test_a_run_is_read_back_and_found_by_the_beginning_of_its_id(run: Run, tmp_path: Path) -> None:
    assert Run.load(Settings(home=tmp_path), "4c") == run
    with pytest.raises(UnknownName, match="4d"):
        Run.load(Settings(home=tmp_path), "4d")


def test_an_unknown_run_is_told_with_the_latest_three_of_the_home(run: Run, tmp_path: Path) -> None:
    folders = Settings(home=tmp_path).runs_folder
    for at, run_id in enumerate(("5a11", "5a12", "4c65"), start=1):
        folder = RunFolder(folders / run_id)
        folder.write_spec(run.spec.model_copy(update={"run_id": run_id}))
        os.utime(folder.path / RUN_FILE, (at, at))
    os.utime(run.folder.path / RUN_FILE, (0, 0))
    _edit(Run(run.spec, RunFolder(folders / "4c65")), shape_of_things=1)
    os.utime(folders / "4c65" / RUN_FILE, (3, 3))
    with pytest.raises(UnknownName) as caught:
        Run.load(Settings(home=tmp_path), "9")
    assert caught.value.message == "There is no run '9' in this home."
    assert caught.value.remedy == (
        "The latest are 4c65 (of another version), 5a12 (lenet5-digits seed 0),"
        " 5a11 (lenet5-digits seed 0)."
    )
    with pytest.raises(UnknownName, match="Several runs begin with '5a'"):
        Run.load(Settings(home=tmp_path), "5a")


def test_a_home_may_be_moved(run: Run, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    run.folder.path.parent.rename(tmp_path / "moved" / run.folder.path.parent.name)
    moved = Run.load(Settings(home=tmp_path / "moved"), "4c64")
    assert moved.spec == run.spec
    assert moved.folder.metric_log.is_relative_to(tmp_path / "moved")


def test_a_run_that_holds_its_folders_path_is_read(run: Run, tmp_path: Path) -> None:
    """As it was stored before a run and its folder were two things."""
    _edit(run, folder=str(run.folder.path))
    assert Run.load(Settings(home=tmp_path), "4c64") == run


@pytest.mark.parametrize("changes", [{"shape_of_things": 1}, {"recipe": {"name": "x"}}])
def test_a_run_of_another_version_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, changes: dict[str, object]
) -> None:
    _edit(run, **changes)
    with pytest.raises(CheckpointError, match="run 4c64 was written by another version") as caught:
        Run.load(Settings(home=tmp_path), "4c64")
    assert "recipe.json" in caught.value.remedy
