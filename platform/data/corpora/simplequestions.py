"""SimpleQuestions v2: a question and the fact that answers it (Bordes et al., arXiv 1506.02075).

::

    annotated_fb_data_train.txt           subject ⇥ relation ⇥ object ⇥ question
    annotated_fb_data_valid.txt, ….test.txt
    freebase-subsets/freebase-FB2M.txt    subject ⇥ relation ⇥ objects, apart by blanks
    freebase-subsets/freebase-FB5M.txt

The published files have 75,910, 10,845 and 21,687 questions. Names are kept without the
``www.freebase.com`` that all begin with: ``/m/04whkz5``, ``/book/written_work/subjects``.
"""

from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.text_lines import index_lines
from striate.data.corpora.texts import (
    BROKEN,
    EMPTY,
    TextCorpus,
    TextSample,
    TextSplit,
    check_found,
    mark_repeated,
)
from striate.data.storage import Source
from striate.data.transforms.text.clean import clean_text

QUESTIONS = "annotated_fb_data_{}.txt"
FACTS = "freebase-subsets/freebase-{}.txt"
SPLITS = {
    **{split: QUESTIONS.format(split) for split in ("train", "valid", "test")},
    **{subset.lower(): FACTS.format(subset) for subset in ("FB2M", "FB5M")},
}
PREFIX = "www.freebase.com"
_REMEDY = f"Unpack SimpleQuestions_v2 into it, so that it holds {QUESTIONS.format('train')}."


def open_simplequestions(source: Source) -> TextCorpus:
    """The questions as the splits ``train``, ``valid``, ``test``, and facts as ``fb2m``, ``fb5m``.

    Each has the columns ``subject``, ``relation`` and ``objects``; the payload of a fact is the
    three apart by blanks.

    Raises:
        DataError: there are none, or a file is no UTF-8 at all.
    """
    there = {entry.path for entry in list_visible(source, recursive=True)}
    files = {split: path for split, path in SPLITS.items() if path in there}
    splits = {split: TextSplit.of([index_lines(source, path)]) for split, path in files.items()}
    check_found(splits, source, _REMEDY)
    columns = {"subject": "string", "relation": "string", "objects": "list<string>"}
    return TextCorpus(mark_repeated(splits), parse_fact, columns)  # type: ignore[arg-type]


def parse_fact(line: str) -> TextSample | str:
    """What a line of either kind says, or why it cannot be used."""
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) not in (3, 4):
        return BROKEN
    subject, relation = map(_short, cells[:2])
    objects = [_short(name) for name in cells[2].split()]
    if not (subject and relation and objects) or (len(cells) == 4 and len(objects) > 1):
        return BROKEN
    text = cells[3] if len(cells) == 4 else " ".join((subject, relation, *objects))
    if not clean_text(text):
        return EMPTY
    return TextSample(text, {"subject": subject, "relation": relation, "objects": objects})


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)
