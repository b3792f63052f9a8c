"""The LSTMs that translate: what is read, in which order, and that padding changes nothing."""

import pytest
import torch
from torch import Tensor

from striate.core.bundle import Architecture
from striate.core.errors import UsageError
from striate.data.transforms.text import tokenizer
from striate.models import build, seq2seq
from striate.models.layers.dropout import sample_keys
from striate.models.layers.lstm_stack import LstmStack
from striate.models.seq2seq import BEGIN, PAD, UNKNOWN, Seq2SeqLstm

pytestmark = pytest.mark.unit

WORDS, CLASSES = 30, 20


def network(**changes: bool | float) -> Seq2SeqLstm:
    torch.manual_seed(0)
    arguments = {"source_words": WORDS, "classes": CLASSES, "dim": 16, "layers": 3, **changes}
    model = build(Architecture(name="seq2seq_lstm", arguments=arguments))
    assert isinstance(model, Seq2SeqLstm)
    return model.double().eval()


def sentences(*lengths: int, width: int | None = None) -> Tensor:
    ids = torch.full((len(lengths), width or max(lengths)), PAD)
    generator = torch.Generator().manual_seed(len(lengths))
    for at, length in enumerate(lengths):
        ids[at, :length] = torch.randint(4, WORDS, (length,), generator=generator)
    return ids


def test_a_code_is_outputs_and_cells_of_all_layers() -> None:
    with torch.device("meta"):
        paper = Seq2SeqLstm()
        code = paper.forward_features(torch.zeros(2, 7))
    assert code.shape == (2, 8, 1000)  # 8,000 numbers


@pytest.mark.parametrize("reverse", [True, False])
def test_padding_changes_nothing(reverse: bool) -> None:
    model = network(reverse=reverse)
    ids = sentences(5, 1, 9, width=14)
    codes = model.forward_features(ids)
    for at, length in enumerate((5, 1, 9)):
        alone = model.forward_features(ids[at : at + 1, :length])
        assert torch.allclose(codes[at], alone[0], rtol=0, atol=1e-14)
    assert not model.forward_features(torch.zeros(2, 6)).any()  # exactly nothing


def test_the_source_is_read_from_its_end() -> None:
    backward, forward = network(), network(reverse=False)
    ids = sentences(6, 3, width=8)
    turned = ids.clone()
    turned[0, :6], turned[1, :3] = ids[0, :6].flip(0), ids[1, :3].flip(0)
    assert torch.equal(backward.forward_features(ids), forward.forward_features(turned))
    assert not torch.allclose(backward.forward_features(ids), forward.forward_features(ids))


def test_word_by_word_is_as_all_at_once() -> None:
    model = network()
    ids, target = sentences(6, 3), torch.tensor([[BEGIN, 5, 9, 4], [BEGIN, 7, 7, 8]])
    whole = model(ids, target)
    assert whole.shape == (2, 4, CLASSES)
    code = model.forward_features(ids)
    for at in range(4):
        scores, code = model.write(target[:, at : at + 1], code)
        assert torch.allclose(scores[:, 0], whole[:, at], atol=1e-12)
    assert torch.allclose(model(ids), whole[:, 0], atol=1e-12)


def test_an_id_of_no_word_is_unknown() -> None:
    model = network()
    strange, known = torch.tensor([[5, WORDS, -3]]), torch.tensor([[5, UNKNOWN, UNKNOWN]])
    assert torch.equal(model.forward_features(strange), model.forward_features(known))


def test_what_is_dropped_does_not_depend_on_padding_or_place_in_time() -> None:
    model = network(dropout=0.5).train()
    ids, keys = sentences(5, 3, width=5), torch.tensor([11, 12])
    with sample_keys(keys):
        both = model.forward_features(torch.nn.functional.pad(ids, (0, 4)))
    with sample_keys(keys[1:]):
        alone = model.forward_features(ids[1:, :3])
    assert torch.allclose(both[1], alone[0], atol=1e-14)
    stack = LstmStack(8, 1, dropout=0.5).train()
    with sample_keys(torch.tensor([3])):
        given, _ = stack(torch.ones(1, 5, 8))
    assert ((given == 0).all(1) == (given == 0).any(1)).all() and (given == 0).any()


def test_the_ids_that_are_no_words_are_the_tokenisers() -> None:
    for name in ("PAD", "UNKNOWN", "BEGIN", "END"):
        assert getattr(seq2seq, name) == getattr(tokenizer, name)


def test_a_vocabulary_without_room_for_marks_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 4 ids"):
        build(Architecture(name="seq2seq_lstm", arguments={"classes": 3}))
