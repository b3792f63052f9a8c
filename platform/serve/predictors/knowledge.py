"""Questions about a knowledge base: a sentence in, answers and the facts that lead to them out.

A linker finds which entities the question names; the paths of one or two facts around them are
scored by the bundle's network, those of two facts only along the ten relations that suit the
question best; and the best path's ends are the answer, if it is sure enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from striate.core.bundle import Bundle
from striate.core.errors import BundleError, DataError
from striate.data.knowledge.base import KnowledgeBase
from striate.data.knowledge.calibration import CALIBRATION_FILE, Calibration, lead_of
from striate.data.knowledge.features import ENTITY_TAG
from striate.data.knowledge.linker import Linker, Mention
from striate.data.knowledge.manifest import KNOWLEDGE_FILE
from striate.data.knowledge.paths import MOST_MIDDLES, Paths, relations_near
from striate.data.knowledge.words import name_key
from striate.data.pipelines.kb_questions import (
    TOKENIZER_FILE,
    KnowledgeQuestionArguments,
    label_words,
    question_words,
)
from striate.data.transforms.text.markup import is_tag
from striate.data.transforms.text.tokenizer import SPECIAL, Tokenizer
from striate.models import build_from
from striate.models.kb_embeddings import LOWEST, KnowledgeEmbeddings
from striate.serve.predictors.knowledge_answers import (
    KnowledgeAnswer,
    KnowledgeAnswers,
    KnownFact,
    NoAnswer,
)

MOST_ANSWERS = 1000
"""Members of an answer that can be asked for."""

_MOST_TOPICS = 6  # entities that a question is taken to be about, one after the other


@dataclass(frozen=True)
class _Topic:
    """An entity that the question may be about, and what is known of it."""

    mention: Mention
    entity: int
    words: list[int]
    paths: Paths


@dataclass(frozen=True)
class _Best:
    """The best candidate of all topics."""

    topic: _Topic
    at: int
    probability: float


class KnowledgeReader:
    """A bundle of a network of answers, with its knowledge base; safe to ask from several threads.

    Args:
        network: that scores candidates, in evaluation mode.
        base: the knowledge base.
        tokenizer: words of questions.
        calibration: how sure a score is.
        arguments: sizes that the network was trained with.

    Attributes:
        base: the knowledge base.
        calibration: how sure a score is, and below what there is no answer.
    """

    def __init__(
        self,
        network: KnowledgeEmbeddings,
        base: KnowledgeBase,
        tokenizer: Tokenizer,
        calibration: Calibration,
        arguments: KnowledgeQuestionArguments,
    ) -> None:
        self.base, self.calibration = base, calibration
        self._network, self._tokenizer, self._arguments = network, tokenizer, arguments
        self._labels = label_words(base, tokenizer, arguments.labels)
        self._device = next(network.parameters()).device
        self._tag = tokenizer.id_of(ENTITY_TAG)
        self._linker = Linker(base, _common_words(tokenizer))

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """Open the bundle's base and build its network on a torch device.

        Raises:
            BundleError: it does not answer questions about a knowledge base, or is damaged.
        """
        if KNOWLEDGE_FILE not in bundle.files or bundle.spec.pipeline is None:
            raise BundleError(
                f"The bundle is for {bundle.spec.task}, not for questions about a knowledge base."
            )
        try:
            arguments = KnowledgeQuestionArguments.model_validate(bundle.spec.pipeline.arguments)
            base = KnowledgeBase.open(bundle.path)
        except (ValidationError, DataError) as error:
            said = error.message if isinstance(error, DataError) else "its sizes are wrong."
            raise BundleError(f"The knowledge base of the bundle cannot be used: {said}") from None
        network = cast(KnowledgeEmbeddings, build_from(bundle).to(device).eval())
        return cls(
            network,
            base,
            Tokenizer(bundle.asset(TOKENIZER_FILE)),
            Calibration.of_text(bundle.asset(CALIBRATION_FILE)),
            arguments,
        )

    def with_calibration(self, calibration: Calibration) -> "KnowledgeReader":
        """The same reader, as sure of its answers as another calibration says."""
        return KnowledgeReader(
            self._network, self.base, self._tokenizer, calibration, self._arguments
        )

    def with_base(self, base: KnowledgeBase) -> "KnowledgeReader":
        """The same network over another base, whose relations it should have been taught."""
        return KnowledgeReader(
            self._network, base, self._tokenizer, self.calibration, self._arguments
        )

    def ask(self, question: str, most: int = 10) -> KnowledgeAnswers:
        """Answer a question, or say why there is no answer.

        What it takes is bounded whatever is asked: names are looked for in the first 64 words,
        six entities are tried, and of hubs the first facts.

        Args:
            question: as people write it.
            most: members of the answer that are given, `MOST_ANSWERS` at most.

        Raises:
            RequestError: there is no word in it.
            PayloadTooLarge: it is longer than a question.
        """
        mentions = [one for one in self._linker.link(question) if self._is_meant(one, question)]
        if not mentions:
            return KnowledgeAnswers(
                (),
                reason=NoAnswer.NO_ENTITY,
                said="The question names nothing that the base knows.",
            )
        with torch.inference_mode():
            topics = list(self._topics(question, mentions))
            best = self._best(topics)
        if best is None:
            return self._nothing_known(question, mentions[0])
        if best.probability < self.calibration.threshold:
            return self._not_sure(question, best)
        return self._answered(question, best, min(most, MOST_ANSWERS))

    def _is_meant(self, mention: Mention, question: str) -> bool:
        """Whether words that questions are made of stand for an entity: as the base writes it.

        "Who is Bilbo?" does not ask about Iceland, which is `.is` on the internet.
        """
        return not mention.common or any(
            self.base.name(entity) in question for entity in mention.entities
        )

    def _topics(self, question: str, mentions: Sequence[Mention]) -> Iterator[_Topic]:
        """What the question may be about, where it asks with a known word for a known fact."""
        pairs = [(mention, entity) for mention in mentions for entity in mention.entities]
        for mention, entity in pairs[:_MOST_TOPICS]:
            asked = mention.replaced(question)
            words = question_words(self._tokenizer, asked, self._arguments.length)
            if all(word == self._tag for word in words):
                continue
            paths = Paths.around(self.base, entity, self._best_relations(words, entity))
            if len(paths):
                most = np.arange(min(len(paths), self._arguments.candidates))
                yield _Topic(mention, entity, words, paths.only(most))

    def _best_relations(self, words: list[int], entity: int) -> list[int]:
        """The relations around an entity that suit a question best."""
        near = relations_near(self.base, entity)
        if not len(near):
            return []
        kinds, labels = torch.from_numpy(near + 1), torch.from_numpy(self._labels[near])
        network, device = self._network, self._device
        vectors = network.relation_vectors(kinds.to(device), labels.to(device))
        scores = vectors @ network.ask(torch.tensor([words], device=device))[0]
        best = scores.topk(min(network.best, len(near))).indices
        return list(near[best.cpu().numpy()].tolist())

    def _best(self, topics: Sequence[_Topic]) -> _Best | None:
        if not topics:
            return None
        lines = np.zeros(
            (len(topics), 1 + max(len(topic.paths) for topic in topics), self._arguments.width),
            np.int64,
        )
        for at, topic in enumerate(topics):
            lines[at, 0, : len(topic.words)] = topic.words
            symbols = self._arguments.candidate.symbols(self.base, self._labels, topic.paths)
            lines[at, 1 : 1 + len(symbols), : symbols.shape[1]] = symbols
        given = self._network(torch.from_numpy(lines).to(self._device))
        scores: NDArray[np.float64] = given.cpu().double().numpy()
        place = int(scores.argmax())  # of equal ones the first: the likeliest topic
        row, at = divmod(place, scores.shape[1])
        topic, mine = topics[row], scores[row, : len(topics[row].paths)]
        if at >= len(mine) or mine[at] <= LOWEST / 2:
            return None
        lead = lead_of(mine, topic.paths.sets, at, mine > LOWEST / 2)
        return _Best(topic, at, self.calibration.probability(float(mine[at]), lead))

    def _nothing_known(self, question: str, mention: Mention) -> KnowledgeAnswers:
        name = self.base.name(mention.entities[0])
        return KnowledgeAnswers(
            (),
            entity=name,
            mention=mention.text(question),
            reason=NoAnswer.NOTHING_KNOWN,
            said=f"The base knows {name}, and nothing of what is asked about it.",
        )

    def _not_sure(self, question: str, best: _Best) -> KnowledgeAnswers:
        name = self.base.name(best.topic.entity)
        return KnowledgeAnswers(
            (),
            entity=name,
            mention=best.topic.mention.text(question),
            score=best.probability,
            reason=NoAnswer.NOT_SURE,
            said=f"Nothing that the base says of {name} seems to answer the question: the best is"
            f" {best.probability:.0%} sure, and {self.calibration.threshold:.0%} is asked for.",
        )

    def _answered(self, question: str, best: _Best, most: int) -> KnowledgeAnswers:
        topic = best.topic
        path = topic.paths.path(best.at)
        ends = topic.paths.ends_of(best.at)
        if len(path) == 1:  # of a hub all, and not the first alone
            ends = self.base.follow_path(topic.entity, path).astype(np.int64)
        return KnowledgeAnswers(
            tuple(self._answer(topic.entity, path, end, best) for end in ends[:most].tolist()),
            entity=self.base.name(topic.entity),
            mention=topic.mention.text(question),
            score=best.probability,
            total=len(ends),
        )

    def _answer(self, start: int, path: tuple[int, ...], end: int, best: _Best) -> KnowledgeAnswer:
        base = self.base
        stops = [start, end]
        if len(path) > 1:
            middles = base.follow(start, path[0])[:MOST_MIDDLES].tolist()
            stops.insert(1, next(one for one in middles if end in base.follow(one, path[1])))
        facts = zip(stops, path, stops[1:], strict=False)
        return KnowledgeAnswer(
            answer=base.name(end),
            entity=base.key(end),
            score=best.probability,
            path=tuple(self._fact(*fact) for fact in facts),
        )

    def _fact(self, start: int, relation: int, end: int) -> KnownFact:
        """A fact in its own direction."""
        base = self.base
        if relation >= base.directed // 2:
            start, end = end, start
        return KnownFact(base.name(start), base.label(relation), base.name(end))


def _common_words(tokenizer: Tokenizer) -> frozenset[str]:
    """The words that questions are made of, folded as names are."""
    words = (word for word in tokenizer.words if word not in SPECIAL and not is_tag(word))
    return frozenset(part for word in words for part in name_key(word).split())
