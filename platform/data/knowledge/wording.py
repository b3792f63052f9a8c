"""How questions about relations are put: several ways for each, some of them held out.

A relation has questions for what it leads to, each with ``{}`` for the entity that it starts at,
and phrases that describe what it leads to, by which a question of two facts is put together:
``What is the currency of {}?`` and ``the country whose capital is {}``. The other way round the
relation is called ``~capital``.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from striate.core.errors import DataError
from striate.core.validation import describe_invalid
from striate.data.knowledge.manifest import BACK

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SLOT = "{}"
_LEAST_HELD_OUT = 4  # ways to put a question of which two can be held out
_TEST_SHARE, _VALID_SHARE = 0.15, 0.1  # of the entities


def _has_slot(template: str) -> str:
    if template.count(SLOT) != 1:
        raise ValueError(f"{template!r} has not one {SLOT}")
    return template


Template = Annotated[str, AfterValidator(_has_slot), Field(max_length=1000)]


class RelationWording(BaseModel):
    """Of a directed relation.

    Attributes:
        questions: for what it leads to.
        phrases: that describe what it leads to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: tuple[Template, ...] = Field(min_length=1, max_length=256)
    phrases: tuple[Template, ...] = Field(default=(), max_length=256)


class Wording(BaseModel):
    """Of a knowledge base.

    Attributes:
        relations: directed relation's name → how it is asked for. One that has none is asked for
            by its label; one with no questions wanted is in `silent`.
        silent: directed relations that nobody asks for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    relations: dict[str, RelationWording] = Field(default_factory=dict)
    silent: tuple[str, ...] = ()

    @classmethod
    def of_text(cls, text: str, name: str) -> Self:
        """Read a file.

        Args:
            text: of it.
            name: of it, for messages.

        Raises:
            DataError: it is nothing of the kind.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DataError(
                f"{name} holds no wording of questions: {describe_invalid(error)}.",
                'It is JSON such as {"relations": {"capital": {"questions": ["What is the capital'
                ' of {}?"]}}}.',
            ) from None

    def to_text(self) -> str:
        """The file: the same for the same content."""
        return self.model_dump_json(indent=1) + "\n"

    def of(self, relation: str, label: str) -> RelationWording | None:
        """How a directed relation is asked for; None where nobody does."""
        if relation in self.silent:
            return None
        return self.relations.get(relation) or _by_label(label, relation.startswith(BACK))


def _by_label(label: str, back: bool) -> RelationWording:
    label = label.replace(SLOT, " ")
    if back:
        return RelationWording(
            questions=(
                f"What has {SLOT} as its {label}?",
                f"Whose {label} is {SLOT}?",
                f"Which ones have the {label} {SLOT}?",
                f"Name all whose {label} is {SLOT}.",
                f"{SLOT} is the {label} of what?",
            ),
            phrases=(f"what has the {label} {SLOT}", f"the one whose {label} is {SLOT}"),
        )
    return RelationWording(
        questions=(
            f"What is the {label} of {SLOT}?",
            f"Which {label} does {SLOT} have?",
            f"Tell me the {label} of {SLOT}.",
            f"What {label} has {SLOT}?",
            f"{SLOT} has which {label}?",
        ),
        phrases=(f"the {label} of {SLOT}",),
    )


def lot(*parts: object) -> float:
    """A number from 0 to less than 1: the same for the same parts, wherever it is drawn."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "little") / 2**48


def held_out(relation: str, templates: Sequence[str], split: Split) -> tuple[str, ...]:
    """The ways to put a question that belong to a split: one is held out for each of two.

    Of fewer than four one is held out for both, of a single one none is; the rest is for training.
    """
    drawn = sorted(templates, key=lambda template: (lot(relation, template), template))
    if len(drawn) >= _LEAST_HELD_OUT:
        parts = {"test": drawn[:1], "valid": drawn[1:2], "train": drawn[2:]}
    elif len(drawn) > 1:
        parts = {"test": drawn[:1], "valid": drawn[:1], "train": drawn[1:]}
    else:
        parts = dict.fromkeys(SPLITS, drawn)
    return tuple(parts[split])


def split_of(key: str) -> Split:
    """The split that questions about an entity belong to, by its key alone."""
    drawn = lot("entity", key)
    if drawn < _TEST_SHARE:
        return "test"
    return "valid" if drawn < _TEST_SHARE + _VALID_SHARE else "train"
