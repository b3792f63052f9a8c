"""What `striate runs show` tells of a run, beside what was published."""

from collections.abc import Iterator

import pytest

from striate.cli.output import console
from striate.cli.runs_show import print_run, startup_of
from striate.train.tracking.runs import RunSummary

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _wide() -> Iterator[None]:
    """Rows on one line each, whatever the terminal."""
    console.width = 160
    yield
    console._width = None


RUN = RunSummary(
    run_id="ab" * 16,
    recipe="c3d-sports1m",
    status="FINISHED",
    started_unix_s=0.0,
    seconds=60.0,
    headline="video_hit1",
    metrics={
        "test/video_hit1": 0.5125,
        "train/restarts": 3.0,
        "train/repeated_steps": 17.0,
        "startup/imports_s": 4.0,
        "startup/first_step_s": 1.5,
        "startup/total_s": 5.5,
    },
    parameters={"name": "c3d-sports1m", "seed": "0"},
    tags={"unit": "clips", "git": "c0ffee"},
    parent=None,
    url="http://host/run",
)


def test_published_figures_stand_beside_the_runs_own() -> None:
    with console.capture() as captured:
        print_run(RUN)
    said = captured.get()
    (line, *_) = (line for line in said.splitlines() if "video hit@1" in line and "0.6" in line)
    assert "0.5125" in line
    assert "read" in said and "Tran et al." in said
    assert "restarts" in said and "17" in said and "c0ffee" in said


def test_a_recipe_of_which_nothing_was_published_has_no_such_table() -> None:
    with console.capture() as captured:
        print_run(RUN.model_copy(update={"recipe": "lenet5-digits"}))
    assert "published" not in captured.get()


def test_the_parts_of_the_start_add_up() -> None:
    assert startup_of(RUN) == {"imports": 4.0, "first step": 1.5}
