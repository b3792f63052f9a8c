"""How a question about a knowledge base is stored: its columns beside the text."""

from striate.data.corpora.texts import TextSample
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.questions import MadeQuestion
from striate.data.shards.schema import FieldKind

FIELDS: dict[str, FieldKind] = {
    "asked": "string",
    "labels": "string",
    "mention": "string",
    "start": "int32",
    "path": "list<string>",
    "hops": "int32",
    "ends": "list<int32>",
    "gold": "int32",
    "answers": "list<string>",
}
"""``asked`` is the question with `striate.data.knowledge.features.ENTITY_TAG` for the name in it;
``labels`` are what people call the relations of the path; ``start`` and ``ends`` are numbers of
entities; ``gold`` is how many members the true answer has."""


def sample_of(base: KnowledgeBase, question: MadeQuestion) -> TextSample:
    """A question as it is stored."""
    fields = {
        "asked": question.asked,
        "labels": " ".join(base.label(relation) for relation in question.path),
        "mention": question.mention,
        "start": question.start,
        "path": [base.relation_names[relation] for relation in question.path],
        "hops": len(question.path),
        "ends": list(question.ends),
        "gold": question.gold or len(question.ends),
        "answers": [base.name(end) for end in question.ends],
    }
    return TextSample(question.text, fields)
