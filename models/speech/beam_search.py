"""Viterbi search with a beam, frame by frame: words while they are said.

Each state of the graph keeps the best path to it; those that fall behind the best one by more than
the beam are dropped (Ney, Ortmanns, "Dynamic programming search for continuous speech
recognition", 1999). Without a beam the result is the best path of the graph and the frames.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.automata import EPSILON, FINAL, Fsa
from striate.models.automata.levels import ArcGroups, expand, first_of, levels_of
from striate.models.automata.rearrange import take_arcs
from striate.models.automata.semiring import scatter_best
from striate.models.speech.word_history import Heard, WordHistory

BEAM = 12.0
MAX_ACTIVE = 2000


@dataclass(frozen=True)
class Hypothesis:
    """What has been heard so far, or in all.

    Attributes:
        words: labels of the words.
        starts: the frame at which each begins.
        stable: how many of them no further frame can change.
        score: of the path.
        complete: whether the graph allows an end here.
    """

    words: tuple[int, ...]
    starts: tuple[int, ...]
    stable: int
    score: float
    complete: bool


class BeamSearch:
    """A graph made ready to be searched; it is shared by any number of streams.

    Args:
        graph: a transducer; label c + 1 reads column c of a frame, label 0 reads none, and aux
            labels above 0 are words.
        beam: how far a path may fall behind the best one and be kept.
        max_active: how many states are kept at most.
        scale: by which frames' scores are multiplied. Neighbouring windows overlap, so that their
            scores count the same evidence several times.

    Raises:
        UsageError: the graph has a cycle of arcs that read nothing, or a number makes no sense.
    """

    def __init__(
        self,
        graph: Fsa,
        beam: float = BEAM,
        max_active: int = MAX_ACTIVE,
        scale: float = 1.0,
    ) -> None:
        if not (beam > 0 and max_active > 0 and scale > 0):
            raise UsageError("The beam, the number of states and the scale must be above 0.")
        self.beam, self.max_active, self.scale = beam, max_active, scale
        self.num_states = graph.num_states
        self.reading = _double(take_arcs(graph, (graph.labels > 0).nonzero().flatten()))
        self.first = first_of(self.reading.sources, graph.num_states)
        self.silent = _by_level(
            _double(take_arcs(graph, (graph.labels == EPSILON).nonzero()[:, 0]))
        )
        ends = _double(take_arcs(graph, (graph.labels == FINAL).nonzero().flatten()))
        self.ends = scatter_best(ends.scores, ends.sources, graph.num_states)

    def start(self) -> "SearchStream":
        """A stream of frames of its own."""
        return SearchStream(self)

    def decode(self, scores: Tensor) -> Hypothesis:
        """(T, columns) scores of all frames → the words."""
        stream = self.start()
        stream.accept(scores)
        return stream.finish()


class SearchStream:
    """One search under way; see `BeamSearch.start`."""

    def __init__(self, search: BeamSearch) -> None:
        self.search = search
        self.frames = 0
        self._offset = 0.0  # what has been taken from all scores, so that they stay small
        self._best = torch.full((search.num_states,), -torch.inf, dtype=torch.float64)
        self._heard = torch.zeros(search.num_states, dtype=torch.int64)
        self._history = WordHistory()
        self._best[:1] = 0.0
        self._move_silently()

    @torch.no_grad()
    def accept(self, scores: Tensor) -> None:
        """Take in (t, columns) scores of the next frames: logarithms of scaled likelihoods."""
        for frame in scores.double() * self.search.scale:
            self._read(frame)
            self._move_silently()
            self.frames += 1
            if self._history.crowded:
                self._heard = self._history.forget(self._heard, self._best > -torch.inf)

    def partial(self) -> Hypothesis:
        """The best path so far, whether or not it could end here."""
        return self._hypothesis(self._best, complete=False)

    def commit(self) -> Heard:
        """Take out the words that no further frame can change: later results are without them.

        Whoever keeps them may listen for as long as they like, and this stays small.
        """
        heard, self._heard = self._history.commit(self._heard, self._best > -torch.inf)
        return heard

    def finish(self) -> Hypothesis:
        """The best path that ends here; if none can, the best one so far."""
        ended = self._best + self.search.ends
        if math.isinf(float(ended.max())):
            return self.partial()
        return self._hypothesis(ended, complete=True)

    def _hypothesis(self, scores: Tensor, complete: bool) -> Hypothesis:
        at = int(scores.argmax())
        heard: Heard = self._history.trace(int(self._heard[at]))
        shared = self._history.shared(self._heard[self._best > -torch.inf])
        stable = len(heard.words) if complete else min(shared, len(heard.words))
        score = float(scores[at]) + self._offset
        return Hypothesis(heard.words, heard.starts, stable, score, complete)

    def _active(self) -> Tensor:
        """(n,) the states that are searched on."""
        best, search = self._best, self.search
        active = (best >= best.max() - search.beam).nonzero().flatten()
        if len(active) > search.max_active:
            active = active[best[active].topk(search.max_active).indices].sort().values
        return active[best[active] > -torch.inf]

    def _read(self, frame: Tensor) -> None:
        arcs = self.search.reading
        owner, taken = expand(self.search.first, active := self._active())
        sources = active[owner]
        scores = self._best[sources] + arcs.scores[taken] + frame[arcs.labels[taken] - 1]
        heard, self._best = self._heard, torch.full_like(self._best, -torch.inf)
        self._heard = torch.zeros_like(heard)
        self._take(arcs, taken, scores, heard[sources])
        if len(taken) and math.isfinite(top := float(self._best.max())):
            self._best -= top
            self._offset += top

    def _move_silently(self) -> None:
        for arcs in self.search.silent:
            scores = self._best[arcs.sources] + arcs.scores
            taken = (scores > self._best[arcs.destinations]).nonzero().flatten()
            if len(taken):
                self._take(arcs, taken, scores[taken], self._heard[arcs.sources[taken]])

    def _take(self, arcs: Fsa, taken: Tensor, scores: Tensor, heard: Tensor) -> None:
        """Go (n,) arcs with (n,) scores and what was heard before; of equal ones the first."""
        entered = arcs.destinations[taken]
        best = scatter_best(scores, entered, len(self._best))
        winning = ((scores == best[entered]) & (scores > -torch.inf)).nonzero().flatten()
        none = winning.new_full(best.shape, len(taken))
        first = none.scatter_reduce(0, entered[winning], winning, "amin")
        states = (first < len(taken)).nonzero().flatten()
        chosen = first[states]
        words = arcs.output_labels[taken[chosen]]
        self._best[states] = best[states]
        self._heard[states] = self._history.add(words, heard[chosen], self.frames)


def _double(arcs: Fsa) -> Fsa:
    return arcs.with_scores(arcs.scores.detach().double())


def _by_level(silent: Fsa) -> list[Fsa]:
    """Arcs that read nothing, in groups: none leads to where an arc of its group starts."""
    if not silent.num_arcs:
        return []
    levels = levels_of(silent.sources, silent.destinations, silent.num_states)[silent.sources]
    groups = ArcGroups.by(levels, int(levels.max()) + 1)
    return [take_arcs(silent, group) for group in groups if len(group)]
