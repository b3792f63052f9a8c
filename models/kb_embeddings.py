"""Embeddings of questions and of answers in a knowledge base: S(q, a) = f(q)ᵀ g(a).

Bordes, Chopra, Weston, "Question answering with subgraph embeddings", EMNLP 2014, as recalled:
f(q) = W φ(q) with φ the words of the question, g(a) = W ψ(a) with ψ the answer as a single entity,
as a path from the question's entity, or as a subgraph: the path and what is around its end, by
columns of W of their own. Candidates of two facts are looked at if their relations are among the
ten best for the question. Where several entities are the answer, ψ is the mean over them. Ours is
that ψ takes a mean over what is around, so that an entity of many facts does not outweigh all else,
and that it has the words of the relations' labels, by the columns of the questions' words.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.numbers import Amount, Classes, Maps

LOWEST = -1e9
"""The score of a candidate that is none, or is not looked at."""

_PATH = 3  # symbols: the start and two relations
Representation = Literal["entity", "path", "subgraph"]


class KnowledgeEmbeddings(nn.Module):
    """Scores of candidates.

    A symbol s > 0 is the directed relation s − 1, s < 0 the entity −s − 1, and 0 none; what has no
    vector is none.

    Args:
        words: size of the questions' vocabulary; word 0 is none.
        relations: directed relations that have vectors.
        entities: that have vectors: those with the most facts.
        dim: k, of the embeddings.
        candidates: that it takes of a question.
        length: words of a question.
        ends: entities of a candidate.
        kinds: relations around each of them, with a neighbour each.
        labels: words of a relation's label.
        representation: of answers.
        best: relations that paths of two facts are made of.
    """

    def __init__(
        self,
        words: Classes = 2048,
        relations: Classes = 64,
        entities: Amount = 0,
        dim: Maps = 64,
        candidates: Maps = 512,
        length: Maps = 24,
        ends: Maps = 2,
        kinds: Maps = 12,
        labels: Maps = 3,
        representation: Representation = "subgraph",
        best: Maps = 10,
    ) -> None:
        super().__init__()
        width = _PATH + ends + 2 * ends * kinds + 2 * labels
        self.input_shape = (1 + candidates, max(length, width))
        self.classes = candidates
        self.length, self.relations, self.entities = length, relations, entities
        self.ends, self.around, self.labels = ends, 2 * ends * kinds, labels
        self.representation, self.best = representation, best
        symbols = 1 + relations + entities
        self.words = nn.Embedding(words, dim, padding_idx=0)
        self.path = nn.Embedding(symbols, dim, padding_idx=0)
        self.subgraph = nn.Embedding(symbols, dim, padding_idx=0)
        nn.init.normal_(self.words.weight, std=dim**-0.5)
        nn.init.zeros_(self.words.weight[0])
        for table in (self.path, self.subgraph):  # what is never learnt about adds nothing
            nn.init.zeros_(table.weight)

    def forward_features(self, lines: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(n, 1 + candidates, width) numbers → f(q)ᵀ g(a) (n, c), f (n, dim), and of the two
        relations of each candidate the rows (n, c, 2) and the scores (n, c, 2)."""
        lines = lines.long()
        candidates = lines[:, 1:]
        asked = self.ask(lines[:, 0, : self.length])
        kinds = self._rows(candidates[..., 1:_PATH])
        last = _PATH + self.ends + self.around
        words = candidates[..., last : last + 2 * self.labels]
        relations = self.relation_vectors(kinds, words.reshape(*words.shape[:-1], 2, -1))
        answers = self.answer(candidates, relations.sum(-2))
        scores = torch.einsum("nd,ncd->nc", asked, answers)
        return scores, asked, kinds, torch.einsum("nd,nckd->nck", asked, relations)

    def forward_head(self, features: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """→ (n, candidates) scores, `LOWEST` for what is no candidate or is not looked at."""
        scores, _, kinds, by_kind = features
        return scores.masked_fill(~self._looked_at(kinds, by_kind), LOWEST)

    def forward(
        self, lines: Tensor, paraphrases: Tensor | None = None
    ) -> Tensor | dict[str, Tensor]:
        """(n, 1 + candidates, width) numbers → (n, candidates) scores.

        Args:
            lines: the words of a question, then the symbols of each candidate.
            paraphrases: (n, 2, length) in training: words of other questions; all candidates are
                scored then, and ``same`` and ``other`` (n,) are f(q)ᵀ f(q') of the two.
        """
        features = self.forward_features(lines)
        if paraphrases is None:
            return self.forward_head(features)
        scores, asked = features[:2]
        same, other = torch.einsum("nd,npd->pn", asked, self.ask(paraphrases))
        return {"scores": scores, "same": same, "other": other}

    def ask(self, words: Tensor) -> Tensor:
        """f: (…, length) words → (…, dim)."""
        return self._sum_words(words)

    def relation_vectors(self, kinds: Tensor, words: Tensor) -> Tensor:
        """What directed relations add to g: (…, dim).

        Args:
            kinds: (…) symbols of the relations, 0 for none.
            words: (…, labels) words of their labels.
        """
        made: Tensor = self.path(kinds) + self._sum_words(words)
        return made

    def answer(self, candidates: Tensor, relations: Tensor) -> Tensor:
        """g: (…, width) symbols, and what the relations add, (…, dim) → (…, dim)."""
        ends, around = _PATH + self.ends, _PATH + self.ends + self.around
        rows = self._rows(candidates[..., :around])
        found: Tensor = _bag(self.path, rows[..., _PATH:ends], "mean")
        if self.representation == "entity":
            return found
        found = found + self.path(rows[..., 0]) + relations
        if self.representation == "subgraph":
            found = found + _bag(self.subgraph, rows[..., ends:], "mean")
        return found

    def _sum_words(self, words: Tensor) -> Tensor:
        return _bag(self.words, words.clamp(0, self.words.num_embeddings - 1), "sum")

    def _rows(self, symbols: Tensor) -> Tensor:
        """Symbols as rows of the tables; 0 for what has no vector."""
        relation = torch.where((symbols > 0) & (symbols <= self.relations), symbols, 0)
        entity = torch.where(
            (symbols < 0) & (-symbols <= self.entities), self.relations - symbols, 0
        )
        return relation + entity

    def _looked_at(self, kinds: Tensor, scores: Tensor) -> Tensor:
        """(n, c) whether each candidate is of one fact, or of two of the best relations.

        Args:
            kinds: (n, c, 2) relations, 0 for none.
            scores: (n, c, 2) of each; the same for the same relation.
        """
        best = torch.full_like(scores[:, :1, 0], LOWEST).repeat(1, 1 + self.relations)
        best = best.scatter_reduce(1, kinds.flatten(1), scores.flatten(1), "amax")
        least = best[:, 1:].topk(min(self.best, self.relations), 1).values[:, -1:, None]
        good = (scores >= least) | (kinds == 0)
        return (kinds[..., 0] > 0) & ((kinds[..., 1] == 0) | good.all(-1))


def _bag(table: nn.Embedding, rows: Tensor, mode: Literal["sum", "mean"]) -> Tensor:
    """The sum or mean of the vectors of (…, m) rows, of those that are any."""
    flat = rows.reshape(-1, rows.shape[-1])
    made: Tensor = F.embedding_bag(flat, table.weight, mode=mode, padding_idx=0)
    return made.view(*rows.shape[:-1], -1)
