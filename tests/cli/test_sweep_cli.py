"""A sweep as a user types it: trials on Ray Tune, one that fails, the best one registered."""

import json
from pathlib import Path
from typing import Any

import pytest

from striate.core.tracking import connect

pytestmark = pytest.mark.e2e


def test_a_sweep_orders_its_trials_and_survives_one_that_fails(platform: Any) -> None:
    done = platform.run(
        *("train", "lenet5-modern-digits", "epochs=1", "registered_name=swept", "--workers", "0"),
        *("--sweep", "optimizer.lr=0.0001,0.01,1e18", "--register-best", "--json"),
    )
    result = json.loads(done.stdout)
    trials = result["trials"]
    assert [trial["values"]["optimizer.lr"] for trial in trials] == [0.01, 0.0001, 1e18]
    best, second, failed = trials
    assert best["score"] > second["score"] and failed["score"] is None
    assert "not finite" in failed["error"]
    assert result["model_uri"] == "models:/swept/1"
    assert "swept@champion is now version 1" in result["champion"]

    client = connect(platform.settings.tracking_uri)
    parent = client.get_run(result["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test/top1"] == best["score"]
    pictures = {a.path for a in client.list_artifacts(result["run_id"], "pictures")}
    assert pictures == {"pictures/parallel_coordinates.png"}
    assert Path(result["picture"]).stat().st_size > 10_000
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{result['run_id']}'"
    )
    status = {run.info.run_id: run.info.status for run in nested}
    assert status == {
        best["run_id"]: "FINISHED", second["run_id"]: "FINISHED", failed["run_id"]: "FAILED",
    }  # fmt: skip

    # A trial is a run as any other: it is listed, compared and resumed by itself.
    listed = platform.run("runs", "ls", "lenet5-modern-digits").stdout
    assert "(trial 2)" in listed and "(sweep)" in listed
    longer = json.loads(
        platform.run("train", "--resume", second["run_id"], "epochs=2", "--json").stdout
    )
    assert longer["run_id"] == second["run_id"] and longer["steps"] == 22
    _check_comparison(platform, best["run_id"], second["run_id"])


def _check_comparison(platform: Any, first: str, second: str) -> None:
    compared = json.loads(platform.run("runs", "compare", first, second, "--json").stdout)
    assert compared["configuration"]["optimizer.lr"] == ["0.01", "0.0001"]
    assert compared["data"] == {} and compared["code"] == {}
    figures = compared["metrics"]["test/top1"]
    assert compared["differences"]["test/top1"] == [0.0, figures[1] - figures[0]]
    assert all(rate > 0 for rate in compared["costs"]["images a second, median"])
    assert Path(compared["curves"]).stat().st_size > 10_000
    client = connect(platform.settings.tracking_uri)
    for run_id in (first, second):
        kept = {a.path.rpartition(".")[2] for a in client.list_artifacts(run_id, "comparisons")}
        assert kept == {"png", "json"}
    shown = platform.run("runs", "compare", first, second).stdout
    assert "optimizer.lr" in shown and "data: the same" in shown and "energy" in shown
