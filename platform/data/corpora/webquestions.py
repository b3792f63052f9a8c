"""WebQuestions: questions with lists of answers (Berant, Chou, Frostig, Liang, EMNLP 2013).

``webquestions.examples.train.json`` and ``….test.json`` are JSON lists of entries with ``url``,
``utterance`` and ``targetValue``, an S-expression: ``(list (description "Jazmyn Bieber"))``. The
published files have 3,778 and 2,032 questions.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from striate.core.errors import DataError
from striate.core.text import decode_text
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.listed_texts import Entry, ListedTexts, without_repeated
from striate.data.corpora.s_expressions import Expression, parse_expression
from striate.data.corpora.text_files import in_order
from striate.data.corpora.texts import LONG, TextSample
from striate.data.storage import Source
from striate.data.transforms.text.clean import MOST_BYTES

BROKEN_ENTRY, UNREADABLE, NO_ANSWER = "broken entry", "unreadable answers", "no answer"
_FILE = re.compile(r"webquestions\.examples\.([A-Za-z0-9_-]+)\.json")
_REMEDY = "Fetch webquestions.examples.train.json and webquestions.examples.test.json into it."


def open_webquestions(source: Source) -> ListedTexts:
    """The questions, with the columns ``answers`` and ``url``.

    Raises:
        DataError: there are none, or a file is no JSON list.
    """
    files = [entry.path for entry in list_visible(source)]
    found = {match[1]: path for path in files if (match := _FILE.fullmatch(path))}
    if not found:
        raise DataError(f"{source} has no file of WebQuestions.", _REMEDY)
    splits = {split: list(_entries(source, path)) for split, path in found.items()}
    kept = without_repeated(in_order(splits), "duplicated question")
    return ListedTexts(kept, {"answers": "list<string>", "url": "string"})


def answers_of(expression: Expression) -> tuple[str, ...]:
    """The answers in ``(list (description A) (description B))``, each once.

    Raises:
        ValueError: it is nothing of the kind.
    """
    match expression:
        case ["list", *items]:
            return tuple(dict.fromkeys(map(_answer, items)))
        case _:
            raise ValueError("no list of answers")


def _answer(item: Expression) -> str:
    match item:
        case ["description", str(answer)] if answer.strip():
            return answer.strip()
        case _:
            raise ValueError("no answer")


def _entries(source: Source, path: str) -> Iterator[Entry]:
    name = source.named(path)
    try:
        document = json.loads(decode_text(source.read(path), name))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, list):
        raise DataError(f"{name} is no JSON list of questions.", "Fetch it again.")
    for number, entry in enumerate(document, 1):
        yield f"{path}:{number}", _read(entry)


def _read(entry: Any) -> TextSample | str:
    match entry:
        case {"utterance": str(question), "targetValue": str(target)}:
            url = str(entry.get("url", ""))
        case _:
            return BROKEN_ENTRY
    if len(question.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        return LONG
    try:
        answers = answers_of(parse_expression(target))
        question.encode()
    except UnicodeEncodeError:
        return BROKEN_ENTRY
    except ValueError:
        return UNREADABLE
    if not answers:
        return NO_ANSWER
    return TextSample(question.strip(), {"answers": list(answers), "url": url})
