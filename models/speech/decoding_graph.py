"""Lexicon and grammar in one transducer: states of speech in, words out.

H ∘ L ∘ G (Mohri, Pereira, Riley, 2008): the grammar G over words, the lexicon L that makes phones
of them with silence where there may be some, and the hidden Markov model H that makes states of
phones: each phone's states in order, each for any number of frames.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from striate.core.errors import DataError
from striate.models.automata import EPSILON, FINAL, Fsa, arc_sort, compose, connect
from striate.models.automata.fsa import Arc
from striate.models.speech.lexicon import Lexicon, log_probability

_SILENCE_PROBABILITY = 0.5


@dataclass(frozen=True)
class PhoneStates:
    """Which outputs of a network are which states of which phone.

    Attributes:
        columns: phone → the network's outputs for its states, in the order of time.
        quiet: phones that are silences, which may stand between words.
    """

    columns: dict[str, tuple[int, ...]]
    quiet: tuple[str, ...] = ()

    @classmethod
    def of_labels(cls, labels: Sequence[str], quiet: Sequence[str] = ()) -> "PhoneStates":
        """Of the labels of a network: phones (``aa``), or their numbered states (``aa.0 aa.1``).

        Args:
            labels: of the outputs, in order.
            quiet: phones that are silences; those without an output are left out.
        """
        columns: dict[str, tuple[int, ...]] = {}
        for column, label in sorted(enumerate(labels), key=lambda one: _place(one[1])):
            phone = _place(label)[0]
            columns[phone] = (*columns.get(phone, ()), column)
        return cls(columns, tuple(phone for phone in quiet if phone in columns))


def _place(label: str) -> tuple[str, int]:
    """The phone of a label, and which of its states."""
    phone, dot, number = label.rpartition(".")
    return (phone, int(number)) if dot and phone and number.isdecimal() else (label, 0)


def decoding_graph(
    lexicon: Lexicon,
    grammar: Fsa,
    words: Sequence[str],
    states: PhoneStates,
    silence_probability: float = _SILENCE_PROBABILITY,
) -> Fsa:
    """Compile a transducer from a network's outputs to words.

    Args:
        lexicon: ways to say the words.
        grammar: acceptor over words; word i has the label i + 1.
        words: the vocabulary.
        states: what the network tells.
        silence_probability: that there is a silence after a word, and before the first.

    Returns:
        labels are outputs plus 1, aux labels those of the words.

    Raises:
        DataError: a word is said with a phone that has no states, or nothing at all can be said.
    """
    phones = {phone: number for number, phone in enumerate(states.columns, 1)}
    spoken = _lexicon_fst(lexicon, words, phones, states.quiet, silence_probability)
    graph = connect(_with_states(compose(spoken, grammar), list(states.columns.values())))
    if not graph.num_states:
        raise DataError("The grammar allows nothing that the lexicon can say.")
    return arc_sort(graph)


def _lexicon_fst(
    lexicon: Lexicon,
    words: Sequence[str],
    phones: dict[str, int],
    quiet: Sequence[str],
    silence: float,
) -> Fsa:
    """Phones in, words out. State 0 stands after a word, 1 before one; silence is between them."""
    labels = {word: at for at, word in enumerate(words, 1)}
    skip = math.log(1 - silence) if quiet else 0.0
    arcs: list[Arc] = [(0, 1, EPSILON, EPSILON, skip)]
    arcs += [(0, 1, phones[phone], EPSILON, math.log(silence / len(quiet))) for phone in quiet]
    free = 2
    for said in lexicon.pronunciations:
        if unknown := set(said.phones) - set(phones):
            raise DataError(
                f"{said.words} is said with {sorted(unknown)[0]!r}, which no state has.",
                "Take a lexicon of the phones that the network was trained on.",
            )
        if set(said.words) <= set(labels):
            read = [phones[phone] for phone in said.phones]
            way = _way(read, [labels[word] for word in said.words], log_probability(said), free)
            arcs += way
            free += len(way) - 1
    return Fsa.from_arcs([*arcs, (1, free, FINAL, FINAL, 0.0)], free + 1)


def _way(read: Sequence[int], written: Sequence[int], score: float, free: int) -> list[Arc]:
    """One pronunciation: from state 1 over new ones, from `free` on, to state 0."""
    steps = list(zip_longest(read, written, fillvalue=EPSILON))
    places = [1, *range(free, free + len(steps) - 1), 0]
    scores = [score, *[0.0] * (len(steps) - 1)]
    return [
        (start, end, *step, own)
        for start, end, step, own in zip(places, places[1:], steps, scores, strict=False)
    ]


@dataclass
class _Expanded:
    """A transducer of phones on the way to one of states.

    Attributes:
        columns: the outputs of phone i + 1.
        free: the lowest state that is not taken yet.
        chains: (state that a phone leads to, phone) → the first of its own states.
    """

    columns: Sequence[Sequence[int]]
    free: int
    arcs: list[Arc] = field(default_factory=list)
    chains: dict[tuple[int, int], int] = field(default_factory=dict)

    def enter(self, destination: int, phone: int) -> int:
        """The first state of a phone that leads to `destination`; its frame is read on the way."""
        if (destination, phone) not in self.chains:
            own = self.columns[phone - 1]
            self.chains[destination, phone] = self.free
            for at, column in enumerate(own, self.free):
                self.arcs.append((at, at, column + 1, EPSILON, 0.0))
                if at > self.free:
                    self.arcs.append((at - 1, at, column + 1, EPSILON, 0.0))
            self.free += len(own)
            self.arcs.append((self.free - 1, destination, EPSILON, EPSILON, 0.0))
        return self.chains[destination, phone]


def _with_states(fsa: Fsa, columns: Sequence[Sequence[int]]) -> Fsa:
    """Each phone's arc becomes the chain of its states; arcs to one state share a chain."""
    expanded, end = _Expanded(columns, fsa.num_states), fsa.num_states - 1
    rows = (fsa.sources, fsa.destinations, fsa.labels, fsa.output_labels, fsa.scores)
    into_end = list[Arc]()
    for source, destination, phone, word, score in zip(*(x.tolist() for x in rows), strict=True):
        if phone == FINAL:
            into_end.append((source, destination, FINAL, FINAL, score))
        elif phone == EPSILON:
            expanded.arcs.append((source, destination, EPSILON, word, score))
        else:
            first, entry = expanded.enter(destination, phone), columns[phone - 1][0]
            expanded.arcs.append((source, first, entry + 1, word, score))
    last = expanded.free  # the end is the last state again; its old number is left without arcs
    ends: list[Arc] = [(arc[0], last, FINAL, FINAL, arc[-1]) for arc in into_end]
    assert all(arc[1] != end for arc in expanded.arcs), "no phone leads to the end"
    return Fsa.from_arcs([*expanded.arcs, *ends], last + 1)
