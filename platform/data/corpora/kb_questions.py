"""Questions about a knowledge base, each with the path of facts that leads to its answer.

The folder is one that ``striate data kb`` built. Where it holds files of WebQuestions or
SimpleQuestions as well, those are the questions; else they are made of the base's wordings, with
entities and wordings held out (`striate.data.knowledge.questions`). The base goes along with the
shards.
"""

from striate.data.corpora.kb_published import published_questions
from striate.data.corpora.kb_samples import FIELDS, sample_of
from striate.data.corpora.listed_texts import Entry, ListedTexts
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.files import contents, wording_of
from striate.data.knowledge.questions import QuestionMaker
from striate.data.knowledge.wording import SPLITS
from striate.data.storage import Source


def open_kb_questions(source: Source) -> ListedTexts:
    """The questions about the base of a folder.

    Raises:
        DataError: there is no base, or a file of it is missing or damaged.
    """
    base = KnowledgeBase.open(source)
    splits = published_questions(source, base) or _made(source, base)
    return ListedTexts(splits, FIELDS, assets=contents(source))


def _made(source: Source, base: KnowledgeBase) -> dict[str, list[Entry]]:
    splits: dict[str, list[Entry]] = {split: [] for split in SPLITS}
    for split, question in QuestionMaker(base, wording_of(source)).make():
        splits[split].append((question.key, sample_of(base, question)))
    return {split: entries for split, entries in splits.items() if entries}
