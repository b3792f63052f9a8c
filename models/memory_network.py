"""A memory network: it keeps what it is told, and answers by finding memories and then a word.

Weston, Chopra, Bordes, "Memory networks", ICLR 2015, as recalled; sections in brackets. Its parts
are I, G, O and R [2]:

- I turns words into features: their numbers, and for unseen words the bags of words around them.
- G stores each statement in the next slot of the memory.
- O finds up to k supporting memories, one after the other, by s(x, y) = Φx(x)ᵀUᵀU Φy(y) [3.1]. With
  time [3.4] it compares memories in pairs, s(x, y, y') = Φx(x)ᵀUᵀU(Φy(y) − Φy(y') + Φt(x, y, y')),
  Φt saying whether x is older than y, x than y', and y than y', and keeps the winner.
- R gives each word a score as the answer, from the question and the memories found.

Words have one vector in the question, one in a memory found and one in what is scored; a word in
both has a further one [3.6]. Not the paper's: a null memory, which ends the search where fewer than
k memories are needed; a memory is found once; see `striate.models.layers.story_words` for words.
"""

import torch
from torch import Tensor, nn

from striate.core.numbers import Classes, Maps
from striate.models.layers.memory_search import Hop, OutputMap
from striate.models.layers.story_words import (
    Scorer,
    StoryInput,
    bags_of,
    take,
    words_in,
)

LOWEST = -1e4
"""The score of a place of the vocabulary that no word of the story has."""


class InputMap(nn.Module):
    """I: numbers of words to features."""

    def __init__(self, known: int, spare: int) -> None:
        super().__init__()
        self.known, self.spare = known, spare

    def forward(self, story: Tensor) -> StoryInput:
        """(n, 1 + sentences, words), the question first."""
        lines = story.long().clamp(0, self.known + self.spare)
        return StoryInput(lines[:, 0], lines[:, 1:], bags_of(lines, self.known, self.spare))


class Generalization(nn.Module):
    """G: each statement into the next slot; nothing that is stored is changed again [3.1]."""

    def forward(self, features: StoryInput) -> Tensor:
        """(n, sentences) bool: the slots that hold something."""
        return features.memories.any(2)


class Response(nn.Module):
    """R: a score of each word as the answer."""

    def __init__(self, known: int, spare: int, dim: int) -> None:
        super().__init__()
        self.known, self.classes = known, known + spare
        self.words = Scorer(known, dim)

    def forward(self, features: StoryInput, found: Tensor) -> Tensor:
        """(n, classes) scores, from (n, hops) memories; `LOWEST` for places without a word."""
        words = self.words
        contexts = words.contexts(features.bags)
        taken = take(features.memories, list(found.unbind(1)))
        asked = words.asked(features, taken, contexts)
        scores = asked @ words.scored.table.T
        unseen = torch.einsum("nd,nsd->ns", asked, contexts[:, 1:] + words.scored.unseen)
        scores = torch.cat([scores, unseen], 1)
        for part, role in ((features.question, words.in_question), (taken, words.in_found)):
            rows = torch.cat([role.table, role.unseen.expand(self.classes - self.known, -1)])
            scores = scores + words_in(part, self.classes)[:, 1:] * (asked @ rows.T)
        everything = torch.cat([features.question[:, None], features.memories], 1)
        there = words_in(everything, self.classes)[:, 1:].bool()
        there = there | (torch.arange(self.classes, device=there.device) < self.known)
        return scores.masked_fill(~there, LOWEST)


class MemoryNetwork(nn.Module):
    """The four components.

    Args:
        classes: places of the vocabulary, the spare ones among them.
        spare: places for words of a story that are not in the vocabulary.
        dim: n, of the embeddings.
        hops: k, supporting memories at most.
        time: whether memories are compared with time features.
        sentences: statements that it takes.
        words: of a sentence.
    """

    def __init__(
        self,
        classes: Classes = 64,
        spare: Maps = 24,
        dim: Maps = 100,
        hops: Maps = 2,
        time: bool = True,
        sentences: Maps = 14,
        words: Maps = 8,
    ) -> None:
        super().__init__()
        if spare >= classes:
            raise ValueError(f"{classes} classes leave no word beside {spare} spare places")
        known = classes - spare
        self.input_shape = (1 + sentences, words)
        self.classes = classes
        self.i = InputMap(known, spare)
        self.g = Generalization()
        self.o = OutputMap(known, spare, dim, hops, time)
        self.r = Response(known, spare, dim)

    def forward_features(self, story: Tensor) -> tuple[StoryInput, Tensor]:
        """(n, 1 + sentences, words) numbers → features, and (n, hops) memories found."""
        features = self.i(story)
        return features, self.o(features, self.g(features))

    def forward_head(self, features: tuple[StoryInput, Tensor]) -> Tensor:
        """→ (n, classes) scores of the answer."""
        scores: Tensor = self.r(*features)
        return scores

    def forward(self, story: Tensor, supports: Tensor | None = None) -> dict[str, Tensor]:
        """(n, 1 + sentences, words) → ``answers`` (n, classes), ``memories`` (n, hops).

        Args:
            story: numbers of words from 1; the question, then statements in the order of time.
            supports: (n, hops) in training: the true memories, by which the answer is scored; their
                comparisons, `Hop`, are there too, (n, hops, c) each; ``under`` with time alone.
        """
        if supports is None:
            features, found = self.forward_features(story)
            return {"answers": self.forward_head((features, found)), "memories": found}
        features = self.i(story)
        hops = self.o.compare(features, self.g(features), supports)
        names = Hop._fields if self.o.time else ("over", "others")
        compared = {name: torch.stack([getattr(hop, name) for hop in hops], 1) for name in names}
        return {"answers": self.r(features, supports), "memories": supports, **compared}
