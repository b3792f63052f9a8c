"""`striate data`: corpora to shards, what is there, and whether it is whole."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from striate.cli.data_clean import clean
from striate.cli.data_kb import kb
from striate.cli.data_show import list_shards, show
from striate.cli.modules import module_option
from striate.cli.number_options import COUNT
from striate.cli.numbers import format_megabytes, format_seconds
from striate.cli.output import json_option, print_json, print_note
from striate.cli.progress import stage
from striate.core.cluster import connection
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.data.storage import Source

_SKIPPED_SHOWN = 3


@click.group()
def data() -> None:
    """Turn corpora into verified Arrow shards.

    SOURCE and TARGET are folders, or addresses such as s3://bucket/prefix.

    \b
    Example: striate data ingest digits corpora/digits shards/digits
    """


data.add_command(clean)
data.add_command(kb)
data.add_command(list_shards)
data.add_command(show)


@data.command()
@click.argument("corpus")
@click.argument("source")
@click.argument("target")
@click.option("--workers", type=COUNT, help="Ray tasks at a time.")
@click.option("--shard-mb", default=128.0, show_default=True, help="Megabytes in a shard.")
@click.option("--size", type=COUNT, help="Size of a generated corpus that is written first.")
@click.option(
    "--max-skipped",
    default=1.0,
    show_default=True,
    help="Share of the samples that may be left out, from 0 to 1.",
)
@click.option(
    "--recheck/--no-recheck",
    default=None,
    help="Hash finished shards again before keeping them.  [default: in a folder only]",
)
@click.option("--table", help="Of your own files: the CSV or Parquet file with their labels.")
@click.option("--path-column", default="path", show_default=True, help="Its column of paths.")
@click.option("--label-column", default="label", show_default=True, help="Its column of classes.")
@click.option("--split-column", help="Its column of splits.  [default: split, where there is one]")
@click.option(
    "--test-share",
    type=float,
    help="Share of your own files to hold out where no splits are given.  [default: 0.1]",
)
@click.option(
    "--group-column", help="Of a table of texts: what has one value there is held out together."
)
@click.option("--languages", help="Of parallel text: the columns to take, such as en,fr.")
@click.option("--most-words", type=COUNT, help="Of texts: leave out lines with a longer one.")
@click.option(
    "--check-md5",
    is_flag=True,
    help="First hold the source's files against the checksums they are published with.",
)
@module_option
@json_option
def ingest(
    corpus: str, source: str, target: str, check_md5: bool, as_json: bool, **options: Any
) -> None:
    """Turn a corpus into shards.

    Runs on the Ray cluster that is known (SOURCE and TARGET must mean the same on all of its
    nodes), on a Ray of its own when --workers is given and none is known, else in this process.
    Interrupted and run again, it goes on where it stopped. A bundled or generated corpus is
    written to SOURCE first when there is no such folder. Your own files are the corpora images,
    clips and sounds: in a folder for each class, or with a table of their labels; and lines and
    parallel: text.

    \b
    Example: striate data ingest digits corpora/digits shards/digits
    """
    from striate.data.corpora.base import FolderOptions
    from striate.data.ingest.ingest import IngestRequest
    from striate.data.ingest.ingest import ingest as run_ingest
    from striate.data.storage import Source, Target

    folder = FolderOptions(
        **{field.name: options.pop(field.name) for field in fields(FolderOptions)}
    )
    options["folder"] = folder
    request = IngestRequest(corpus, Source.of(source), Target.of(target), **options)
    request.check()  # before a cluster is asked for anything
    if request.size is not None and request.source.exists():
        print_note(f"{request.source} is there already and is read as it is.")
    if check_md5:
        _check_md5(corpus, request.source)
    with (
        _ray(Settings.load().ray_address, request.workers),
        _counted("Writing shards") as progress,
    ):
        report = run_ingest(corpus, source, target, progress=progress, **options)
    if as_json:
        print_json(report.model_dump(mode="json") | {"mb_per_s": report.mb_per_s})
        return
    rows = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
    click.echo(
        f"{report.corpus}: {rows} in {report.shards} shards ({format_megabytes(report.bytes)}) at"
        f" {report.target}; {report.written} written, {report.kept} kept,"
        f" {format_seconds(report.seconds)} s, {report.mb_per_s:,.1f} MB/s."
    )
    for reason, count in report.skipped.items():
        click.echo(f"Skipped {count:,}: {reason} ({_first(report.skipped_keys, reason, count)}).")
    for flaw, count in report.flaws.items():
        click.echo(
            f"Stored {count:,} all the same: {flaw} ({_first(report.flawed_keys, flaw, count)})."
        )
    if report.swept.count:
        print_note(
            f"Removed what interrupted ingests had left half written: {report.swept.count}"
            f" ({format_megabytes(report.swept.bytes)})."
        )
    if report.swept.unknown:
        print_note(f"Of interrupted ingests nothing was removed. {report.swept.unknown}")


@data.command()
@click.argument("target")
@json_option
def verify(target: str, as_json: bool) -> None:
    """Recheck the hash and row count of every shard.

    \b
    Example: striate data verify shards/digits
    """
    from striate.data.shards.verify import verify as run_verify

    with _counted("Checking shards") as progress:
        report = run_verify(target, progress)
    if as_json:
        print_json(vars(report))
        return
    click.echo(
        f"{target.partition('?')[0]} is whole: {report.corpus}, {report.shards} shards,"
        f" {sum(report.splits.values()):,} samples, {format_megabytes(report.bytes)}."
    )


def _first(names: Mapping[str, Sequence[str]], reason: str, count: int) -> str:
    """The first names of a reason, and whether there are more."""
    more = ", …" if count > _SKIPPED_SHOWN else ""
    return ", ".join(names.get(reason, ())[:_SKIPPED_SHOWN]) + more


def _check_md5(corpus: str, source: "Source") -> None:
    from striate.data.ingest.checksums import check_md5

    with _counted("Checking MD5 sums (bytes)") as progress:
        checked = check_md5(corpus, source, progress)
    print_note(f"As published: {', '.join(checked)}.")


@contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray for the block: the cluster that is known, one of our own, or none."""
    if address is None and workers is None:
        yield
        return
    options = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
    remedy = "See `striate status`, or unset RAY_ADDRESS to ingest in this process."
    with connection(address or "local", remedy, **options):
        yield


@contextmanager
def _counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """A stage that is counted: of shards, or of bytes."""
    with stage(what) as shown:
        yield lambda done, total: shown.tell(done=done, total=total)
