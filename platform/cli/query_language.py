"""`striate query translate`, `analogy` and `nearest`: sentences and words."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling, open_client
from striate.cli.message_json import message_document
from striate.cli.number_options import COUNT
from striate.cli.numbers import format_score
from striate.cli.output import console, print_json, print_table
from striate.cli.query_answers import read_lines
from striate.cli.tables import Column, Table
from striate.core.errors import StriateError, UsageError

if TYPE_CHECKING:
    from striate.serve.client.client import Client
    from striate.serve.protos.striate.v1 import language_pb2 as pb

_top_k = click.option("--top-k", type=COUNT, default=10, show_default=True, help="Words at most.")


@click.command(short_help="Translate sentences.")
@click.argument("texts", nargs=-1)
@click.option("--from", "file", type=EXISTING_FILE, help="A text file, a sentence a line.")
@click.option("--beam", type=click.IntRange(1, 64), help="Hypotheses that the search keeps.")
@calling
def translate(
    texts: tuple[str, ...], file: Path | None, beam: int | None, as_json: bool, **where: Any
) -> None:
    """Translate sentences, each as it would be alone.

    A file goes on one call, and its lines are printed in their order.

    \b
    Example: striate query translate "Au commencement était la parole."
    """
    if bool(texts) == (file is not None):
        raise UsageError("Give TEXTS, or a file of them by --from.")
    with open_client(**where) as client:
        if file is not None:
            _translate_file(client, read_lines(file), beam or 0, as_json)
            return
        answer = client.language.translate(texts, beam or 0)
    if as_json:
        print_json(message_document(answer))
    else:
        _print_lines([one.text for one in answer.translations])


@click.command(short_help="What is to C as B is to A?")
@click.argument("a")
@click.argument("b")
@click.argument("c")
@_top_k
@calling
def analogy(a: str, b: str, c: str, top_k: int, as_json: bool, **where: Any) -> None:
    """What is to C as B is to A: the words nearest to B − A + C.

    \b
    Example: striate query analogy Japan Tokyo Germany
    """
    with open_client(**where) as client:
        answer = client.language.analogy(a, b, c, top_k=top_k)
    _print_near(f"{a} is to {b} as {c} is to …", answer, as_json)


@click.command(short_help="Words near to a word.")
@click.argument("word")
@_top_k
@calling
def nearest(word: str, top_k: int, as_json: bool, **where: Any) -> None:
    """The words nearest to a word, by the cosine of their vectors.

    \b
    Example: striate query nearest Paris
    """
    with open_client(**where) as client:
        answer = client.language.nearest(word, top_k=top_k)
    _print_near(f"near to {word}", answer, as_json)


def near_table(title: str, answer: "pb.NearestResponse") -> Table:
    """Words and their cosines, for people."""
    columns = (Column("word", 0, folds=True), Column("cosine", 0, show=format_score))
    title = f"{title}  ({answer.model.name} version {answer.model.version})"
    return Table(title, columns, [(one.word, one.cosine) for one in answer.words])


def _print_near(title: str, answer: "pb.NearestResponse", as_json: bool) -> None:
    if as_json:
        print_json(message_document(answer))
    else:
        print_table(near_table(title, answer))


def _translate_file(client: "Client", lines: Sequence[str], beam: int, as_json: bool) -> None:
    """Every line, in its order; one that cannot be translated fails at the end."""
    from striate.serve.client.errors import failure_error

    named = ((str(number), line) for number, line in enumerate(lines))
    found = {int(one.id): one for one in client.language.translate_stream(named, beam)}
    failed = [one for _, one in sorted(found.items()) if one.HasField("failure")]
    errors: list[StriateError] = [failure_error(one.failure) for one in failed]
    for one, error in zip(failed, errors, strict=True):
        print(f"line {int(one.id) + 1}: {error}", file=sys.stderr)
    if as_json:
        print_json([message_document(one) for _, one in sorted(found.items())])
    else:
        _print_lines([found[number].translation.text for number in range(len(lines))])
    if errors:
        raise errors[0]


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
