"""The pipeline ``kb-questions``: a question and its candidate answers, as symbols.

In training the candidates are the true one and some that are wrong, half of them around the same
entity and half around any other; in evaluation all of the entity's. The knowledge base is the one
that goes along with the shards (`striate.data.corpora.kb_questions`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from striate.core.errors import DataError
from striate.core.numbers import BelowOne, Share
from striate.core.validation import check_arguments
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.features import CandidateShape
from striate.data.knowledge.files import has_base
from striate.data.knowledge.paths import NO_RELATION, Paths
from striate.data.pipelines.base import DamagedSample, Places, Stored
from striate.data.pipelines.vocabularies import vocabulary_of
from striate.data.shards.folder import ShardFolder
from striate.data.transforms.random import uniforms
from striate.data.transforms.text.tokenizer import UNKNOWN, Tokenizer
from striate.data.transforms.text.training import TokenizerSpec

ASKED, LABELS = "asked", "labels"
TOKENIZER_FILE = "question.tokenizer.json"
"""Of a bundle: the words that questions are made of."""

F1, RIGHT, SETS, HOPS, PARAPHRASES = "f1", "right", "sets", "hops", "paraphrases"
"""Tensors of a batch beside ``features`` and ``labels``; see `KnowledgeQuestions`."""

_WRONG = 0.5  # F1 below which a candidate is a wrong answer
_KEPT = 4096  # entities whose candidates are kept
Numbers = NDArray[np.int64]


class KnowledgeQuestionArguments(BaseModel):
    """Of ``kb-questions``.

    Attributes:
        words: words of the vocabulary at most.
        length: words of a question; longer ones are cut.
        ends: entities of a candidate that are looked at.
        kinds: relations around each of them.
        labels: words of a relation's label.
        relations: directed relations that the base may have: as many as the network has vectors of.
        candidates: of a question, in evaluation; of more, those of one fact first.
        negatives: wrong candidates, in training.
        near: share of these that are around the same entity.
        dropout: share of a question's words that are left out, in training.
        split: whose questions the vocabulary is made from, and paraphrases are taken from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: int = Field(default=2048, ge=324, le=2**20)
    length: int = Field(default=24, ge=2, le=256)
    ends: int = Field(default=2, ge=1, le=64)
    kinds: int = Field(default=12, ge=1, le=256)
    labels: int = Field(default=3, ge=1, le=16)
    relations: int = Field(default=64, ge=2, le=10**6)
    candidates: int = Field(default=512, ge=2, le=4096)
    negatives: int = Field(default=16, ge=1, le=1024)
    near: Share = 0.5
    dropout: BelowOne = 0.0
    split: str = "train"

    @property
    def candidate(self) -> CandidateShape:
        """How much of a candidate is looked at."""
        return CandidateShape(self.ends, self.kinds, self.labels)

    @property
    def width(self) -> int:
        """Numbers of a line."""
        return max(self.length, self.candidate.width)

    @property
    def vocabulary(self) -> TokenizerSpec:
        """What the vocabulary is to be."""
        return TokenizerSpec(kind="words", size=self.words, lowercase=True)


@dataclass(frozen=True)
class KnowledgeQuestions:
    """``features`` (n, 1 + candidates, width): words of a question, then symbols of candidates.

    In training ``labels`` (n,) are 0, the true candidate's place, and ``paraphrases``
    (n, 2, length) are another way to ask the same and a way to ask something else. In evaluation
    ``labels`` are the best candidate's place, −1 where none is right; ``f1`` and ``right``
    (n, candidates) say how good each is as a set, and whether its first member is true; ``sets``
    (n, candidates) are equal for candidates with the same members; ``hops`` (n,) are the facts that
    the answer takes. See `striate.data.knowledge.features` for symbols.

    Attributes:
        arguments: sizes.
        training: whether candidates are drawn.
        base: the knowledge base, once it is bound.
        tokenizer: of the questions, likewise.
        ways: for each meaning, which is a path, the ways in which it is asked.
    """

    arguments: KnowledgeQuestionArguments
    training: bool
    base: KnowledgeBase | None = None
    tokenizer: Tokenizer | None = None
    ways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units_per_row: int | None = 1
    layout: ClassVar[str] = "LS"
    units: ClassVar[str] = "number of a word, of a relation from 1, or of an entity from −1 down"

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, numbers) of a sample in evaluation."""
        return 1 + self.arguments.candidates, self.arguments.width

    def bind(self, folder: ShardFolder) -> "KnowledgeQuestions":
        """The same with the base and the vocabulary of some shards; see `NeedsShards`."""
        if not has_base(folder.place) or ASKED not in folder.manifest.columns.fields:
            raise DataError(
                f"The shards in {folder.place} hold no questions about a knowledge base.",
                "Ingest the corpus kb-questions, or name another pipeline.",
            )
        spec, base = self.arguments, KnowledgeBase.open(folder.place)
        if base.directed > spec.relations:
            raise DataError(
                f"The knowledge base in {folder.place} has {base.directed} directed relations, and"
                f" the recipe has room for {spec.relations}.",
                f"Set data.pipeline_arguments.relations={base.directed} and"
                f" model.arguments.relations={base.directed}.",
            )
        return replace(
            self,
            base=base,
            tokenizer=vocabulary_of(folder, spec.split, (ASKED, LABELS), spec.vocabulary),
            ways=_ways(folder, spec.split) if self.training else {},
        )

    @property
    def assets(self) -> Mapping[str, str]:
        """The tokeniser, for the bundle."""
        return {} if self.tokenizer is None else {TOKENIZER_FILE: self.tokenizer.to_text()}

    @property
    def length_columns(self) -> tuple[str, ...]:
        """None: batches are of questions of any length."""
        return ()

    def trim(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """A whole batch without the lines that are no candidate of any; see `OfSequences`."""
        there = (tensors["features"][:, 1:] != 0).flatten(2).any(2).any(0).nonzero()
        most = int(there[-1]) + 1 if len(there) else 1
        cut = {name: tensors[name][:, :most] for name in (F1, RIGHT, SETS) if name in tensors}
        return {**tensors, **cut, "features": tensors["features"][:, : 1 + most]}

    def __call__(self, stored: Sequence[Stored], places: Places) -> dict[str, Tensor]:
        made = self._drawn(stored, places) if self.training else self._all(stored)
        return {name: torch.from_numpy(one) for name, one in made.items()}

    def words_of(self, text: str) -> list[int]:
        """The numbers of a question's words that are known."""
        return list(self._words(text))

    @cached_property
    def _wrong(self) -> Callable[[int, tuple[int, ...], int], tuple[Paths, Numbers]]:
        """The candidates around an entity, and which of them are wrong."""

        @lru_cache(_KEPT)
        def wrong(start: int, ends: tuple[int, ...], gold: int) -> tuple[Paths, Numbers]:
            paths = self._around(start)
            return paths, np.flatnonzero(paths.set_f1(ends, gold) < _WRONG)

        return wrong

    @cached_property
    def _label_words(self) -> Numbers:
        assert self.base is not None and self.tokenizer is not None, "the pipeline is not bound"
        return label_words(self.base, self.tokenizer, self.arguments.labels)

    @cached_property
    def _words(self) -> Callable[[str], tuple[int, ...]]:
        assert self.tokenizer is not None, "the pipeline is not bound"
        tokenizer, most = self.tokenizer, self.arguments.length
        return lru_cache(_KEPT)(lambda text: tuple(question_words(tokenizer, text, most)))

    @cached_property
    def _around(self) -> Callable[[int], Paths]:
        assert self.base is not None, "the pipeline is not bound"
        base = self.base
        return lru_cache(_KEPT)(lambda entity: Paths.around(base, entity))

    def _all(self, stored: Sequence[Stored]) -> dict[str, NDArray[Any]]:
        assert self.base is not None
        spec, count = self.arguments, len(stored)
        features = np.zeros((count, *self.shape), np.int64)
        f1 = np.zeros((count, spec.candidates), np.float32)
        right, sets = np.zeros(f1.shape, bool), np.zeros(f1.shape, np.int64)
        labels = np.full(count, -1)
        for at, sample in enumerate(stored):
            paths = self._around(int(sample.fields["start"]))
            paths = paths.only(np.arange(min(len(paths), spec.candidates)))
            features[at, 0] = self._question(sample)
            symbols = spec.candidate.symbols(self.base, self._label_words, paths)
            features[at, 1 : 1 + len(paths), : symbols.shape[1]] = symbols
            ends = sample.fields["ends"]
            agreed = paths.set_f1(ends, int(sample.fields["gold"]))
            f1[at, : len(paths)] = agreed
            right[at, : len(paths)] = np.isin(paths.first_ends(1)[:, 0], ends)
            sets[at, : len(paths)] = paths.sets
            labels[at] = int(agreed.argmax()) if agreed.any() else -1
        hops = np.array([int(sample.fields["hops"]) for sample in stored], np.int64)
        made = {"features": features, "labels": labels, HOPS: hops}
        return {**made, F1: f1, RIGHT: right, SETS: sets}

    def _drawn(self, stored: Sequence[Stored], places: Places) -> dict[str, NDArray[Any]]:
        assert self.base is not None
        spec, lines = self.arguments, 1 + self.arguments.negatives
        count = spec.negatives + 3 + spec.length
        draws = uniforms(places.seed, places.epochs, places.positions, count).T
        paraphrasing, dropping = draws[:, spec.negatives :][:, :3], draws[:, -spec.length :]
        starts, relations, ends = self._anywhere(draws[:, : spec.negatives])
        near = round(spec.near * spec.negatives)
        for at, sample in enumerate(stored):
            chosen = self._around_it(sample, draws[at, :near])
            for array, found in zip((starts, relations, ends), chosen, strict=True):
                array[at, : len(found)] = found
        flat = (starts.ravel(), relations.reshape(-1, 2), ends.reshape(-1, spec.ends))
        symbols = spec.candidate.describe(self.base, self._label_words, *flat)
        features = np.zeros((len(stored), 1 + lines, spec.width), np.int64)
        features[:, 0] = [self._question(sample) for sample in stored]
        features[:, 0, : spec.length][dropping < spec.dropout] = 0
        features[:, 1:, : symbols.shape[1]] = symbols.reshape(len(stored), lines, -1)
        paraphrases = [self._paraphrases(*one) for one in zip(stored, paraphrasing, strict=True)]
        labels = np.zeros(len(stored), np.int64)
        return {"features": features, "labels": labels, PARAPHRASES: np.array(paraphrases)}

    def _anywhere(self, draws: NDArray[np.float64]) -> tuple[Numbers, Numbers, Numbers]:
        """Any paths of one fact: starts (n, 1 + m), relations (…, 2) and first ends (…, ends).

        Args:
            draws: (n, m); before them there is room for one more.
        """
        assert self.base is not None
        base, room = self.base, np.zeros((len(draws), 1))
        groups = (np.append(room, draws, 1) * len(base.group_relations)).astype(np.int64)
        starts = np.searchsorted(base.group_starts, groups, "right") - 1
        kinds = base.group_relations[groups].astype(np.int64)
        places = base.edge_starts[groups][..., None] + np.arange(self.arguments.ends)
        there = places < base.edge_starts[groups + 1][..., None]
        ends = np.where(there, base.edges[np.minimum(places, len(base.edges) - 1)], -1)
        return starts, np.stack([kinds, np.full_like(kinds, NO_RELATION)], -1), ends

    def _around_it(
        self, sample: Stored, draws: NDArray[np.float64]
    ) -> tuple[Numbers, Numbers, Numbers]:
        """The true candidate, and wrong ones around the same entity; as `_anywhere`."""
        assert self.base is not None
        base, fields = self.base, sample.fields
        start, names, most = int(fields["start"]), fields["path"], self.arguments.ends
        try:
            path = [base.relation_numbers[name] for name in names]
        except KeyError:
            raise DamagedSample(sample.key, "a relation that the base does not have") from None
        if not 1 <= len(path) <= 2 or not 0 <= start < base.entities:
            raise DamagedSample(sample.key, "a path that is none")
        true = np.full((1, most), -1)
        found = base.follow_path(start, path)[:most]
        true[0, : len(found)] = found
        own = np.array([(*path, NO_RELATION)[:2]])
        paths, wrong = self._wrong(start, tuple(fields["ends"]), int(fields["gold"]))
        if not len(wrong):
            return np.array([start]), own, true
        chosen = wrong[(draws * len(wrong)).astype(np.int64)]
        relations = np.append(own, paths.relations[chosen], 0)
        ends = np.append(true, paths.only(chosen).first_ends(most), 0)
        return np.full(len(ends), start), relations, ends

    def _paraphrases(self, sample: Stored, draws: NDArray[np.float64]) -> list[list[int]]:
        """Another way to ask the same, and a way to ask something else."""
        meanings = list(self.ways)
        same = self.ways.get(_meaning(sample.fields["path"]), (str(sample.fields[ASKED]),))
        others = [one for one in same if one != sample.fields[ASKED]] or list(same)
        way, meaning, other = draws.tolist()
        found = meanings[int(meaning * len(meanings))]
        if found == _meaning(sample.fields["path"]):
            found = meanings[(meanings.index(found) + 1) % len(meanings)]
        asked = self.ways[found]
        chosen = (others[int(way * len(others))], asked[int(other * len(asked))])
        return [self._filled(self.words_of(text), self.arguments.length) for text in chosen]

    def _question(self, sample: Stored) -> list[int]:
        words = self.words_of(str(sample.fields[ASKED]))
        if not words:
            raise DamagedSample(sample.key, "a question without a known word")
        return self._filled(words, self.arguments.width)

    @staticmethod
    def _filled(words: list[int], width: int) -> list[int]:
        return words + [0] * (width - len(words))


def question_words(tokenizer: Tokenizer, text: str, most: int) -> list[int]:
    """The numbers of the words of a question that a vocabulary has, `most` at most."""
    return [word for word in tokenizer.encode(text, most) if word != UNKNOWN]


def label_words(base: KnowledgeBase, tokenizer: Tokenizer, most: int) -> Numbers:
    """(directed relations + 1, most) numbers of the words of their labels that are known."""
    found = np.zeros((base.directed + 1, most), np.int64)
    for relation in range(base.directed):
        words = question_words(tokenizer, base.label(relation), most)
        found[relation, : len(words)] = words
    return found


def kb_questions(arguments: Mapping[str, Any], training: bool) -> KnowledgeQuestions:
    """The pipeline of that name; see `KnowledgeQuestionArguments`.

    Raises:
        RecipeError: an unknown or wrong argument.
    """
    checked = check_arguments(KnowledgeQuestionArguments, arguments, "pipeline kb-questions")
    return KnowledgeQuestions(checked, training)


def _ways(folder: ShardFolder, split: str) -> dict[str, tuple[str, ...]]:
    """Path → the ways in which it is asked for in a split, each once, in order."""
    ways: dict[str, dict[str, None]] = {}
    for entry in folder.manifest.split_shards(split):
        shard = folder.open(entry)
        columns = (shard.batch.column(name).to_pylist() for name in ("path", ASKED))
        for path, asked in zip(*columns, strict=True):
            ways.setdefault(_meaning(path), {})[asked] = None
    return {meaning: tuple(asked) for meaning, asked in sorted(ways.items())}


def _meaning(path: Sequence[str]) -> str:
    return "/".join(path)
