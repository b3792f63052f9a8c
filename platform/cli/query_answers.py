"""`striate query ask`: questions about a knowledge base, or about a story."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from striate.cli.calling import EXISTING_FILE, calling, open_client
from striate.cli.message_json import message_document
from striate.cli.number_options import COUNT, SHARE
from striate.cli.numbers import format_probability
from striate.cli.output import print_json, print_line, print_table
from striate.cli.tables import Column, Table
from striate.core.errors import UsageError

if TYPE_CHECKING:
    from striate.serve.protos.striate.v1 import question_answering_pb2 as pb


@click.command(short_help="Answer a question, from a knowledge base or about a story.")
@click.argument("question")
@click.option("--story", default="", help="The name of a story that you told.")
@click.option(
    "--about", type=EXISTING_FILE, help="A text file instead: a story, a sentence a line."
)
@click.option("--top-k", type=COUNT, default=5, show_default=True, help="Answers at most.")
@click.option(
    "--min-score", type=SHARE, default=0.0, show_default=True, help="Leave out answers below this."
)
@calling
def ask(
    question: str,
    story: str,
    about: Path | None,
    top_k: int,
    min_score: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Answer a question: from the knowledge base, or about a story that is told or in a file.

    Each answer says how sure it is, and what led there: facts, or sentences of the story.

    \b
    Example: striate query ask "What is the capital of France?"
    """
    sentences = read_lines(about) if about is not None else []
    with open_client(**where) as client:
        answer = client.answers.ask(question, story, sentences, top_k=top_k, min_score=min_score)
    if as_json:
        print_json(message_document(answer))
    elif answer.answers:
        print_table(answers_table(question, answer))
    else:
        print_line(f"No answer. {answer.no_answer.message}")


def answers_table(question: str, answer: "pb.AskResponse") -> Table:
    """Answers, for people."""
    title = f"{question}  ({answer.model.name} version {answer.model.version})"
    columns = (
        Column("answer", 0, folds=True), Column("score", 0, show=format_probability),
        Column("because", 0, folds=True),
    )  # fmt: skip
    return Table(title, columns, [(one.text, one.score, _because(one)) for one in answer.answers])


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that hold something.

    Raises:
        UsageError: it is no text in UTF-8, or holds nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8.", "Write it as UTF-8.") from None
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise UsageError(f"{path} holds no line of text.")
    return found


def _because(answer: "pb.Answer") -> str:
    facts = [f"{one.subject} – {one.relation} – {one.object}" for one in answer.path]
    return "; ".join([*facts, *(one.text for one in answer.memories)])
