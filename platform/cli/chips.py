"""`striate chips`: the emulated chips, and networks compiled for them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.modules import module_option
from striate.cli.number_options import COUNT, SEED
from striate.cli.numbers import format_score, format_share
from striate.cli.output import json_option, print_json, print_note, print_table, wide_option
from striate.cli.progress import stage
from striate.cli.tables import Column, Table, facts
from striate.core.errors import UsageError

if TYPE_CHECKING:
    from striate.accelerators.chips.spec import ChipSpec
    from striate.accelerators.compiler.toolchain import ChipResult
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
@wide_option
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
    print_table(chips_table(list(chips)))
    if provenance:
        for spec in chips:
            print_table(provenance_table(f"{spec.name}: where the figures come from", spec))


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
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path),
              help="Folder for the program.")  # fmt: skip
@click.option(
    "--on-unsupported",
    type=click.Choice(["error", "host"]),
    default="error",
    show_default=True,
    help="What to do with layers that the chip cannot run.",
)
@click.option("--allow-reload", is_flag=True, help="Let weights be written again, at a cost.")
@click.option("--qat-epochs", type=click.IntRange(0, 10_000), default=6, show_default=True,
              help="Passes of fine-tuning with the chip's rounding; 0 for none.")  # fmt: skip
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Of the order and the distortions."
)
@module_option
@wide_option
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
    Example: striate chips compile models:/lenet1-anna-digits@champion \\
                 --chip anna-talk --data shards/digits -o programs/lenet1
    """
    from striate.accelerators.chips import chip as chip_named
    from striate.accelerators.compiler.toolchain import compile_bundle

    chip_named(chip)  # an unknown chip is said before anything is fetched
    with stage("fetching the model") as shown:
        program = compile_bundle(
            _bundle(model),
            chip,
            shards,
            on_unsupported=on_unsupported,
            allow_reload=allow_reload,
            qat_epochs=qat_epochs,
            seed=seed,
            say=shown.tell,
        )
        program.save(output)
    report = program.estimate()
    if as_json:
        print_json({"program": str(output), **report.to_json()})
        return
    print_note(f"The program is in {output}.")
    print_table(*report_tables(report))


@chips.command("run")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--data", "shards", required=True, type=click.Path(path_type=Path),
              help="Folder of the shards to classify.")  # fmt: skip
@click.option("--split", default="test", show_default=True, help="Of the shards.")
@module_option
@wide_option
@json_option
def run_program(program: Path, shards: Path, split: str, as_json: bool) -> None:
    """Classify a split of shards on the emulated chip.

    PROGRAM is run bit by bit.

    \b
    Example: striate chips run programs/lenet1 --data shards/digits
    """
    from striate.accelerators.compiler.toolchain import evaluate
    from striate.accelerators.emulator.program import Program

    with stage("running on the emulated chip"):
        result = evaluate(Program.load(program), shards, split)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    print_table(result_table(result, split))


@chips.command("report")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--batch", type=COUNT, default=1, show_default=True,
              help="Inputs that the totals are for.")  # fmt: skip
@wide_option
@json_option
def report_program(program: Path, batch: int, as_json: bool) -> None:
    """Show what PROGRAM would cost on the chip.

    The cost is told step by step, with how far to trust it.

    \b
    Example: striate chips report programs/lenet1
    """
    from striate.accelerators.emulator.program import Program

    report = Program.load(program).estimate(batch)
    if as_json:
        print_json(report.to_json())
        return
    print_table(*report_tables(report))


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


def chips_table(chips: Sequence["ChipSpec"]) -> Table:
    """Chips for people."""
    columns = (
        Column("chip", 0), Column("weights", 3), Column("states", 4),
        Column("clock MHz", 5, show=_number), Column("peak GOPS", 1, show=_tenths),
        Column("holds", 6), Column("what", 2, folds=True),
    )  # fmt: skip
    return Table("Chips", columns, [_chip_row(spec) for spec in chips])


def provenance_table(title: str, known: "ChipSpec | Report") -> Table:
    """Where figures come from."""
    columns = (Column("figure", 0), Column("known by", 0), Column("note", 0, folds=True))
    rows = [(name, item.source, item.note) for name, item in known.provenance.items()]
    return Table(title, columns, rows)


def result_table(result: "ChipResult", split: str) -> Table:
    """How right a program was, and how fast."""
    rows = [
        ("accuracy on the chip", format_score(result.accuracy)),
        ("accuracy in floating point (test)", _known(format_score, result.float_accuracy)),
        ("characters/s, predicted for the chip", _number(result.predicted_characters_per_s)),
        ("characters/s, emulated on this machine", _number(result.emulated_characters_per_s)),
    ]
    return facts(f"{result.chip}: {result.rows:,} images of {split}", rows)


def _chip_row(spec: "ChipSpec") -> tuple[Any, ...]:
    peak = spec.peak_ops_per_s
    return (
        spec.name,
        f"{spec.weight.bits} bit",
        f"{spec.state.bits} bit",
        None if spec.clock_hz is None else spec.clock_hz / 1e6,
        None if peak is None else peak / 1e9,
        "no limit" if spec.weight_capacity is None else f"{spec.weight_capacity:,} weights",
        spec.title,
    )


def report_tables(report: "Report") -> list[Table]:
    """What a program costs: step by step, altogether, and how that is known."""
    columns = (
        Column("step", 0), Column("where", 1), Column("evaluations", 5), Column("cycles", 2),
        Column("waits", 3), Column("MACs", 4), Column("used", 6, show=format_share),
        Column("bytes moved", 7),
    )  # fmt: skip
    rows = [
        (
            row.name,
            row.where,
            row.evaluations,
            row.cycles,
            row.stall_cycles,
            row.macs,
            row.utilisation,
            row.traffic_bytes,
        )
        for row in report.rows
    ]
    return [
        Table(f"{report.chip}: one input", columns, rows),
        facts("Predicted", _totals(report)),
        provenance_table("What the times rest on", report),
    ]


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


def _number(value: float | None, form: str = ",.0f") -> str:
    return _UNKNOWN if value is None else format(value, form)


def _tenths(value: float | None) -> str:
    return _number(value, ",.1f")


def _known(show: Callable[[float | None], str], value: float | None) -> str:
    return _UNKNOWN if value is None else show(value)
