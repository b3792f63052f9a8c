"""`striate demo`: the whole way once, on this machine, with real parts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from striate.cli.output import console, json_option, print_json, print_note, print_table
from striate.core.settings import Settings

CHIP = "anna-talk"
_SECTIONS = {
    "accuracy": "held-out accuracy of LeNet-5",
    "requests": "gRPC requests",
    "served_accuracy": "accuracy of the answers",
    "p50_ms": "latency p50, ms",
    "p99_ms": "latency p99, ms",
    "chip_float_accuracy": "LeNet-1 before the chip, accuracy",
    "chip_accuracy": f"LeNet-1 on {CHIP} (emulated), accuracy",
    "chip_characters_per_s": f"characters a second that {CHIP} would read",
    "emulated_characters_per_s": "characters a second emulated here",
}


@dataclass
class Steps:
    """Says which step runs, and keeps how long each took, in seconds."""

    quiet: bool
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        """Time a block under `name`; `what` is told to the user."""
        from striate.cli.output import progress_console

        began = time.perf_counter()
        if self.quiet:
            yield
        else:
            with progress_console.status(f"{what} …"):
                yield
        self.seconds[name] = round(time.perf_counter() - began, 1)
        if not self.quiet:
            progress_console.print(f"[green]✓[/green] {what} [dim]{self.seconds[name]} s[/dim]")


@click.command()
@click.option("--keep", is_flag=True, help="Leave the platform up and print its addresses.")
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
    rows = [(title, summary[key]) for key, title in _SECTIONS.items() if key in summary]
    print_table("Handwritten digits, the whole way", ["", "measured"], rows)
    seconds = summary["seconds"]
    assert isinstance(seconds, dict)
    print_table("Where the time went", ["step", "seconds"], list(seconds.items()))
    console.print(f"registered as  {summary['model_uri']}")
    console.print(f"tracked run    {summary['run_id']}")


def _show_addresses(settings: Settings, run_url: object) -> None:
    console.print("\nThe platform stays up. Open or call:")
    console.print(f"  {'the run':<14} {run_url}", soft_wrap=True)
    for what, address in (
        ("MLflow", settings.tracking_uri),
        ("Ray dashboard", settings.ray_dashboard),
        ("gRPC", settings.grpc_address),
    ):
        console.print(f"  {what:<14} {address}", soft_wrap=True)
    print_note("Take it down with: striate down")
