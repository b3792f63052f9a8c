"""`striate data ls` and `striate data show`: what is there, and what it looks like."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.number_options import AMOUNT, COUNT
from striate.cli.numbers import format_megabytes
from striate.cli.output import json_option, print_json, print_note, print_table, wide_option
from striate.cli.tables import Column, Table, show_id
from striate.core.errors import DataError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.data.shards.manifest import Manifest
    from striate.data.storage import Source


@click.command("ls")
@click.argument("folder", required=False)
@wide_option
@json_option
def list_shards(folder: str | None, as_json: bool) -> None:
    """List the shards in FOLDER, or what folders of shards lie in it.

    FOLDER may be an address such as s3://bucket/prefix. Without it, looks into the data folder of
    the platform's home.

    \b
    Example: striate data ls shards/digits
    """
    from striate.data.shards.manifest import MANIFEST_FILE
    from striate.data.storage import Source

    place = Source.of(folder or Settings.load().data_folder)
    if folder is not None and not place.exists():
        raise DataError(f"There is no folder {place}.")
    if place.exists(MANIFEST_FILE):
        _list_one(place, as_json)
    else:
        _list_many(place, as_json)


@click.command()
@click.argument("target")
@click.option("--split", help="Name of the split.  [default: the first]")
@click.option("--rows", type=COUNT, help="How many samples.  [default: 10]")
@click.option("--start", type=AMOUNT, default=0, help="First row of the table.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.png",
    help="Draw samples from all over the split.",
)
@wide_option
@json_option
def show(
    target: str,
    split: str | None,
    rows: int | None,
    start: int,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show samples out of shards.

    Prints rows; their lists, such as the times of phones, with --json alone. With --picture
    draws a contact sheet of images, film strips of clips, or waves with spectrograms and labels.

    \b
    Example: striate data show shards/digits --picture digits.png
    """
    from striate.data.shards.folder import ShardFolder
    from striate.data.show.rows import describe_row, draw
    from striate.data.show.rows import rows as rows_of

    folder = ShardFolder.of(target)
    chosen = split if split is not None else next(iter(folder.manifest.splits))
    folder.manifest.rows(chosen)
    if picture is not None:
        drawn = draw(folder, chosen, rows, picture)
        print_note(f"Drew {drawn} samples of {chosen} into {picture}.")
        if as_json:
            print_json({"picture": str(picture), "split": chosen, "samples": drawn})
        return
    found = [
        describe_row(row, folder.manifest) for row in rows_of(folder, chosen, start, rows or 10)
    ]
    if as_json:
        print_json(found)
    elif not found:
        print_note(
            f"The split {chosen} has no row {start}: it has {folder.manifest.rows(chosen):,}."
        )
    else:
        print_table(samples_table(f"{folder.place}: {folder.manifest.corpus}, {chosen}", found))


def samples_table(title: str, found: list[dict[str, Any]]) -> Table:
    """Samples for people: without lists, and without columns that are empty throughout."""
    names = [
        name
        for name, value in found[0].items()
        if not isinstance(value, list) and any(row[name] != "" for row in found)
    ]
    number, *others = names
    columns = [
        Column(number, 0, show=show_id),
        *(Column(name.replace("_", " "), rank, folds=True) for rank, name in enumerate(others, 1)),
    ]
    return Table(title, columns, [[row[name] for name in names] for row in found])


def _list_one(place: "Source", as_json: bool) -> None:
    from striate.data.shards.manifest import Manifest

    manifest = Manifest.load(place)
    if as_json:
        print_json({"path": place.name, "sha256": manifest.sha256} | _document(manifest))
        return
    title = f"{place}: {manifest.corpus}, {len(manifest.labels)} classes"
    print_table(shards_table(title, manifest))
    for reason, count in manifest.skipped.items():
        print_note(f"Skipped {count:,}: {reason} ({', '.join(manifest.skipped_keys[reason])}).")
    for flaw, count in manifest.flaws.items():
        names = ", ".join(manifest.flawed_keys[flaw])
        print_note(f"Stored {count:,} all the same: {flaw} ({names}).")


def _list_many(place: "Source", as_json: bool) -> None:
    from striate.data.shards.manifest import MANIFEST_FILE, Manifest

    names = [entry.path for entry in place.list() if entry.is_dir] if place.exists() else []
    found = {
        name: Manifest.load(place.within(name))
        for name in names
        if place.exists(f"{name}/{MANIFEST_FILE}")
    }
    if as_json:
        print_json([_summary(place.named(name), found[name]) for name in found])
    elif not found:
        print_note(f"There are no shards in {place}; `striate data ingest` makes some.")
    else:
        print_table(folders_table(place.name, found))


def shards_table(title: str, manifest: "Manifest") -> Table:
    """The shards of a folder for people."""
    columns = (
        Column("shard", 0), Column("split", 2), Column("samples", 1),
        Column("size", 3, show=format_megabytes), Column("SHA-256", 4),
    )  # fmt: skip
    rows = [
        (shard.file, shard.split, shard.rows, shard.bytes, shard.sha256[:12])
        for shard in manifest.shards
    ]
    return Table(title, columns, rows)


def folders_table(title: str, found: Mapping[str, "Manifest"]) -> Table:
    """Folders of shards for people."""
    columns = (
        Column("folder", 0), Column("corpus", 2), Column("samples", 1, folds=True),
        Column("shards", 4), Column("size", 3, show=format_megabytes),
    )  # fmt: skip
    rows = [
        (
            name,
            manifest.corpus,
            ", ".join(f"{split} {rows:,}" for split, rows in manifest.splits.items()),
            len(manifest.shards),
            manifest.bytes,
        )
        for name, manifest in found.items()
    ]
    return Table(title, columns, rows)


def _summary(path: str, manifest: "Manifest") -> dict[str, Any]:
    return {
        "path": path,
        "corpus": manifest.corpus,
        "splits": manifest.splits,
        "shards": len(manifest.shards),
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
    }


def _document(manifest: "Manifest") -> dict[str, Any]:
    return manifest.model_dump(mode="json", by_alias=True)
