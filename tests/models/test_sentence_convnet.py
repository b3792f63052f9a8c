"""The network of sentences: padding changes nothing, and norms stay within their limit."""

import pytest
import torch

from striate.core.bundle import Architecture
from striate.models import build
from striate.models.layers.norm_limit import NormLimitedLinear
from striate.models.sentence_convnet import SentenceConvNet

pytestmark = pytest.mark.unit


def small() -> SentenceConvNet:
    torch.manual_seed(0)
    return SentenceConvNet(vocabulary=50, dim=8, maps=6, length=12).eval()


@pytest.mark.parametrize("words", [1, 2, 3, 5, 9])
def test_a_sentence_has_one_vector_however_it_is_padded(words: int) -> None:
    network = small()
    sentence = torch.randint(1, 50, (1, words))
    alone = network(sentence)["embedding"]
    for more in (1, 4, 20):
        padded = torch.nn.functional.pad(sentence, (0, more))
        assert torch.allclose(network(padded)["embedding"], alone, atol=1e-6)


def test_a_feature_is_the_largest_answer_of_a_window_that_lies_inside() -> None:
    network = small()
    sentence = torch.randint(1, 50, (1, 7))
    vectors = network.words(sentence[0])
    found = []
    for size, layer in zip(network.windows, network.convolutions, strict=True):
        windows = [vectors[at : at + size].flatten() for at in range(7 - size + 1)]
        found.append(torch.relu(layer(torch.stack(windows))).amax(0))
    assert torch.allclose(network.forward_features(sentence)[0], torch.cat(found), atol=1e-6)


def test_no_word_at_all_is_a_sentence_of_nothing() -> None:
    assert small()(torch.zeros(2, 4))["scores"].isfinite().all()


def test_the_published_sizes() -> None:
    with torch.device("meta"):
        network = build(Architecture(name="sentence_convnet"))
    shapes = [tuple(one.weight.shape) for one in network.convolutions]  # type: ignore[union-attr]
    assert shapes == [(100, 900), (100, 1200), (100, 1500)]


def test_weights_that_grow_too_long_are_scaled_back_when_they_are_used() -> None:
    layer = NormLimitedLinear(4, 2, limit=3.0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[6.0, 0, 0, 0], [1.0, 1.0, 0, 0]]))
    given = torch.eye(4)
    expected = torch.tensor([[3.0, 0, 0, 0], [1.0, 1.0, 0, 0]]).T + layer.bias
    assert torch.allclose(layer.eval()(given), expected)
    assert layer.weight[0].norm() == 6, "evaluation changes nothing"
    assert torch.allclose(layer.train()(given), expected)
    assert layer.weight.norm(dim=1).tolist() == pytest.approx([3.0, 2**0.5])
