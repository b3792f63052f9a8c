"""WebQuestions and SimpleQuestions about a knowledge base: where each starts, and its path.

A question of WebQuestions says the names of its answers alone. What it starts at is what the linker
finds in it, and its path is the one whose ends have the best F1 with the answers (supervision by
answers, as in Bordes, Chopra, Weston, EMNLP 2014, as recalled). One of SimpleQuestions names its
fact. A tenth of WebQuestions' training questions is the split ``valid``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from striate.core.errors import RequestError
from striate.data.corpora.hidden_files import list_visible
from striate.data.corpora.kb_samples import sample_of
from striate.data.corpora.listed_texts import Entry
from striate.data.corpora.simplequestions import PREFIX, QUESTIONS, open_simplequestions
from striate.data.corpora.webquestions import open_webquestions
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.linker import Linker, Mention
from striate.data.knowledge.paths import Paths
from striate.data.knowledge.questions import MadeQuestion
from striate.data.knowledge.wording import lot
from striate.data.knowledge.words import name_key
from striate.data.shards.schema import Sample
from striate.data.storage import Source

NO_ENTITY, NO_PATH = "names no entity of the base", "answer beyond two facts"
TRAIN, VALID = "train", "valid"
_VALID_SHARE = 0.1
_MOST_STARTS = 8


def published_questions(source: Source, base: KnowledgeBase) -> dict[str, list[Entry]]:
    """The questions of published files beside a base; none where there are no such files."""
    names = {entry.path for entry in list_visible(source)}
    if any(name.startswith("webquestions.examples.") for name in names):
        return _web(source, base)
    return _simple(source, base) if QUESTIONS.format(TRAIN) in names else {}


def _web(source: Source, base: KnowledgeBase) -> dict[str, list[Entry]]:
    linker = Linker(base)
    made: dict[str, list[Entry]] = {}
    for name, entries in open_webquestions(source).splits.items():
        for key, found in entries:
            split = name
            if isinstance(found, str):
                entry: Entry = key, found
            else:
                if name == TRAIN and lot("question", found.text) < _VALID_SHARE:
                    split = VALID
                entry = key, _by_answers(base, linker, found.text, found.fields, key, split)
            made.setdefault(split, []).append(entry)
    return made


def _by_answers(
    base: KnowledgeBase,
    linker: Linker,
    text: str,
    fields: Mapping[str, Any],
    key: str,
    split: str,
) -> Any:
    """A question with the path that agrees best with its answers; in training, none without."""
    answers: Sequence[str] = fields["answers"]
    gold = {one for some in base.names.find([name_key(a) for a in answers]) for one in some}
    best, question = -1.0, None
    for mention, start in _starts(linker, text):
        paths = Paths.around(base, start)
        agreed = paths.set_f1(gold, len(answers))
        at = int(agreed.argmax()) if len(agreed) else -1
        f1 = float(agreed[at]) if at >= 0 else 0.0
        if f1 > best:
            path = paths.path(at) if f1 > 0 else ()
            best = f1
            question = _question(text, mention, start, path, gold, len(answers), key)
    if question is None:
        return NO_ENTITY
    return NO_PATH if split == TRAIN and not question.path else sample_of(base, question)


def _starts(linker: Linker, text: str) -> Iterator[tuple[Mention, int]]:
    try:
        mentions = linker.link(text)
    except RequestError:
        return
    pairs = [(mention, entity) for mention in mentions for entity in mention.entities]
    yield from pairs[:_MOST_STARTS]


def _question(
    text: str,
    mention: Mention | None,
    start: int,
    path: tuple[int, ...],
    ends: Iterable[int],
    gold: int,
    key: str,
) -> MadeQuestion:
    return MadeQuestion(
        text=text,
        asked=text if mention is None else mention.replaced(text),
        mention="" if mention is None else mention.text(text),
        start=start,
        path=path,
        ends=tuple(sorted(ends)),
        key=key,
        gold=gold,
    )


def _simple(source: Source, base: KnowledgeBase) -> dict[str, list[Entry]]:
    linker, corpus = Linker(base), open_simplequestions(source)
    made: dict[str, list[Entry]] = {}
    for split in (TRAIN, VALID, "test"):
        if split in corpus.splits:
            read = list(corpus.read(split, 0, len(corpus.splits[split].items)))
            numbers = _numbers(base, read)
            made[split] = [
                (one.key, _of_fact(base, linker, one, numbers))
                if isinstance(one, Sample)
                else (one.key, one.reason)
                for one in read
            ]
    return made


def _numbers(base: KnowledgeBase, read: Sequence[Any]) -> dict[str, int]:
    """What the base calls the subjects and objects of some questions, with their prefix or not."""
    names = {
        name
        for one in read
        if isinstance(one, Sample)
        for name in (one.fields["subject"], *one.fields["objects"])  # type: ignore[misc]
    }
    keys = [spelling for name in sorted(names) for spelling in (name, PREFIX + name)]
    found = zip(keys, base.entities_of(keys), strict=True)
    return {key.removeprefix(PREFIX): number for key, number in found if number is not None}


def _of_fact(
    base: KnowledgeBase, linker: Linker, sample: Sample, numbers: Mapping[str, int]
) -> Any:
    fields: Mapping[str, Any] = sample.fields
    start, text = numbers.get(fields["subject"]), sample.payload.decode()
    known = base.relation_numbers
    relation = known.get(fields["relation"], known.get(PREFIX + fields["relation"]))
    if start is None or relation is None:
        return NO_ENTITY
    mention = next((m for m, entity in _starts(linker, text) if entity == start), None)
    ends = {numbers[name] for name in fields["objects"] if name in numbers}
    # Asked is for everything that the relation leads to, of which the line names one.
    ends |= set(base.follow(start, relation).tolist())
    return _question_sample(base, text, mention, start, relation, ends, sample.key)


def _question_sample(
    base: KnowledgeBase,
    text: str,
    mention: Mention | None,
    start: int,
    relation: int,
    ends: set[int],
    key: str,
) -> Any:
    if not ends:
        return NO_PATH
    question = _question(text, mention, start, (relation,), ends, len(ends), key)
    return sample_of(base, question)
