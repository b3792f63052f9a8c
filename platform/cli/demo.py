"""`striate demo`: the whole way once, on this machine, with real parts."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from striate.cli.numbers import format_ms, format_rate, format_score, format_seconds
from striate.cli.output import (
    console,
    is_screen,
    json_option,
    print_json,
    print_labelled,
    print_line,
    print_note,
    print_table,
    progress_console,
    wide_option,
)
from striate.cli.progress import stage
from striate.cli.tables import Column, Link, Table, facts, show_value
from striate.core.settings import Settings

CHIP = "anna-talk"
_SECTIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "accuracy": ("held-out accuracy of LeNet-5", format_score),
    "requests": ("gRPC requests", show_value),
    "served_accuracy": ("accuracy of the answers", format_score),
    "p50_ms": ("latency p50, ms", format_ms),
    "p99_ms": ("latency p99, ms", format_ms),
    "chip_float_accuracy": ("LeNet-1 before the chip, accuracy", format_score),
    "chip_accuracy": (f"LeNet-1 on {CHIP} (emulated), accuracy", format_score),
    "chip_characters_per_s": (f"characters a second that {CHIP} would read", format_rate),
    "emulated_characters_per_s": ("characters a second emulated here", format_rate),
}


@dataclass
class Steps:
    """Says which step runs, and keeps how long each took, in seconds."""

    quiet: bool
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        """Time a block under `name`; `what` is told to the user."""
        began = time.perf_counter()
        with stage(what, hidden=self.quiet):
            yield
        self.seconds[name] = round(time.perf_counter() - began, 1)
        if is_screen(progress_console) and not self.quiet:  # a pipe has the line of the stage
            took = format_seconds(self.seconds[name])
            progress_console.print(f"[green]✓[/green] {what} [dim]{took} s[/dim]", soft_wrap=True)


@click.command()
@click.option("--keep", is_flag=True, help="Leave the platform up and print its addresses.")
@wide_option
@json_option
def demo(keep: bool, as_json: bool) -> None:
    """Walk the whole way once: digits to shards, a tracked model, a gRPC answer, and a chip.

    Brings up the local platform, trains LeNet-5 on two Ray Train workers, registers and deploys
    it, sends held-out digits through gRPC, runs LeNet-1 on an emulated ANNA chip, prints a summary,
    and takes down what it brought up. A platform that is up already is used and left up.

    \b
    Example: striate demo --keep
    """
    from striate.cli.demo_walk import walk
    from striate.local import platform as local
    from striate.local.state import load

    steps = Steps(quiet=as_json)
    home = Settings.load().home
    keep = keep or load(home) is not None
    try:
        with steps.step("up", "Ray, MLflow and the gRPC edge come up"):
            local.up(home, local.PlatformOptions(chips={CHIP: 1}))
        settings = Settings.load()
        summary = walk(settings, CHIP, steps)
    finally:
        if not keep:
            with steps.step("down", "What came up goes down"):
                local.down(home)
    _show({**summary, "seconds": steps.seconds}, as_json)
    if keep and not as_json:
        _show_addresses(settings, summary["run_url"])


def _show(summary: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    console.print()
    seconds = summary["seconds"]
    assert isinstance(seconds, dict)
    print_table(measured_table(summary), seconds_table(seconds))
    console.print()
    kept = {"registered as": summary["model_uri"], "tracked run": summary["run_id"]}
    print_labelled([(name, str(value)) for name, value in kept.items()])


def measured_table(summary: Mapping[str, object]) -> Table:
    """What was measured on the way, for people."""
    rows = [
        (title, show(summary[key])) for key, (title, show) in _SECTIONS.items() if key in summary
    ]
    return facts("Handwritten digits, the whole way", rows)


def seconds_table(seconds: Mapping[str, float]) -> Table:
    """How long each step took, for people."""
    columns = (Column("step", 0), Column("seconds", 0, show=format_seconds))
    rows = [(name.replace("_", " "), took) for name, took in seconds.items()]
    return Table("Where the time went", columns, rows)


def _show_addresses(settings: Settings, run_url: object) -> None:
    console.print()
    print_line("The platform stays up. Open or call:")
    print_labelled(
        [
            ("the run", Link(str(run_url), str(run_url))),
            ("MLflow", str(settings.tracking_uri)),
            ("Ray dashboard", str(settings.ray_dashboard)),
            ("gRPC", str(settings.grpc_address)),
        ]
    )
    print_note("Take it down with: striate down")
