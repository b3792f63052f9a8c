"""`striate data clean`: what interrupted ingests left half written is removed."""

import click

from striate.cli.number_options import FiniteRange
from striate.cli.numbers import format_megabytes
from striate.cli.output import json_option, print_json, print_note
from striate.core.number_ends import LARGEST

_OLD_MINUTES = 60.0


@click.command()
@click.argument("target")
@click.option(
    "--older-than",
    type=FiniteRange(0, LARGEST),
    default=_OLD_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="What is younger is kept: an ingest may be writing it. 0 keeps nothing.",
)
@json_option
def clean(target: str, older_than: float, as_json: bool) -> None:
    """Remove what interrupted ingests left half written.

    In a bucket these are uploads that were never completed: no listing shows them, and they are
    billed until they are aborted. Those to all that lies below TARGET are. In a folder these are
    temporary files. Finished shards stay.

    \b
    Example: striate data clean s3://corpora/imagenet
    """
    from striate.data.ingest.leftovers import clean as run_clean
    from striate.data.storage import Target

    report = run_clean(Target.of(target), older_than_minutes=older_than)
    if as_json:
        print_json(vars(report))
        return
    click.echo(
        f"{report.target}: {report.removed} half-written"
        f" {'file' if report.removed == 1 else 'files'} removed ({format_megabytes(report.bytes)})."
    )
    if report.kept:
        print_note(
            f"Kept {report.kept} younger than {older_than:g} minutes, which an ingest may be"
            " writing; --older-than 0 removes those, too."
        )
