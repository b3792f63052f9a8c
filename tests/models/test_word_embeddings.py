"""Word vectors: each pair of neighbours and each negative counts as in word2vec, one by one."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from striate.core.bundle import Architecture
from striate.models import build
from striate.models.layers.word_windows import WordBlocks
from striate.models.word_embeddings import WordEmbeddings

pytestmark = pytest.mark.unit

WORDS, DIM, WINDOW = 12, 5, 3


def network(method: str, sparse: bool = False) -> WordEmbeddings:
    torch.manual_seed(0)
    made = WordEmbeddings(WORDS, DIM, method, sparse).double()  # type: ignore[arg-type]
    with torch.no_grad():
        made.inputs.weight.normal_()
        made.outputs.weight.normal_()
    return made


def blocks() -> WordBlocks:
    """Two texts of 7 and 3 words in two blocks of 4, as the pipeline gives them."""
    texts = [[1, 2, 3, 2, 4, 5, 1], [6, 1, 6]]
    reach = torch.tensor([[[1, 3, 2, 1], [3, 2, 1, 0]], [[2, 1, 3, 0], [0, 0, 0, 0]]])
    padded = torch.zeros(2, 8 + 2 * WINDOW, dtype=torch.int64)
    for row, text in zip(padded, texts, strict=True):
        row[WINDOW : WINDOW + len(text)] = torch.tensor(text)
    contexts = padded.unfold(1, 4 + 2 * WINDOW, 4)
    negatives = torch.tensor([[[1, 7], [2, 8]], [[6, 9], [1, 1]]])
    return WordBlocks(padded[:, WINDOW:-WINDOW].view(2, 2, 4), contexts, reach, negatives)


def pairs_of(given: WordBlocks) -> Iterator[tuple[int, int, int, int]]:
    """(text, block, place of a centre, place of a neighbour) of every pair, one by one."""
    for text in range(2):
        words = given.centres[text].flatten().tolist()
        for at, word in enumerate(words):
            reach = int(given.reach[text].flatten()[at])
            for other in range(max(0, at - reach), min(len(words), at + reach + 1)):
                if other != at and word and words[other]:
                    yield text, at // 4, at, other


def one_by_one(made: WordEmbeddings, given: WordBlocks, negatives: int) -> Tensor:
    """word2vec's loss, pair by pair: each shared negative stands for some draws."""
    loss = torch.zeros((), dtype=torch.float64)
    drawn = given.negatives.shape[2]
    windows: dict[tuple[int, int, int], list[int]] = {}
    for text, block, at, other in pairs_of(given):
        windows.setdefault((text, block, at), []).append(other)
    for (text, block, at), others in windows.items():
        words = given.centres[text].flatten().tolist()
        noise = given.negatives[text, block].tolist()
        if made.method == "skip_gram":
            asked = [(made.inputs.weight[words[at]], words[other]) for other in others]
        else:
            vectors = torch.stack([made.inputs.weight[words[other]] for other in others])
            asked = [(vectors.mean(0), words[at])]
        for vector, word in asked:
            loss = loss - torch.nn.functional.logsigmoid(made.outputs.weight[word] @ vector)
            for one in noise:
                if one != word:
                    against = torch.nn.functional.logsigmoid(-made.outputs.weight[one] @ vector)
                    loss = loss - negatives / drawn * against
    return loss


def at_once(made: WordEmbeddings, given: WordBlocks, negatives: int) -> Tensor:
    loss: Tensor = made(given.centres, given, negatives)["loss"]
    return loss


@pytest.mark.parametrize("method", ["skip_gram", "cbow"])
def test_blocks_come_to_what_pairs_one_by_one_come_to(method: str) -> None:
    made, given = network(method), blocks()
    alone, together = one_by_one(made, given, 5), at_once(made, given, 5)
    assert together.item() == pytest.approx(alone.item(), rel=1e-12)
    (expected,) = torch.autograd.grad(alone, made.outputs.weight)
    (found,) = torch.autograd.grad(together, made.outputs.weight, retain_graph=True)
    assert torch.allclose(found, expected)
    if method == "skip_gram":
        expected, found = (
            torch.autograd.grad(loss, made.inputs.weight)[0]
            for loss in (one_by_one(made, given, 5), together)
        )
        assert torch.allclose(found, expected)


def test_the_error_of_a_mean_goes_to_each_of_its_words_undivided() -> None:
    """As in word2vec's own code; the true gradient would be divided by their number."""
    made, given = network("cbow"), blocks()
    only = given.reach.clone()
    only[:] = 0
    only[0, 0, 1] = 1  # the word 2 between 1 and 3
    given = WordBlocks(given.centres, given.contexts, only, given.negatives)
    (found,) = torch.autograd.grad(at_once(made, given, 5), made.inputs.weight)
    (true,) = torch.autograd.grad(one_by_one(made, given, 5), made.inputs.weight)
    assert torch.allclose(found, 2 * true) and found[1].abs().sum() > 0


@pytest.mark.parametrize("method", ["skip_gram", "cbow"])
def test_a_sparse_gradient_is_the_dense_one_of_the_rows_used(method: str) -> None:
    given = blocks()
    dense, sparse = network(method), network(method, sparse=True)
    for made in (dense, sparse):
        at_once(made, given, 5).backward()  # type: ignore[no-untyped-call]
    for one, other in zip(dense.parameters(), sparse.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None and other.grad.is_sparse
        assert torch.allclose(one.grad, other.grad.to_dense())
        assert other.grad.coalesce().indices().max() < 10


def test_vectors_begin_as_word2vec_has_them() -> None:
    torch.manual_seed(1)
    made = build(Architecture(name="word_embeddings", arguments={"vocabulary": 500, "dim": 20}))
    inputs, outputs = made.inputs.weight, made.outputs.weight  # type: ignore[union-attr]
    assert isinstance(inputs, Tensor) and isinstance(outputs, Tensor)
    assert float(inputs.detach().abs().max()) <= 0.5 / 20
    assert float(inputs.detach().std()) == pytest.approx(1 / 20 / math.sqrt(12), rel=0.02)
    assert not outputs.any()


def test_a_text_is_the_mean_of_its_words_however_it_is_padded() -> None:
    made = network("skip_gram")
    given = made(torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]]))
    assert torch.allclose(given["embedding"][0], made.inputs.weight[1:3].mean(0))
    assert torch.equal(given["embedding"][1], made.inputs.weight[3])
    assert not given["embedding"][2].any()
    assert torch.allclose(given["scores"], given["embedding"] @ made.outputs.weight.T)
