"""`striate runs compare`: several runs side by side, as tables, a picture, and in MLflow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.cli.output import console, print_table
from striate.core.files import explain_full_disk, write_atomic
from striate.core.tracking import connect, explain_unavailable
from striate.train.tracking.compare import Comparison, History, Values, compare_runs, history_of
from striate.train.tracking.metric_names import display_name
from striate.train.tracking.runs import RunSummary, find_run

_FOLDER = "comparisons"


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
            began_ms=1000 * run.started_unix_s,
        )
        for run, history in zip(runs, histories, strict=True)
    ]
    draw_comparison(curves).savefig(path, dpi=DPI)


def print_comparison(result: Comparison, runs: Sequence[str], picture: Path) -> None:
    """The comparison for people."""
    columns = ("", *(run_id[:8] for run_id in runs))
    print_table("metrics", _with_differences(columns), _metric_rows(result))
    print_table("time, data and energy", columns, _rows(result.costs))
    if "energy of the devices, kJ" not in result.costs:
        console.print("energy: no device of these runs reports it")
    for title, values in (
        ("configuration", result.configuration),
        ("data", result.data),
        ("code", result.code),
    ):
        if values:
            print_table(title, columns, _rows(values))
        else:
            console.print(f"{title}: the same")
    console.print(f"curves: {picture}", soft_wrap=True)


def _with_differences(columns: Sequence[str]) -> list[str]:
    """One column a run, and for each run but the first one what differs from the first."""
    _, first, *others = columns
    return ["", first, *(part for name in others for part in (name, "difference"))]


def _metric_rows(result: Comparison) -> list[list[Any]]:
    rows = []
    for name, values in result.metrics.items():
        pairs = list(zip(values, result.differences[name], strict=True))[1:]
        further = [part for value, less in pairs for part in (value, _signed(less))]
        rows.append([display_name(name), values[0], *further])
    return rows


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4g}"


def _rows(values: Values) -> list[list[Any]]:
    return [[name, *row] for name, row in values.items()]


def _steps_per_epoch(run: RunSummary) -> float:
    """Steps are epochs of their own where a run does not tell its rows."""
    rows, batch = run.tags.get("train_rows"), run.parameters.get("batch_size")
    return int(rows) / int(batch) if rows and batch else 1.0
