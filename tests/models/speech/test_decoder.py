"""The decoder: the best path of graph and frames, whatever the chunks, and words of frames."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.core.errors import DataError, UsageError
from striate.models.automata import FINAL, Fsa, compose, dense_fsa, linear_fsa, shortest_path
from striate.models.speech import word_history
from striate.models.speech.beam_search import BeamSearch
from striate.models.speech.decoding_graph import PhoneStates, decoding_graph
from striate.models.speech.grammar import bigram_grammar
from striate.models.speech.lexicon import Lexicon

pytestmark = pytest.mark.unit

LEXICON = Lexicon.of_text(
    "the 0.7 D @\nthe 0.3 D i\nboat 1 b oU t\nboats 1 b oU t s\ntwo 1 t u\nin_the 1 I n D\n"
)
PHONES = ("b", "D", "@", "i", "oU", "t", "s", "u", "I", "n", "h#", "pau")
LABELS = tuple(f"{phone}.{at}" for phone in PHONES for at in range(2))
SAID = [["the", "boat"], ["two", "boats"], ["two", "boats", "in", "the", "boat"]]


@pytest.fixture(scope="module")
def graph() -> Fsa:
    grammar = bigram_grammar(SAID, LEXICON.words)
    states = PhoneStates.of_labels(LABELS, quiet=("h#", "pau", "epi"))
    return decoding_graph(LEXICON, grammar, LEXICON.words, states)


def frames_of(phones: str, noise: float = 0.0, seed: int = 0) -> Tensor:
    """(T, states) scores of phones said one after the other, two to five frames a state."""
    torch.manual_seed(seed)
    rows = []
    for phone in phones.split():
        for at in range(2):
            one = torch.full((len(LABELS),), -6.0)
            one[LABELS.index(f"{phone}.{at}")] = 0.0
            rows += [one] * int(torch.randint(2, 6, ()))
    frames = torch.stack(rows)
    return frames + noise * torch.randn_like(frames)


def words(labels: tuple[int, ...]) -> str:
    return " ".join(LEXICON.words[label - 1] for label in labels)


@pytest.mark.parametrize("noise", [0.0, 1.5])
def test_phones_become_the_words_that_were_said(graph: Fsa, noise: float) -> None:
    search = BeamSearch(graph, beam=40.0)
    for said, phones in {
        "two boats in the boat": "h# t u b oU t s I n D b oU t",
        "the boat": "h# D i pau b oU t h#",
        "two boat": "t u b oU t",
    }.items():
        found = search.decode(frames_of(phones, noise))
        assert (words(found.words), found.complete) == (said, True)
        assert found.stable == len(found.words)
    assert found.starts[0] == 0
    assert found.starts[1] == pytest.approx(14, abs=6)


def small_graphs() -> st.SearchStrategy[Fsa]:
    """Random transducers of two columns and two words, with loops, none of them of ε."""

    def arc(source: int, target: int, label: int, word: int, score: int) -> tuple[int, ...]:
        silent = source >= target
        return source, target, 1 + label % 2 if silent else label, word, score

    arcs = st.builds(arc, *[st.integers(0, 3)] * 2, *[st.integers(0, 2)] * 2, st.integers(-6, 0))
    ends = st.builds(lambda at, score: (at, 4, FINAL, FINAL, score), *[st.integers(0, 3)] * 2)
    return st.builds(
        lambda inner, last: Fsa.from_arcs([*inner, *last], 5),
        st.lists(arcs, max_size=10),
        st.lists(ends, min_size=1, max_size=2),
    )


@settings(max_examples=60)
@given(small_graphs(), st.integers(0, 6), st.integers(0, 99))
def test_without_a_beam_it_finds_the_best_path(fsa: Fsa, frames: int, seed: int) -> None:
    scores = torch.randn((frames, 2), generator=torch.Generator().manual_seed(seed))
    found = BeamSearch(fsa, beam=float("inf")).decode(scores)
    lattice = compose(dense_fsa(scores), fsa)
    best = shortest_path(lattice)
    assert found.complete == bool(best.num_states)
    if found.complete:
        score = pytest.approx(float(best.scores.sum()), abs=1e-5)
        assert found.score == score
        # Of several best paths it may find another one: the best with its words is as good.
        own = shortest_path(compose(lattice, linear_fsa(found.words)))
        assert float(own.scores.sum()) == score
        assert own.num_states


def test_chunks_and_forgetting_change_nothing_and_stable_words_stay(
    graph: Fsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = BeamSearch(graph, beam=30.0)
    scores = frames_of("h# t u b oU t s I n D b oU t pau t u b oU t s", 1.5)
    whole = search.decode(scores)
    monkeypatch.setattr(word_history, "_ROOM", 20)
    stream, stable = search.start(), list[int]()
    for at in range(0, len(scores), 7):
        stream.accept(scores[at : at + 7])
        partial = stream.partial()
        stable.append(partial.stable)
        assert partial.words[: partial.stable] == whole.words[: partial.stable]
    assert stream.finish() == whole
    assert stable == sorted(stable)
    assert 3 <= stable[-1] <= len(whole.words)


def test_a_narrow_beam_and_few_states_still_give_words(graph: Fsa) -> None:
    scores = frames_of("h# t u b oU t s")
    for search in (BeamSearch(graph, beam=2.0), BeamSearch(graph, max_active=5)):
        assert words(search.decode(scores).words) == "two boats"


def test_half_a_word_is_heard_and_said_to_be_incomplete(graph: Fsa) -> None:
    found = BeamSearch(graph).decode(frames_of("h# t u b"))
    assert not found.complete
    assert words(found.words).startswith("two boat")
    nothing = BeamSearch(graph).start().finish()
    assert nothing.words == ()


def test_what_cannot_be_decoded_is_refused(graph: Fsa) -> None:
    with pytest.raises(UsageError, match="above 0"):
        BeamSearch(graph, beam=0)
    states = PhoneStates.of_labels(["b", "oU"])
    grammar = bigram_grammar(SAID, LEXICON.words)
    with pytest.raises(DataError, match="which no state has"):
        decoding_graph(LEXICON, grammar, LEXICON.words, states)


def test_labels_name_phones_and_their_states() -> None:
    states = PhoneStates.of_labels(["a.1", "h#", "a.0", "b", "."], quiet=["h#", "pau"])
    assert states.columns == {"a": (2, 0), "h#": (1,), "b": (3,), ".": (4,)}
    assert states.quiet == ("h#",)
