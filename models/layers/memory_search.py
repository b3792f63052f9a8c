"""The component O of a memory network: which memories support an answer.

Weston, Chopra, Bordes, "Memory networks", ICLR 2015, sections 3.1 and 3.4, as recalled: see
`striate.models.memory_network`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.models.layers.story_words import NONE, Scorer, StoryInput, take, words_in


class Hop(NamedTuple):
    """The comparisons of one hop; c stands for sentences + 1, the null memory being the last.

    Attributes:
        over: (n, c) s(x, true, y): that of the true memory over each.
        under: (n, c) s(x, y, true): that of each over the true memory; only looked at with time.
        others: (n, c) bool: which ones there are, without the true one.
    """

    over: Tensor
    under: Tensor
    others: Tensor


class OutputMap(nn.Module):
    """O: the supporting memories.

    Args:
        known: words of the vocabulary.
        spare: places for unseen ones.
        dim: n, of the embeddings.
        hops: k.
        time: whether memories are compared with time features.
    """

    def __init__(self, known: int, spare: int, dim: int, hops: int, time: bool) -> None:
        super().__init__()
        self.classes, self.hops, self.time = known + spare, hops, time
        self.words = Scorer(known, dim)
        self.null = nn.Parameter(torch.zeros(dim))
        self.times = nn.Parameter(torch.zeros(3, dim)) if time else None

    def forward(self, features: StoryInput, stored: Tensor) -> Tensor:
        """(n, hops) numbers of memories, from 0; `NONE` where the search had ended."""
        found: list[Tensor] = []
        for _ in range(self.hops):
            scores, times, left, newer = self._scores(features, stored, found)
            best = self._scan(scores, times, left, newer)
            found.append(best if not found else torch.where(found[-1] == NONE, NONE, best))
        return torch.stack(found, 1)

    def compare(self, features: StoryInput, stored: Tensor, supports: Tensor) -> list[Hop]:
        """Each hop's comparisons with the true memory, those before it given.

        Args:
            features: of the component I.
            stored: of the component G.
            supports: (n, hops) the true memories; `NONE` for the null memory.
        """
        hops = []
        for at in range(self.hops):
            before = [supports[:, one] for one in range(at)]
            scores, times, left, newer = self._scores(features, stored, before)
            true = torch.where(supports[:, at] == NONE, scores.shape[1] - 1, supports[:, at])
            others = left.scatter(1, true[:, None], False)
            if before:
                others = others & (before[-1] != NONE)[:, None]
            mine, there = (one.gather(1, true[:, None]) for one in (scores, newer))
            slots = torch.arange(scores.shape[1], device=scores.device)
            real = (slots < scores.shape[1] - 1) & (true[:, None] < scores.shape[1] - 1)
            earlier, later = true[:, None] < slots, slots < true[:, None]
            over = mine - scores + _flags(times, there, newer, earlier & real)
            under = scores - mine + _flags(times, newer, there, later & real)
            hops.append(Hop(over, under, others))
        return hops

    def _scores(
        self, features: StoryInput, stored: Tensor, found: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of one hop, c being sentences + 1 with the null memory last.

        Returns:
            (n, c) scores without time; (n, 3) what each flag of time adds; (n, c) bool, which
            memories may be found; (n, c) bool, which are newer than x, the latest memory found.
        """
        words = self.words
        contexts = words.contexts(features.bags)
        taken = take(features.memories, found)
        asked = words.asked(features, taken, contexts)
        memories = features.memories
        vectors = words.scored(memories) + words.contexts.of(memories, contexts)
        for part, role in ((features.question, words.in_question), (taken, words.in_found)):
            there = words_in(part, self.classes).gather(1, memories.flatten(1))
            vectors = vectors + role(memories) * there.view(*memories.shape, 1)
        scores = torch.einsum("nd,nsd->ns", asked, vectors.sum(2))
        scores = torch.cat([scores, (asked @ self.null)[:, None]], 1)
        slots = torch.arange(stored.shape[1], device=stored.device)
        left, newer = stored, torch.zeros_like(stored)
        for one in found:
            left = left & (slots != one[:, None])
            newer = slots > one[:, None]
        none = torch.zeros_like(stored[:, :1])
        times = (
            asked @ self.times.T if self.times is not None else asked.new_zeros(asked.shape[0], 3)
        )
        return scores, times, torch.cat([left, ~none], 1), torch.cat([newer & stored, none], 1)

    def _scan(self, scores: Tensor, times: Tensor, left: Tensor, newer: Tensor) -> Tensor:
        """(n,) the winner of pairwise comparisons, from the oldest memory to the null one."""
        last = scores.shape[1] - 1
        best = torch.full_like(scores[:, 0], NONE, dtype=torch.long)
        for slot in range(last + 1):
            at = best.clamp(min=0)[:, None]
            mine, there = scores.gather(1, at)[:, 0], newer.gather(1, at)[:, 0]
            older = torch.full_like(there, slot < last)
            kept = (
                mine
                - scores[:, slot]
                + _flags(times, there[:, None], newer[:, slot : slot + 1], older[:, None])[:, 0]
            )
            wins = left[:, slot] & ((best == NONE) | (kept <= 0))
            best = torch.where(wins, slot, best)
        return torch.where(best == last, NONE, best)


def _flags(times: Tensor, mine: Tensor, other: Tensor, older: Tensor) -> Tensor:
    """(n, c): what time adds, x being older than y, x than y', and y than y'."""
    first, second, third = times.unsqueeze(1).unbind(2)
    return mine * first + other * second + older * third
