"""The grid of a sweep: pure, and checked before anything starts."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import PlatformError, RecipeError, UsageError
from striate.core.settings import Settings
from striate.core.tracking import connect
from striate.train.config import Recipe
from striate.train.recipes.resolve import resolve
from striate.train.run.lease import is_interrupted
from striate.train.sweep import sweep as module
from striate.train.sweep.grid import TrialResult, concurrent_trials, draw, grid, rank_trials, split
from striate.train.sweep.sweep import sweep
from striate.train.tracking import mlflow_run

pytestmark = pytest.mark.unit

values = st.recursive(
    st.integers() | st.booleans() | st.text("ab,[]{}x", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=5,
)


@given(st.lists(values, min_size=1, max_size=5))
def test_a_list_of_any_json_values_is_cut_at_its_own_commas(listed: list[object]) -> None:
    texts = [json.dumps(value) for value in listed]
    assert split(",".join(texts)) == texts


def test_the_grid_is_every_combination_once() -> None:
    recipe = resolve("lenet5-digits", [])
    trials = grid(recipe, ["optimizer.lr=0.01,0.1", "seed=0,1,2"])
    assert [trial.number for trial in trials] == [1, 2, 3, 4, 5, 6]
    assert trials[0].name == "lr=0.01 seed=0"
    points = {(trial.recipe.optimizer.lr, trial.recipe.seed) for trial in trials}
    assert points == {(lr, seed) for lr in (0.01, 0.1) for seed in (0, 1, 2)}
    assert {trial.recipe.registered_name for trial in trials} == {None}
    assert recipe.registered_name is not None


@pytest.mark.parametrize(
    ("sweeps", "says"),
    [
        (["optimizer.lr"], "no values"),
        (["optimizer.lr="], "no values"),
        (["optimizer.lr=0.1,,0.2"], "no values"),
        (["seed=1,1"], "a value twice"),
        (["seed=1", "seed=2"], "names seed twice"),
        (["seed=" + ",".join(map(str, range(600)))], "600 trials"),
    ],
)
def test_a_grid_that_cannot_be_meant_is_refused(sweeps: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        grid(resolve("lenet5-digits", []), sweeps)


def test_a_wrong_value_anywhere_in_the_grid_is_found_before_anything_starts() -> None:
    recipe = resolve("lenet5-digits", [])
    with pytest.raises(RecipeError, match=r"optimizer\.lr = -1"):
        grid(recipe, ["optimizer.lr=0.1,-1"])
    with pytest.raises(RecipeError, match=r"optimizer\.lrr"):
        grid(recipe, ["optimizer.lrr=0.1"])


def _result(number: int, score: float | None) -> TrialResult:
    error = "" if score is not None else "It failed."
    return TrialResult(number=number, values={"seed": number}, score=score, error=error)


def test_trials_are_ordered_best_first_and_failed_ones_last() -> None:
    results = [_result(1, None), _result(2, 0.5), _result(3, 0.9), _result(4, 0.5)]
    assert [one.number for one in rank_trials(results)] == [3, 2, 4, 1]


@pytest.mark.parametrize(
    ("room", "overrides", "fits"),
    [
        ({"CPU": 4.0}, ["scaling.workers=0"], 4),
        ({"CPU": 4.0}, ["scaling.workers=2"], 2),
        ({"CPU": 8.0}, ["scaling.workers=1", "scaling.max_workers=4"], 2),
        ({"CPU": 8.0}, ["scaling.workers=2", "scaling.cpus_per_worker=3"], 1),
        ({"CPU": 1.0}, ["scaling.workers=2"], 1),
        ({"CPU": 16.0, "GPU": 2.0}, ["scaling.workers=1", "scaling.gpu=true"], 2),
    ],
)
def test_as_many_trials_run_at_once_as_the_cluster_holds(
    room: dict[str, float], overrides: list[str], fits: int
) -> None:
    assert concurrent_trials(room, resolve("lenet5-digits", overrides)) == fits


def test_the_picture_tells_failed_trials_apart() -> None:
    figure = draw([_result(1, 0.5), _result(2, 0.75), _result(3, None)], "top1")
    (axes,) = figure.axes
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 1
    widths = sorted(line.get_linewidth() for line in axes.lines if len(line.get_xdata()) == 2)
    assert widths[-1] == 3.0 and widths.count(3.0) == 1
    assert "1 failed" in axes.get_title()


def test_a_sweep_that_cannot_begin_has_failed(
    store: str, digits_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests' session may be on
    settings, recipe = sweep_of(store, digits_shards, tmp_path)
    told: list[str] = []
    with pytest.raises(PlatformError, match="No Ray cluster"):
        sweep(recipe, grid(recipe, ["seed=0,1"]), settings, on_parent=lambda *run: told.extend(run))
    run_id, url = told
    assert url.endswith(f"/runs/{run_id}")
    assert connect(store).get_run(run_id).info.status == "FAILED"


def test_a_sweep_holds_its_lease_until_mlflow_knows_its_end(
    store: str, digits_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Tune, which is not here, would give these trials, all of which failed."""
    settings, recipe = sweep_of(store, digits_shards, tmp_path)
    monkeypatch.setattr(module, "connection", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(module, "run_all", lambda *_: [_result(1, None), _result(2, None)])
    close, alone = mlflow_run.close_run, list[bool]()

    def close_and_look(uri: str, run_id: str, status: str) -> None:
        alone.append(is_interrupted(settings.runs_folder / run_id))
        close(uri, run_id, status)

    monkeypatch.setattr(mlflow_run, "close_run", close_and_look)
    result = sweep(recipe, grid(recipe, ["seed=0,1"]), settings, register_best=True)
    assert alone == [False]
    assert (result.model_uri, result.champion) == (None, "")
    assert connect(store).get_run(result.run_id).info.status == "FAILED"
    assert is_interrupted(settings.runs_folder / result.run_id)


def sweep_of(store: str, shards: Path, home: Path) -> tuple[Settings, Recipe]:
    recipe = resolve("lenet1-anna-digits", [f'data.shards="{shards}"', "scaling.workers=0"])
    return Settings(home=home, tracking_uri=store), recipe
