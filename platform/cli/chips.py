"""`striate chips`: the emulated chips, and networks compiled for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.modules import module_option
from striate.cli.output import json_option, print_json, print_note, print_table, progress_console
from striate.core.errors import UsageError

if TYPE_CHECKING:
    from striate.accelerators.chips.spec import ChipSpec
    from striate.accelerators.emulator.estimate import Report

_UNKNOWN = "unknown"


@click.group()
def chips() -> None:
    """Compile for, run on and report on emulated ConvNet chips.

    \b
    Example: striate chips ls
    """


@chips.command("ls")
@click.option("--provenance", is_flag=True, help="Show where each figure comes from.")
@module_option
@json_option
def list_chips(provenance: bool, as_json: bool) -> None:
    """List the chips.

    \b
    Example: striate chips ls --provenance
    """
    from striate.accelerators.chips import ALL_CHIPS

    chips = ALL_CHIPS.usable().values()
    for problem in ALL_CHIPS.problems():
        print_note(str(problem))
    if as_json:
        print_json([spec.model_dump(mode="json") for spec in chips])
        return
    columns = ("chip", "weights", "states", "clock MHz", "peak GOPS", "holds", "what")
    print_table("Chips", columns, [_chip_row(spec) for spec in chips])
    if provenance:
        for spec in chips:
            rows = [(name, item.source, item.note) for name, item in spec.provenance.items()]
            print_table(f"{spec.name}: where the figures come from", ("figure", "", "note"), rows)


@chips.command("compile")
@click.argument("model")
@click.option("--chip", required=True, help="Name of a chip; see `striate chips ls`.")
@click.option(
    "--data",
    "shards",
    required=True,
    type=click.Path(path_type=Path),
    help="Shards to calibrate and retrain with (train) and to measure on (test).",
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option(
    "--on-unsupported",
    type=click.Choice(["error", "host"]),
    default="error",
    show_default=True,
    help="What to do with layers that the chip cannot run.",
)
@click.option("--allow-reload", is_flag=True, help="Let weights be written again, at a cost.")
@click.option("--qat-epochs", type=click.IntRange(0), default=6, show_default=True)
@click.option("--seed", default=0, show_default=True)
@module_option
@json_option
def compile_model(
    model: str,
    chip: str,
    shards: Path,
    output: Path,
    on_unsupported: str,
    allow_reload: bool,
    qat_epochs: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compile MODEL, a model URI or the folder of a bundle, for a chip.

    The weights are fine-tuned with the chip's rounding and the last layer, which runs on the
    host, is retrained on the chip's own states.

    \b
    Example: striate chips compile models:/lenet1-anna-digits@champion --chip anna-talk
    --data shards/digits -o programs/lenet1
    """
    from striate.accelerators.chips import chip as chip_named
    from striate.accelerators.compiler.toolchain import compile_bundle

    chip_named(chip)  # an unknown chip is said before anything is fetched
    with progress_console.status("fetching the model") as status:
        program = compile_bundle(
            _bundle(model),
            chip,
            shards,
            on_unsupported=on_unsupported,
            allow_reload=allow_reload,
            qat_epochs=qat_epochs,
            seed=seed,
            say=lambda text: status.update(text),
        )
        program.save(output)
    report = program.estimate()
    if as_json:
        print_json({"program": str(output), **report.to_json()})
        return
    print_note(f"The program is in {output}.")
    _print_report(report)


@chips.command("run")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--data", "shards", required=True, type=click.Path(path_type=Path))
@click.option("--split", default="test", show_default=True)
@module_option
@json_option
def run_program(program: Path, shards: Path, split: str, as_json: bool) -> None:
    """Classify a split of shards with PROGRAM on the emulated chip, bit by bit.

    \b
    Example: striate chips run programs/lenet1 --data shards/digits
    """
    from striate.accelerators.compiler.toolchain import evaluate
    from striate.accelerators.emulator.program import Program

    with progress_console.status("running on the emulated chip"):
        result = evaluate(Program.load(program), shards, split)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    rows = [
        ("accuracy on the chip", f"{result.accuracy:.4f}"),
        ("accuracy in floating point (test)", _number(result.float_accuracy, ".4f")),
        ("characters/s, predicted for the chip", _number(result.predicted_characters_per_s)),
        ("characters/s, emulated on this machine", _number(result.emulated_characters_per_s)),
    ]
    print_table(f"{result.chip}: {result.rows:,} images of {split}", ("", ""), rows)


@chips.command("report")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True)
@json_option
def report_program(program: Path, batch: int, as_json: bool) -> None:
    """Show what PROGRAM would cost on the chip, step by step, and how far to trust it.

    \b
    Example: striate chips report programs/lenet1
    """
    from striate.accelerators.emulator.program import Program

    report = Program.load(program).estimate(batch)
    if as_json:
        print_json(report.to_json())
        return
    _print_report(report)


def _bundle(model: str) -> Any:
    from striate.core.bundle import Bundle
    from striate.core.settings import Settings

    if ":/" not in model:
        if not Path(model).exists():
            raise UsageError(
                f"There is no bundle at {model!r}.",
                "Give a bundle's folder or a model URI such as models:/NAME@champion.",
            )
        return Bundle.open(Path(model))
    from striate.core.registry import fetch

    return fetch(model, Settings.load())[0]


def _chip_row(spec: "ChipSpec") -> tuple[Any, ...]:
    peak = spec.peak_ops_per_s
    return (
        spec.name,
        f"{spec.weight.bits} bit",
        f"{spec.state.bits} bit",
        _number(None if spec.clock_hz is None else spec.clock_hz / 1e6),
        _number(None if peak is None else peak / 1e9, ".1f"),
        "no limit" if spec.weight_capacity is None else f"{spec.weight_capacity:,} weights",
        spec.title,
    )


def _print_report(report: "Report") -> None:
    columns = ("step", "where", "evaluations", "cycles", "waits", "MACs", "used", "bytes moved")
    rows = [
        (
            row.name,
            row.where,
            row.evaluations,
            row.cycles,
            row.stall_cycles,
            row.macs,
            _number(row.utilisation, ".1%", absent="–"),
            row.traffic_bytes,
        )
        for row in report.rows
    ]
    print_table(f"{report.chip}: one input", columns, rows)
    print_table("Predicted", ("", ""), _totals(report))
    origins = [(name, item.source, item.note) for name, item in report.provenance.items()]
    print_table("What the times rest on", ("figure", "known by", "note"), origins)


def _totals(report: "Report") -> list[tuple[str, str]]:
    ms = [None if s is None else 1000 * s for s in (report.seconds_low, report.seconds_high)]
    total_ms = None if report.seconds is None else 1000 * report.seconds
    energy = None if report.energy_pj is None else report.energy_pj / 1e6
    return [
        ("cycles of one input", f"{report.cycles:,.0f}"),
        (
            f"ms for {report.batch}",
            _number(total_ms, ".3f"),
        ),
        ("error band, ms", f"{_number(ms[0], '.3f')} to {_number(ms[1], '.3f')}"),
        ("inputs a second", _number(report.characters_per_s)),
        ("energy of one input, µJ", _number(energy, ".2f")),
    ]


def _number(value: float | None, form: str = ",.0f", absent: str = _UNKNOWN) -> str:
    return absent if value is None else format(value, form)
