"""What every benchmark shares: interleaved medians, rows with their target, one table or JSON.

A benchmark is a script with a function that returns rows; `main` gives it ``--quick`` and
``--json``. A ratio is always measured in one run: ours and the peer take turns, and the median of
each is compared, so that what else the machine does falls on both. Where the machine drifts over a
run, `Row.paired` compares each round's two neighbours, and takes the median of these ratios.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: what was compared.
        ours: Striate's figure, in `unit`.
        peer: the peer's figure, measured in the same run.
        unit: of both; larger is better.
        at_least: the ratio that is asked for, or None where the row only informs.
        paired_ratio: the median over the rounds of ours over the peer's; None compares the figures.
    """

    name: str
    ours: float
    peer: float
    unit: str
    at_least: float | None = None
    paired_ratio: float | None = None

    @classmethod
    def paired(
        cls,
        name: str,
        ours: Sequence[float],
        peer: Sequence[float],
        unit: str,
        at_least: float | None = None,
    ) -> "Row":
        """A row out of rounds, in each of which both were measured one near the other."""
        ratio = statistics.median(one / other for one, other in zip(ours, peer, strict=True))
        return cls(name, statistics.median(ours), statistics.median(peer), unit, at_least, ratio)

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer if self.paired_ratio is None else self.paired_ratio

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches what was asked for; None where nothing was."""
        return None if self.at_least is None else self.ratio >= self.at_least


def in_turns(measures: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """What each measure gave in each of `rounds` rounds in which they take turns."""
    samples: list[list[float]] = [[] for _ in measures]
    for round_number in range(rounds):
        order = range(len(measures)) if round_number % 2 == 0 else reversed(range(len(measures)))
        for index in order:
            samples[index].append(measures[index]())
    return samples


def interleaved(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median of each measure over `rounds` rounds in which they take turns."""
    return [statistics.median(values) for values in in_turns(measures, rounds)]


def measure_groups(
    groups: Mapping[str, Callable[[Path, bool], list[Row]]], quick: bool
) -> list[Row]:
    """The rows of each group, one after the other, each with a folder of its own.

    Args:
        groups: by name; ``STRIATE_BENCH_ROWS=NAME,…`` measures these alone.
        quick: passed on.
    """
    wanted = os.environ.get("STRIATE_BENCH_ROWS", ",".join(groups)).split(",")
    found: list[Row] = []
    for name in wanted:
        with TemporaryDirectory(prefix="st-") as folder:
            found += groups[name](Path(folder), quick)
    return found


def machine() -> str:
    """One line that names the machine and the versions that matter."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "ray", "grpcio"))
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def main(measure: Callable[[bool], list[Row]], description: str, quick: str) -> None:
    """Run a benchmark from the command line; exit code 1 when a target is missed.

    Args:
        measure: takes whether the quick form is asked for, and gives the rows.
        description: of the benchmark.
        quick: what the quick form has less of; it has every kind of row.
    """
    parser = argparse.ArgumentParser(description=description)
    less = f"the same rows in less than a minute on a machine left alone, rougher: {quick}"
    parser.add_argument("--quick", action="store_true", help=less)
    parser.add_argument("--json", action="store_true", help="print a list of rows")
    arguments = parser.parse_args()
    rows = measure(arguments.quick)
    if arguments.json:
        print(json.dumps([_row_json(row) for row in rows], indent=2))
    else:
        _print_table(rows)
    sys.exit(1 if any(row.met is False for row in rows) else 0)


def _row_json(row: Row) -> dict[str, object]:
    return {**asdict(row), "ratio": row.ratio, "met": row.met}


def _print_table(rows: Sequence[Row]) -> None:
    command = " ".join(["python", *sys.argv])
    table = Table(title=f"{command}\n{machine()}\n{datetime.date.today()}", title_justify="left")
    for column in ("name", "ours", "peer", "unit", "ratio", "at least", "met"):
        table.add_column(column, justify="left" if column in {"name", "unit"} else "right")
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "NO")
        wanted = "" if row.at_least is None else f"{row.at_least:.2f}"
        table.add_row(
            row.name,
            f"{row.ours:,.1f}",
            f"{row.peer:,.1f}",
            row.unit,
            f"{row.ratio:.3f}",
            wanted,
            met,
        )
    Console(width=max(120, Console().width)).print(table)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
