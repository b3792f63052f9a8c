"""Words of stories as vectors: known ones by their own, unseen ones by the words around them.

Weston, Chopra, Bordes, "Memory networks", ICLR 2015, sections 3.5 and 3.6, as recalled: a word that
was never seen is represented by the bags of words that stand left and right of it, and a word that
occurs in both of two texts has a feature for that as well. Here unseen words share one vector
beside their bags, and one feature for a word in both; the paper matches their bags instead. A bag
holds the known words up to two places off.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REACH = 2
"""Words to the left and right of an unseen word that are looked at."""

NONE = -1
"""In the place of a memory: none was needed."""

_STD = 0.1


@dataclass(frozen=True)
class StoryInput:
    """A story and a question in the feature space, as the component I gives them.

    Attributes:
        question: (n, words) numbers from 1, 0 where there is none.
        memories: (n, sentences, words) the same, in the order of time.
        bags: (n, spare, 2 × known) the words left and right of each unseen word, in even shares.
    """

    question: Tensor
    memories: Tensor
    bags: Tensor


class Words(nn.Module):
    """Vectors of words in one role: Uᵀ's rows for a part of the feature space.

    Args:
        known: words of the vocabulary.
        dim: of the vectors.
    """

    def __init__(self, known: int, dim: int) -> None:
        super().__init__()
        self.known = known
        self.vectors = nn.Parameter(torch.empty(known + 1, dim).normal_(std=_STD))

    def forward(self, numbers: Tensor) -> Tensor:
        """(…) numbers → (…, dim), zeros for 0; unseen words have the last row."""
        rows = (numbers - 1).clamp(0, self.known)
        vectors: Tensor = self.vectors[rows] * (numbers > 0).unsqueeze(-1)
        return vectors

    @property
    def table(self) -> Tensor:
        """(known, dim): the words of the vocabulary."""
        return self.vectors[:-1]

    @property
    def unseen(self) -> Tensor:
        """(dim,): what all unseen words share."""
        return self.vectors[-1]


class Contexts(nn.Module):
    """Vectors of what stands left and right of a word, for unseen ones.

    Args:
        known: words of the vocabulary.
        dim: of the vectors.
    """

    def __init__(self, known: int, dim: int) -> None:
        super().__init__()
        self.known = known
        self.vectors = nn.Parameter(torch.empty(2 * known, dim).normal_(std=_STD))

    def forward(self, bags: Tensor) -> Tensor:
        """(n, spare, 2 × known) → (n, 1 + spare, dim), zeros first: for known words."""
        return F.pad(bags.to(self.vectors.dtype) @ self.vectors, (0, 0, 1, 0))

    def of(self, numbers: Tensor, vectors: Tensor) -> Tensor:
        """(n, …) numbers → (n, …, dim): the vectors of unseen words, zeros for others."""
        places = (numbers - self.known).clamp(min=0).flatten(1)
        found = vectors.gather(1, places.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))
        return found.view(*numbers.shape, vectors.shape[-1])


class Scorer(nn.Module):
    """Uᵀ of one component: vectors of words by role, with those of contexts and matches."""

    def __init__(self, known: int, dim: int) -> None:
        super().__init__()
        self.question, self.found, self.scored = (Words(known, dim) for _ in range(3))
        self.in_question, self.in_found = Words(known, dim), Words(known, dim)
        self.contexts = Contexts(known, dim)

    def asked(self, features: StoryInput, found: Tensor, contexts: Tensor) -> Tensor:
        """(n, dim): the question with the words of memories found, (n, …)."""
        parts = ((self.question, features.question), (self.found, found.flatten(1)))
        vectors = [role(words) + self.contexts.of(words, contexts) for role, words in parts]
        return torch.cat(vectors, 1).sum(1)


def bags_of(lines: Tensor, known: int, spare: int) -> Tensor:
    """The known words left and right of each unseen one, wherever it stands.

    Args:
        lines: (n, lines, words) numbers.
        known: words of the vocabulary; greater numbers are unseen ones.
        spare: of the unseen ones.

    Returns:
        (n, spare, 2 × known) float: each different word has an even share of its bag, which sum to
        1 where the bag is not empty; the left bag first.
    """
    words = lines.shape[2]
    sides = []
    for direction in (1, -1):
        bag = torch.zeros(lines.shape[0], (spare + 1) * (known + 1), device=lines.device)
        for step in range(1, min(REACH, words - 1) + 1):
            here, there = (lines[..., step:], lines[..., :-step])[::direction]
            places = (here - known).clamp(min=0)
            rows = torch.where(there > known, 0, there)
            cells = (places * (known + 1) + rows).flatten(1)
            bag = bag.scatter(1, cells, 1.0)
        bag = bag.view(-1, spare + 1, known + 1)[:, 1:, 1:]
        sides.append(bag / bag.sum(2, keepdim=True).clamp(min=1))
    return torch.cat(sides, 2)


def words_in(numbers: Tensor, classes: int) -> Tensor:
    """(n, …) numbers → (n, classes + 1) float: 1 for each word that occurs; none for 0."""
    found = torch.zeros(numbers.shape[0], classes + 1, device=numbers.device)
    found = found.scatter(1, numbers.flatten(1), 1.0)
    return torch.cat([torch.zeros_like(found[:, :1]), found[:, 1:]], 1)


def take(memories: Tensor, found: list[Tensor]) -> Tensor:
    """(n, hops × words) the words of the memories found; 0 for those of `NONE`."""
    words = memories.shape[2]
    if not found:
        return memories.new_zeros(memories.shape[0], 0)
    parts = [
        memories.gather(1, one.clamp(min=0)[:, None, None].expand(-1, 1, words))[:, 0]
        * (one != NONE)[:, None]
        for one in found
    ]
    return torch.cat(parts, 1)
