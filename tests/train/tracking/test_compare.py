"""Comparing runs, on runs as MLflow tells them; and the energy and the waiting of a history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.train.tracking.compare import History, compare_runs, sum_waits
from striate.train.tracking.runs import RunSummary
from striate.train.tracking.system_metrics import energy_j

pytestmark = pytest.mark.unit


def _run(name: str, **changes: object) -> RunSummary:
    run = RunSummary(
        run_id=name * 8,
        recipe="lenet5-digits",
        status="FINISHED",
        started_unix_s=0.0,
        seconds=60.0,
        headline="top1",
        metrics={"test/top1": 0.9, "train/loss": 0.5, "train/restarts": 0.0},
        parameters={"optimizer.lr": "0.1", "batch_size": "10", "seed": "0"},
        tags={"unit": "images", "shards": "aa", "train_rows": "100", "code": "c0ffee"},
        parent=None,
        url="",
    )
    return run.model_copy(update=changes)


def _history(**changes: object) -> History:
    empty = History(loss=[], score=[], minutes=[], throughput=[], wait=[], power={})
    return empty.model_copy(update=changes)


def test_a_comparison_tells_what_differs_and_by_how_much() -> None:
    first = _run("a")
    second = _run(
        "b",
        metrics={"test/top1": 0.95, "train/loss": 0.25, "train/restarts": 2.0},
        parameters={"optimizer.lr": "0.01", "batch_size": "10", "clip_norm": "1"},
        tags={"unit": "images", "shards": "bb", "train_rows": "100", "code": "c0ffee", "git": "12"},
    )
    result = compare_runs([first, second], [_history(), _history()])
    assert result.configuration == {
        "clip_norm": [None, "1"],
        "optimizer.lr": ["0.1", "0.01"],
        "seed": ["0", None],
    }
    assert result.data == {"shards": ["aa", "bb"]}
    assert result.code == {"git": [None, "12"]}
    assert result.metrics["test/top1"] == [0.9, 0.95]
    assert result.differences["test/top1"] == [0.0, pytest.approx(0.05)]
    assert result.differences["train/loss"] == [0.0, -0.25]
    assert result.costs["restarts"] == [0.0, 2.0]


def test_what_no_run_reports_is_left_out_and_what_one_reports_is_not() -> None:
    power = {"system/n/gpu_0_power_usage_watts": [(0, 90.0), (5, 100.0), (10, 300.0)]}
    told = _history(throughput=[(10, 100.0), (20, 50.0)], wait=[(10, 0.5), (20, 0.0)], power=power)
    runs = [_run("a"), _run("b")]
    costs = compare_runs(runs, [_history(), told]).costs
    assert costs["energy of the devices, kJ"] == [None, pytest.approx(2.0)]
    assert costs["images a second, median"] == [None, 75.0]
    assert costs["seconds waited for data"] == [None, pytest.approx(0.5)]
    silent = compare_runs(runs, [_history(), _history()]).costs
    assert not {"energy of the devices, kJ", "images a second, median"} & set(silent)


reports = st.lists(
    st.tuples(st.integers(1, 50), st.floats(1, 1e4), st.floats(0, 1)), min_size=1, max_size=20
)


@given(reports, st.integers(1, 256))
def test_waiting_is_part_of_the_time_and_the_time_is_that_of_all_samples(
    reported: list[tuple[int, float, float]], batch: int
) -> None:
    throughput, wait, step, seconds = [], [], 0, 0.0
    for steps, rate, share in reported:
        step += steps
        throughput.append((step, rate))
        wait.append((step, share))
        seconds += steps * batch / rate
    idle, whole = sum_waits(throughput, wait, batch)
    assert whole == pytest.approx(seconds)
    assert -1e-9 <= idle <= whole * (1 + 1e-9)


@given(st.lists(st.integers(1, 20), max_size=20), st.floats(1, 500))
def test_a_steady_power_gives_power_times_time(gaps: list[int], watts: float) -> None:
    times = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    joules = energy_j([(time, watts) for time in times])
    assert joules == pytest.approx(watts * sum(gaps))
