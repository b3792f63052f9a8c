"""`striate data`: corpora to shards, what is there, and whether it is whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.output import (
    json_option,
    note,
    print_json,
    print_table,
    progress_console,
)
from striate.core.cluster import connected
from striate.core.errors import DataError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.data.manifest import Manifest


@click.group()
def data() -> None:
    """Turn corpora into verified Arrow shards.

    \b
    Example: striate data ingest digits corpora/digits shards/digits
    """


@data.command()
@click.argument("corpus")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--workers", type=click.IntRange(1), help="Ray tasks at a time.")
@click.option("--shard-mb", default=128.0, show_default=True, help="Megabytes in a shard.")
@json_option
def ingest(
    corpus: str, source: Path, target: Path, workers: int | None, shard_mb: float, as_json: bool
) -> None:
    """Turn a corpus into shards.

    Runs on the Ray cluster that is known (SOURCE and TARGET must be the same folders on all of
    its nodes), on a Ray of its own when --workers is given and none is known, else in this
    process. Interrupted and run again, it goes on where it stopped. A bundled corpus (digits) is
    written to SOURCE first when there is no such folder.

    \b
    Example: striate data ingest digits corpora/digits shards/digits
    """
    from striate.data.ingest import Request
    from striate.data.ingest import ingest as run_ingest
    from striate.data.storage import Source, Target

    Request(corpus, Source.of(source), Target.of(target), shard_mb, workers).check()
    with _ray(Settings.load().ray_address, workers), _progress_bar() as progress:
        report = run_ingest(
            corpus, source, target, shard_mb=shard_mb, workers=workers, progress=progress
        )
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    rows = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
    click.echo(
        f"{report.corpus}: {rows} in {report.shards} shards ({_size(report.bytes)}) at"
        f" {report.target}; {report.written} written, {report.kept} kept,"
        f" {report.seconds:.1f} s."
    )
    for reason, count in report.skipped.items():
        click.echo(f"Skipped {count:,}: {reason}.")


@data.command("ls")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@json_option
def list_shards(folder: Path | None, as_json: bool) -> None:
    """List the shards in FOLDER, or what folders of shards lie in it.

    Without FOLDER, looks into the data folder of the platform's home.

    \b
    Example: striate data ls shards/digits
    """
    place = folder or Settings.load().data_folder
    if folder is not None and not folder.exists():
        raise DataError(f"There is no folder {folder}.")
    if (place / "manifest.json").exists():
        _list_one(place, as_json)
    else:
        _list_many(place, as_json)


@data.command()
@click.argument("target", type=click.Path(path_type=Path))
@json_option
def verify(target: Path, as_json: bool) -> None:
    """Recheck the hash and row count of every shard.

    \b
    Example: striate data verify shards/digits
    """
    from striate.data.verify import verify as run_verify

    report = run_verify(target)
    if as_json:
        print_json(vars(report))
        return
    click.echo(
        f"{target} is whole: {report.corpus}, {report.shards} shards,"
        f" {sum(report.splits.values()):,} samples, {_size(report.bytes)}."
    )


def _list_one(folder: Path, as_json: bool) -> None:
    from striate.data.manifest import Manifest

    manifest = Manifest.load(folder)
    if as_json:
        print_json({"path": str(folder), "sha256": manifest.sha256} | _document(manifest))
        return
    print_table(
        f"{folder}: {manifest.corpus}, {len(manifest.labels)} classes",
        ["Shard", "Split", "Samples", "Size", "SHA-256"],
        [
            [shard.file, shard.split, shard.rows, _size(shard.bytes), shard.sha256[:12]]
            for shard in manifest.shards
        ],
    )


def _list_many(folder: Path, as_json: bool) -> None:
    from striate.data.manifest import MANIFEST_FILE, Manifest

    found = {
        path.parent: Manifest.load(path.parent)
        for path in sorted(folder.glob(f"*/{MANIFEST_FILE}"))
    }
    if as_json:
        print_json(
            [
                {
                    "path": str(path),
                    "corpus": manifest.corpus,
                    "splits": manifest.splits,
                    "shards": len(manifest.shards),
                    "bytes": manifest.bytes,
                    "sha256": manifest.sha256,
                }
                for path, manifest in found.items()
            ]
        )
    elif not found:
        note(f"There are no shards in {folder}; `striate data ingest` makes some.")
    else:
        print_table(
            str(folder),
            ["Folder", "Corpus", "Samples", "Shards", "Size"],
            [
                [
                    path.name,
                    manifest.corpus,
                    ", ".join(f"{split} {rows:,}" for split, rows in manifest.splits.items()),
                    len(manifest.shards),
                    _size(manifest.bytes),
                ]
                for path, manifest in found.items()
            ],
        )


def _document(manifest: "Manifest") -> dict[str, Any]:
    return manifest.model_dump(mode="json", by_alias=True)


@contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray for the block: the cluster that is known, one of our own, or none."""
    if address is None and workers is None:
        yield
        return
    options = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
    remedy = "See `striate status`, or unset RAY_ADDRESS to ingest in this process."
    with connected(address or "local", remedy, **options):
        yield


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while shards are being written."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = ("Writing shards", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_console, transient=True) as bar:
        task = bar.add_task("shards", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
