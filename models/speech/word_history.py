"""The words on the way to each state of a search: a tree whose nodes know their parents."""

from dataclasses import dataclass

import torch
from torch import Tensor

_ROOM = 20_000


@dataclass(frozen=True)
class Heard:
    """Words on one way, and the frame at which each begins."""

    words: tuple[int, ...]
    starts: tuple[int, ...]


class WordHistory:
    """A tree of words; node 0 is its root, where nothing was heard."""

    def __init__(self) -> None:
        self._words, self._starts, self._parents = [0], [0], [-1]
        self._room = _ROOM

    @property
    def crowded(self) -> bool:
        """Whether it is time to forget what no way goes through any more."""
        return len(self._words) > self._room

    def add(self, words: Tensor, parents: Tensor, frame: int) -> Tensor:
        """(n,) words heard after (n,) nodes → (n,) nodes; word 0 is none and keeps its node."""
        new = (words > 0).nonzero().flatten()
        nodes = parents.clone()
        nodes[new] = torch.arange(len(new)) + len(self._words)
        self._words += words[new].tolist()
        self._parents += parents[new].tolist()
        self._starts += [frame] * len(new)
        return nodes

    def trace(self, node: int) -> Heard:
        """The words from the root to a node."""
        way = self._way(node)
        return Heard(
            tuple(self._words[one] for one in way), tuple(self._starts[one] for one in way)
        )

    def shared(self, nodes: Tensor) -> int:
        """How many words all ways to (n,) nodes begin with."""
        return len(self._way(self._fork(nodes)))

    def commit(self, nodes: Tensor, living: Tensor) -> tuple[Heard, Tensor]:
        """Take out the words that all ways to the (n,) living ones of (n,) nodes begin with.

        Returns:
            The words, and the nodes' new numbers.
        """
        fork = self._fork(nodes[living])
        heard = self.trace(fork)
        return heard, self.forget(nodes, living, fork) if fork else nodes

    def forget(self, nodes: Tensor, living: Tensor, root: int = 0) -> Tensor:
        """Keep the ways from `root` to those of (n,) nodes that are (n,) living.

        Returns:
            The nodes' new numbers; the root's is 0.
        """
        kept = {root}
        for node in set(nodes[living].tolist()):
            while node not in kept:
                kept.add(node)
                node = self._parents[node]
        numbers = {node: at for at, node in enumerate(sorted(kept))}
        self._words = [self._words[node] for node in numbers]
        self._starts = [self._starts[node] for node in numbers]
        self._parents = [numbers.get(self._parents[node], -1) for node in numbers]
        self._room = max(_ROOM, 2 * len(numbers))
        return torch.tensor([numbers.get(node, 0) for node in nodes.tolist()])

    def _fork(self, nodes: Tensor) -> int:
        """The last node that all ways to (n,) nodes go through; the root of none."""
        left = set(nodes.tolist())
        while len(left) > 1:  # a parent's number is lower than its children's
            highest = max(left)
            left.remove(highest)
            left.add(self._parents[highest])
        return left.pop() if left else 0

    def _way(self, node: int) -> list[int]:
        way = []
        while node > 0:
            way.append(node)
            node = self._parents[node]
        return way[::-1]
