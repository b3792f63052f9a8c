"""The task of translations: its loss and perplexity by their definitions, exact however split."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from striate.core.bundle import TensorSpec
from striate.data.stream.batch import Batch
from striate.data.transforms.text.tokenizer import BEGIN, END, PAD
from striate.models.seq2seq import Seq2SeqLstm
from striate.train.config import TaskConfig
from striate.train.tasks.mistakes import Mistakes
from striate.train.tasks.translation import Translations

pytestmark = pytest.mark.unit

CPU = torch.device("cpu")
WORDS = 12
LENGTHS = (3, 1, 5, 4, 2, 5, 1)


def batch_of(*lengths: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    target = torch.full((len(lengths), max(lengths) + 2), PAD)
    for at, length in enumerate(lengths):
        words = torch.randint(4, WORDS, (length,), generator=generator).tolist()
        target[at, : length + 2] = torch.tensor([BEGIN, *words, END])
    tensors = {
        "source": torch.randint(4, WORDS, (len(lengths), 4), generator=generator),
        "target": target,
        "target_mask": target != PAD,
        "rows": torch.arange(len(lengths)) + 7,
    }
    return Batch(tensors, len(lengths), 0, len(lengths))


def network() -> Seq2SeqLstm:
    torch.manual_seed(0)
    return Seq2SeqLstm(WORDS, WORDS, dim=8, layers=2).double()


def task(**changes: float) -> Translations:
    return Translations(TaskConfig(name="translation", **changes), 0)


@torch.no_grad()
def by_hand(model: Seq2SeqLstm, batch: Batch, row: int) -> list[float]:
    """−ln p of each word of a translation and of its end."""
    target = batch.tensors["target"][row]
    words = target[target != PAD]
    scores = model(batch.tensors["source"][row : row + 1], words[None, :-1])[0].log_softmax(1)
    return [-float(scores[at, word]) for at, word in enumerate(words[1:].tolist())]


def test_the_loss_is_that_of_every_word_and_of_the_end() -> None:
    model, batch = network(), batch_of(*LENGTHS)
    wanted = sum(sum(by_hand(model, batch, row)) for row in range(len(LENGTHS)))
    found = task().loss(task().compute(model, batch), batch)
    assert float(found.detach()) == pytest.approx(wanted, rel=1e-9)
    smooth = task(label_smoothing=0.1)
    assert smooth.loss(smooth.compute(model, batch), batch) > found


@torch.no_grad()
def test_counts_are_exact_however_sentences_are_split() -> None:
    model, batch, ours = network(), batch_of(*LENGTHS), task()
    whole = ours.count(ours.predict(model, batch), batch)
    metrics = whole.metrics()
    tokens = sum(LENGTHS) + len(LENGTHS)
    nats = sum(sum(by_hand(model, batch, row)) for row in range(len(LENGTHS)))
    assert float(whole.tokens) == tokens
    assert metrics["perplexity"] == pytest.approx(math.exp(nats / tokens))
    assert metrics["token_likelihood"] == pytest.approx(1 / metrics["perplexity"])
    assert metrics["loss"] == pytest.approx(nats / len(LENGTHS))
    assert ours.headline in metrics
    for cuts in ((0, 3, 7), (0, 1, 2, 6, 7)):
        tally, worst = ours.zero(CPU), Mistakes()
        for start, stop in pairwise(cuts):
            part = batch.map(lambda one, a=start, b=stop: one[a:b])  # type: ignore[misc]
            outputs = ours.predict(model, part)
            tally = tally + ours.count(outputs, part)
            worst = worst + ours.mistakes(outputs, part)
        found = ours.unpack(tally.pack(), CPU)
        assert found.metrics() == pytest.approx(metrics, rel=1e-12)
        assert [one.row for one in worst.worst] == [
            one.row for one in ours.mistakes(ours.predict(model, batch), batch).worst
        ]


@torch.no_grad()
def test_the_worst_translations_are_those_that_surprise_most() -> None:
    model, batch, ours = network(), batch_of(*LENGTHS), task()
    found = ours.mistakes(ours.predict(model, batch), batch).worst
    means = {
        row: sum(costs) / len(costs)
        for row in range(len(LENGTHS))
        for costs in [by_hand(model, batch, row)]
    }
    assert [one.row - 7 for one in found] == sorted(means, key=lambda row: -means[row])
    worst = found[0]
    assert worst.score == pytest.approx(means[worst.row - 7])
    costs = by_hand(model, batch, worst.row - 7)
    at = costs.index(max(costs))
    assert worst.true == int(batch.tensors["target"][worst.row - 7, at + 1])
    guesses = worst.evidence.split()
    assert len(guesses) == len(costs) and int(guesses[at]) == worst.predicted != worst.true


def test_a_perfect_network_makes_no_mistake_and_a_hopeless_one_has_a_finite_perplexity() -> None:
    batch, ours = batch_of(2, 3), task()
    wanted: Tensor = torch.nn.functional.one_hot(batch.tensors["target"][:, 1:], WORDS).double()
    assert ours.mistakes({"output": 100 * wanted}, batch).worst == ()
    right = ours.count({"output": 100 * wanted}, batch).metrics()
    assert right["token_accuracy"] == 1 and right["perplexity"] == pytest.approx(1)
    wrong = ours.count({"output": -1e6 * wanted}, batch).metrics()
    assert math.isfinite(wrong["perplexity"]) and wrong["token_likelihood"] > 0


def test_a_bundle_takes_sentences_of_any_length() -> None:
    taken = TensorSpec(dtype="float32", shape=(32,), layout="T", units="token id")
    signature = task().signature(network(), taken, ())
    assert {name: one.shape for name, one in signature.inputs.items()} == {
        "source": ("source_words",), "target": ("target_words",)
    }  # fmt: skip
    assert {one.dtype for one in signature.inputs.values()} == {"int64"}
    assert signature.outputs["scores"].shape == ("target_words", WORDS)
