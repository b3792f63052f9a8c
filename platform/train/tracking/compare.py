"""Runs side by side: in what they differ, what came of it, and what it cost."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from striate.core.tracking import connect, explain_unavailable
from striate.train.tracking.metric_log import Points
from striate.train.tracking.metric_names import LOSS, THROUGHPUT, WAIT_SHARE
from striate.train.tracking.pauses import running_ms
from striate.train.tracking.runs import RunSummary
from striate.train.tracking.system_metrics import POWER, energy_j

Values = dict[str, list[Any]]

_DATA = ("corpus", "shards", "train_rows", "test_rows")
_CODE = ("version", "code", "extensions", "git")


class History(BaseModel):
    """What is drawn of a run, and what its costs are reckoned from.

    Attributes:
        loss: (step, training loss).
        score: (step, headline metric of the held-out split).
        minutes: (minutes since the run began, headline metric), by the clock, pauses left out.
        throughput: (step, samples a second) since the report before.
        wait: (step, share of that time spent waiting for data).
        power: for each device that reports its power: (seconds, watts).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: Points
    score: Points
    minutes: list[tuple[float, float]]
    throughput: Points
    wait: Points
    power: dict[str, Points]


class Comparison(BaseModel):
    """Several runs side by side; each list has one entry a run.

    Attributes:
        runs: their ids.
        configuration: recipe fields in which they differ.
        data: what of corpus, manifest hash and rows differs.
        code: what of version, hash of the sources and git revision differs.
        metrics: latest values of the held-out split and of the training loss.
        differences: the same metrics less those of the first run.
        costs: seconds, median throughput, time waited for data, energy, restarts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: list[str]
    configuration: Values
    data: Values
    code: Values
    metrics: Values
    differences: Values
    costs: Values


def compare_runs(runs: Sequence[RunSummary], histories: Sequence[History]) -> Comparison:
    """Compare runs; the first one is what the others are held against."""
    metrics = _metrics(runs)
    return Comparison(
        runs=[run.run_id for run in runs],
        configuration=find_differences(runs, lambda run: run.parameters),
        data=find_differences(runs, lambda run: _those(run.tags, _DATA)),
        code=find_differences(runs, lambda run: _those(run.tags, _CODE)),
        metrics=metrics,
        differences={name: _less_first(values) for name, values in metrics.items()},
        costs=_costs(runs, histories),
    )


def find_differences(
    runs: Sequence[RunSummary], of: Callable[[RunSummary], Mapping[str, str]]
) -> dict[str, list[Any]]:
    """Name → its value in each run, None where a run has none; of those that are not all equal."""
    names = sorted({name for run in runs for name in of(run)})
    table = {name: [of(run).get(name) for run in runs] for name in names}
    return {name: values for name, values in table.items() if len(set(values)) > 1}


def history_of(run: RunSummary, tracking_uri: str) -> History:
    """Fetch what is drawn and reckoned of a run.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)

    def points(key: str) -> list[Any]:
        found = client.get_metric_history(run.run_id, key)
        return sorted(found, key=lambda point: (point.step, point.timestamp))

    def steps(key: str) -> Points:
        return [(point.step, point.value) for point in points(key)]

    def minutes(at_ms: int) -> float:
        return running_ms(run.pauses, 1000 * run.started_unix_s, at_ms) / 60_000

    with explain_unavailable(tracking_uri):
        known = client.get_run(run.run_id).data.metrics
        score = points(f"test/{run.headline}")
        return History(
            loss=steps(LOSS),
            score=[(point.step, point.value) for point in score],
            minutes=[(minutes(point.timestamp), point.value) for point in score],
            throughput=steps(THROUGHPUT),
            wait=steps(WAIT_SHARE),
            power={key: steps(key) for key in known if key.endswith(POWER)},
        )


def sum_waits(throughput: Points, wait: Points, batch_size: int) -> tuple[float, float]:
    """Seconds spent waiting for data, and seconds of training altogether.

    Args:
        throughput: (step, samples a second) of each report, since the one before.
        wait: (step, share of that time waited).
        batch_size: samples of a step.

    >>> sum_waits([(10, 100.0), (20, 50.0)], [(10, 0.5), (20, 0.0)], batch_size=10)
    (0.5, 3.0)
    """
    shares = dict(wait)
    steps = [0, *(step for step, _ in throughput)]
    spans = [
        ((then - before) * batch_size / rate, shares.get(then, 0.0))
        for (before, then), (_, rate) in zip(itertools.pairwise(steps), throughput, strict=True)
        if rate > 0
    ]
    return sum(s * share for s, share in spans), sum(s for s, _ in spans)


def _metrics(runs: Sequence[RunSummary]) -> Values:
    names = sorted({name for run in runs for name in run.metrics if name.startswith("test/")})
    return {name: [run.metrics.get(name) for run in runs] for name in [*names, LOSS]}


def _less_first(values: Sequence[float | None]) -> list[float | None]:
    first = values[0]
    return [None if first is None or value is None else value - first for value in values]


def _costs(runs: Sequence[RunSummary], histories: Sequence[History]) -> Values:
    """Rows of the table of costs; a row that no run has is left out."""
    pairs = list(zip(runs, histories, strict=True))
    times = [
        sum_waits(history.throughput, history.wait, int(run.parameters.get("batch_size", 1)))
        for run, history in pairs
    ]
    units = {run.tags.get("unit", "samples") for run in runs}
    unit = units.pop() if len(units) == 1 else "samples"
    table: Values = {
        "seconds, pauses left out": [run.seconds for run in runs],
        "seconds of training": [train or None for _, train in times],
        f"{unit} a second, median": [_median(history.throughput) for _, history in pairs],
        "seconds waited for data": [wait if train else None for wait, train in times],
        "share waited for data": [wait / train if train else None for wait, train in times],
        "energy of the devices, kJ": [_energy_kj(history.power) for _, history in pairs],
        "restarts": [run.metrics.get("train/restarts") for run in runs],
        "steps repeated": [run.metrics.get("train/repeated_steps") for run in runs],
    }
    return {name: values for name, values in table.items() if any(v is not None for v in values)}


def _median(points: Points) -> float | None:
    return statistics.median(value for _, value in points) if points else None


def _energy_kj(power: Mapping[str, Points]) -> float | None:
    """None where no device reports its power."""
    return sum(energy_j(points) for points in power.values()) / 1000 if power else None


def _those(tags: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: tags[name] for name in names if name in tags}
