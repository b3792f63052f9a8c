"""Beam search: the most likely translations, bounded, and the same in whatever batch."""

import heapq
import math
from itertools import count

import pytest
import torch
from torch import Tensor

from striate.core.errors import UsageError
from striate.models.seq2seq import BEGIN, END, PAD, Seq2SeqLstm
from striate.models.translation.beam_search import Candidate, SentenceSearch, take_best

pytestmark = pytest.mark.unit


def network(classes: int = 40, dim: int = 24, seed: int = 0, sharp: float = 4.0) -> Seq2SeqLstm:
    """An untrained one whose answers depend much on what it has read."""
    torch.manual_seed(seed)
    model = Seq2SeqLstm(50, classes, dim, layers=2).double().eval()
    with torch.no_grad():
        model.head.weight.mul_(sharp)
        for stack in (model.reader, model.writer):
            for parameter in stack.parameters():
                parameter.mul_(2)
    return model


def sources(number: int, most: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, most + 1, (number,), generator=generator).tolist()
    return [torch.randint(4, 50, (length,), generator=generator) for length in lengths]


def padded(some: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=PAD)


def log_p(model: Seq2SeqLstm, source: Tensor, words: list[int]) -> float:
    """Of words and the end, all at once."""
    target = torch.tensor([[BEGIN, *words]])
    scores = model(source[None], target)[0].log_softmax(1)
    return float(sum(scores[at, word] for at, word in enumerate([*words, END])))


def likeliest(model: Seq2SeqLstm, source: Tensor) -> tuple[list[int], float]:
    """The best of all translations: partial ones in the order of their probability."""
    code, turns = model.forward_features(source[None]), count()
    waiting = [(0.0, next(turns), [BEGIN], code)]
    while True:
        cost, _, words, code = heapq.heappop(waiting)
        if words[-1] == END:
            return words[1:-1], -cost
        scores, after = model.write(torch.tensor([words[-1:]]), code)
        for word, score in enumerate(scores[0, 0].log_softmax(0).tolist()):
            if word not in (PAD, BEGIN) and not (word == END and len(words) == 1):
                heapq.heappush(waiting, (cost - score, next(turns), [*words, word], after))


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_translations(seed: int) -> None:
    model = network(classes=7, seed=seed)
    for source in sources(3, 4):
        words, score = likeliest(model, source)
        best = SentenceSearch(model, 64, length_penalty=0).translate(source[None])[0][0]
        assert (list(best.words), best.complete) == (words, True)
        assert best.score == pytest.approx(score, abs=1e-7)


@torch.no_grad()
def test_scores_are_those_of_the_whole_translation_and_in_order() -> None:
    model = network()
    some = sources(6)
    for source, found in zip(some, SentenceSearch(model, 5).translate(padded(some)), strict=True):
        assert 1 <= len(found) <= 5 and len(set(found)) == len(found)
        for one in found:
            assert one.words and not {PAD, BEGIN, END} & set(one.words)
            if one.complete:
                assert one.score == pytest.approx(log_p(model, source, list(one.words)), abs=1e-6)
        ranks = [one.rank(1.0) for one in found]
        assert ranks == sorted(ranks, reverse=True)


@torch.no_grad()
def test_a_beam_of_one_takes_the_likeliest_word_each_time() -> None:
    model = network()
    for source in sources(8):
        code, words = model.forward_features(source[None]), [BEGIN]
        while len(words) < 2 * len(source) + 11 and words[-1] != END:
            scores, code = model.write(torch.tensor([words[-1:]]), code)
            scores[0, 0, [PAD, BEGIN, *([END] if len(words) == 1 else [])]] = -math.inf
            words.append(int(scores[0, 0].argmax()))
        (one,) = SentenceSearch(model, 1).translate(source[None])[0]
        assert list(one.words) == [word for word in words[1:] if word != END]
        assert one.complete == (words[-1] == END)


@torch.no_grad()
@pytest.mark.parametrize("beam", [1, 12])
def test_a_sentence_is_translated_alike_in_every_batch(beam: int) -> None:
    """Alone and in batches of 2, 50 and 80, of two equal words too: the earlier one is taken."""
    model = network(classes=301, dim=37)
    for twin, word in ((300, 17), (150, 30), (43, 42)):
        model.head.weight[twin] = model.head.weight[word]
        model.target.weight[twin] = model.target.weight[word]
    search, some = SentenceSearch(model, beam), sources(80, 5)
    alone = [search.translate(one[None])[0] for one in some]
    assert any({17, 30, 42} & set(one.words) for found in alone for one in found)
    for size in (2, 50, 80):
        together: list[list[Candidate]] = []
        for at in range(0, 80, size):
            together += search.translate(padded(some[at : at + size]))
        assert together == alone, f"batches of {size}"


@torch.no_grad()
def test_a_network_that_never_ends_is_cut() -> None:
    """One word a thousand times, and a writer that goes round in a circle."""
    model = network()
    real = model.write

    def write(target: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        scores, after = real(target, code)
        scores[..., END], scores[..., 7] = -50.0, 50.0
        return scores, after

    model.write = write  # type: ignore[method-assign]
    (one, *_) = SentenceSearch(model, 2).translate(torch.full((1, 1000), 9))[0]
    assert (one.words, one.complete) == ((7,) * 2010, False)


def test_complete_translations_come_before_those_that_were_cut() -> None:
    whole, cut = Candidate((5,), -30.0, True), Candidate((5, 6), -0.1, False)
    assert whole.rank(1.0) > cut.rank(1.0)
    short, long = Candidate((5,), -3.0, True), Candidate((5, 6, 7), -4.0, True)
    assert short.rank(0) > long.rank(0) and short.rank(1) < long.rank(1)


def test_the_best_continuations_of_each_sentence_are_taken() -> None:
    scores = torch.tensor([[3.0, 1.0], [2.0, 2.0], [9.0, 8.0], [-math.inf, 0.0]])
    sentences = torch.tensor([0, 0, 1, 3])
    rows, columns = take_best(scores, sentences, torch.tensor([3, 1, 5, 2]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [
        (0, 0), (1, 0), (1, 1), (2, 0), (3, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"beam": 0}, "beam of 0"), ({"beam": 65}, "1 to 64"), ({"length_penalty": -1.0}, "-1.0")],
)
def test_numbers_that_cannot_be_meant_are_refused(changes: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        SentenceSearch(network(), **changes)  # type: ignore[arg-type]
    assert said in str(refused.value) + refused.value.remedy
