"""`striate stories`: tell stories that questions are asked about, read them again, forget them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling, open_client
from striate.cli.confirm import confirm_forgetting
from striate.cli.message_json import message_document
from striate.cli.number_options import ID
from striate.cli.output import (
    format_time,
    json_option,
    print_json,
    print_line,
    print_note,
    print_table,
)
from striate.cli.query_answers import read_lines
from striate.cli.tables import Column, Table, show_id
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:
    from striate.serve.protos.striate.v1 import question_answering_pb2 as pb

TOGETHER = 500
"""Sentences of one call."""


@click.group()
def stories() -> None:
    """Tell stories, read them again, forget them; `striate query ask --story` asks about them.

    \b
    Example: striate stories tell ring "Bilbo went to the cave."
    """


@stories.command()
@calling
def ls(as_json: bool, **where: Any) -> None:
    """List your stories by name.

    \b
    Example: striate stories ls
    """
    with open_client(**where) as client:
        found = list(client.answers.stories())
    if as_json:
        print_json([message_document(one) for one in found])
    elif found:
        print_table(stories_table(found))
    else:
        print_note("No story was told; `striate stories tell` does.")


@stories.command()
@click.argument("story")
@click.argument("sentences", nargs=-1)
@click.option("--from", "file", type=EXISTING_FILE, help="A text file, a sentence a line.")
@calling
def tell(
    story: str, sentences: tuple[str, ...], file: Path | None, as_json: bool, **where: Any
) -> None:
    """Tell more of a story; it is begun where there is none.

    \b
    Example: striate stories tell ring "Bilbo went to the cave." "Gollum dropped the ring."
    """
    if bool(sentences) == (file is not None):
        raise UsageError("Give SENTENCES, or a file of them by --from.")
    told = list(sentences) if file is None else read_lines(file)
    with open_client(**where) as client:
        answers = [
            client.answers.remember(story, told[start : start + TOGETHER])
            for start in range(0, len(told), TOGETHER)
        ]
    if as_json:
        print_json({"story": story, "first": answers[0].first, "count": len(told)})
    else:
        first, last = answers[0].first, answers[-1].first + answers[-1].count - 1
        which = f"sentence {first}" if first == last else f"sentences {first} to {last}"
        print_line(f"Kept as {which} of {story}.")


@stories.command()
@click.argument("story")
@calling
def show(story: str, as_json: bool, **where: Any) -> None:
    """Show a story's sentences, in their order.

    \b
    Example: striate stories show ring
    """
    with open_client(**where) as client:
        found = list(client.answers.recall(story))[::-1]
    if as_json:
        print_json([message_document(one) for one in found])
    elif found:
        print_table(sentences_table(story, found))
    else:
        print_note(f"The story {story} has no sentence.")


@stories.command(short_help="Forget sentences, a story, or all of yours.")
@click.argument("story", required=False)
@click.argument("numbers", nargs=-1, type=ID, metavar="NUMBER…")
@click.option("--everything", is_flag=True, help="All of your stories.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@calling
def forget(
    story: str | None,
    numbers: tuple[int, ...],
    everything: bool,
    yes: bool,
    as_json: bool,
    **where: Any,
) -> None:
    """Forget sentences of a story by their numbers, a story, or all of yours.

    It cannot be undone; the answer proves it by counts.

    \b
    Example: striate stories forget ring --yes
    """
    if everything == (story is not None):
        raise UsageError("Name a STORY, or ask for --everything.")
    what = "all of your stories" if story is None else f"the story {story}"
    if numbers:
        what = f"{len(numbers)} sentences of {what}"
    confirm_forgetting(what, yes)
    with open_client(**where) as client:
        gone = client.answers.forget(story or "", numbers, everything=everything)
    if as_json:
        print_json(message_document(gone))
    else:
        print_line(
            f"Forgotten: {gone.sentences:,} sentences, {gone.stories:,} whole stories; "
            f"{gone.left:,} are left."
        )


@stories.command()
@click.option(
    "--store",
    metavar="URL",
    help="A SQLite file or postgresql://…; that of the local platform unless given.",
)
@json_option
def migrate(store: str | None, as_json: bool) -> None:
    """Bring the store of stories to this version's schema.

    Whole or not at all; once is enough.

    \b
    Example: striate stories migrate --store postgresql://striate@db/stories
    """
    from striate.serve.sql.migrate import newest_revision
    from striate.serve.stories.store import STORIES, StoryStore, local_store

    StoryStore.upgrade(store or local_store(Settings.load().home)).close()
    if as_json:
        print_json({"schema": newest_revision(STORIES)})
    else:
        print_line(f"The store of stories has the schema {newest_revision(STORIES)}.")


def stories_table(found: "Iterable[pb.KeptStory]") -> Table:
    """A caller's stories."""
    columns = (Column("story", 0, folds=True), Column("sentences", 0))
    return Table("Stories", columns, [(one.name, one.sentences) for one in found])


def sentences_table(story: str, found: "Iterable[pb.KeptSentence]") -> Table:
    """A story's sentences."""
    columns = (
        Column("number", 0, show=show_id, right=True), Column("sentence", 0, folds=True),
        Column("told", 1, show=format_time),
    )  # fmt: skip
    return Table(story, columns, [(one.number, one.text, one.at_unix_s) for one in found])
