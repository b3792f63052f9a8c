"""`striate runs compare`: several runs side by side, as tables, a picture, and in MLflow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.cli.numbers import (
    format_difference,
    format_metric,
    format_rate,
    format_seconds,
    format_share,
)
from striate.cli.output import print_labelled, print_line, print_table
from striate.cli.tables import Column, Table, show_value
from striate.core.files import explain_full_disk, write_atomic
from striate.core.tracking import connect, explain_unavailable
from striate.train.tracking.compare import Comparison, History, Values, compare_runs, history_of
from striate.train.tracking.metric_names import display_name
from striate.train.tracking.runs import RunSummary, find_run

_FOLDER = "comparisons"
_NAME = Column("", 0, folds=True)


def compare(tracking_uri: str, run_ids: Sequence[str], home: Path) -> tuple[Comparison, Path]:
    """Compare runs, draw their curves, and keep both here and in each run in MLflow.

    Returns:
        The comparison, and the picture of the curves.

    Raises:
        UnknownName: there is no such run.
        TrackingUnavailable: MLflow does not answer.
    """
    runs = [find_run(tracking_uri, run_id) for run_id in run_ids]
    histories = [history_of(run, tracking_uri) for run in runs]
    result = compare_runs(runs, histories)
    name = "-".join(run.run_id[:8] for run in runs[:6]) + ("-and-more" if len(runs) > 6 else "")
    picture, document = (home / _FOLDER / f"{name}{end}" for end in (".png", ".json"))
    picture.parent.mkdir(parents=True, exist_ok=True)
    with explain_full_disk(picture):
        draw(runs, histories, picture)
        write_atomic(document, result.model_dump_json(indent=1).encode())
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        for run in runs:
            for file in (picture, document):
                client.log_artifact(run.run_id, str(file), _FOLDER)
    return result, picture


def draw(runs: Sequence[RunSummary], histories: Sequence[History], path: Path) -> None:
    """Write the curves of runs as a PNG file."""
    from striate.train.plots.comparison import Curves, draw_comparison
    from striate.train.plots.style import DPI

    curves = [
        Curves(
            name=f"{run.run_id[:8]} {run.recipe}",
            headline=run.headline,
            steps_per_epoch=_steps_per_epoch(run),
            loss=history.loss,
            score=history.score,
            timed=history.minutes,
        )
        for run, history in zip(runs, histories, strict=True)
    ]
    draw_comparison(curves).savefig(path, dpi=DPI)


def print_comparison(result: Comparison, runs: Sequence[str], picture: Path) -> None:
    """The comparison for people."""
    print_table(metrics_table(result, runs), costs_table(result.costs, runs))
    if "energy of the devices, kJ" not in result.costs:
        print_line("energy: no device of these runs reports it")
    for title, values in (
        ("configuration", result.configuration),
        ("data", result.data),
        ("code", result.code),
    ):
        if values:
            print_table(differences_table(title, values, runs))
        else:
            print_line(f"{title}: the same")
    print_labelled([("curves", str(picture))])


def metrics_table(result: Comparison, runs: Sequence[str]) -> Table:
    """One column a run, and for each but the first one how far it is from the first."""
    columns = [_NAME]
    for rank, run_id in enumerate(runs):
        columns.append(Column(run_id[:8], rank, right=True))
        if rank:
            columns.append(Column(f"less {runs[0][:8]}", rank, right=True))
    rows = []
    for name, values in result.metrics.items():
        row = [display_name(name)]
        for value, less in zip(values, result.differences[name], strict=True):
            row += [format_metric(name, value), format_difference(name, less)]
        rows.append([*row[:2], *row[3:]])  # the first is not held against itself
    return Table("metrics", columns, rows)


def costs_table(costs: Values, runs: Sequence[str]) -> Table:
    """What runs took, a column each."""
    columns = [_NAME, *(Column(run_id[:8], rank, right=True) for rank, run_id in enumerate(runs))]
    rows = [[name, *(_cost(name, value) for value in row)] for name, row in costs.items()]
    return Table("time, data and energy", columns, rows)


def differences_table(title: str, values: Values, runs: Sequence[str]) -> Table:
    """In what runs differ, a column each."""
    runs_columns = (Column(run_id[:8], rank, folds=True) for rank, run_id in enumerate(runs))
    return Table(title, [_NAME, *runs_columns], [[name, *row] for name, row in values.items()])


def _cost(name: str, value: Any) -> str:
    """A cost in the digits of its kind."""
    if name.startswith("seconds"):
        return format_seconds(value)
    if name.startswith("share"):
        return format_share(value)
    return format_rate(value) if "a second" in name else show_value(value)


def _steps_per_epoch(run: RunSummary) -> float:
    """Steps are epochs of their own where a run does not tell its rows."""
    rows, batch = run.tags.get("train_rows"), run.parameters.get("batch_size")
    return int(rows) / int(batch) if rows and batch else 1.0
