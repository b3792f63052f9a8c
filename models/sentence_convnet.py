"""A convolutional network that reads a sentence: windows of words, the maximum over time, a class.

Kim, "Convolutional neural networks for sentence classification", EMNLP 2014, as recalled: windows
of 3, 4 and 5 words with 100 feature maps each, rectifiers, the maximum over time, dropout of 0.5,
and rows of the output layer whose L2 norm is at most 3. This is the paper's CNN-rand: the words'
vectors are learnt with the rest.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from striate.core.numbers import BelowOne, Classes, Maps, Positive
from striate.models.layers.dropout import SampleDropout
from striate.models.layers.norm_limit import NormLimitedLinear

NONE = 0
"""The id of no word."""

_SPREAD = 0.25  # of the words' vectors at first, evenly to either side


class SentenceConvNet(nn.Module):
    """Scores of classes, and what they are made of: a vector of the sentence.

    Args:
        classes: outputs.
        vocabulary: words; ids are below it.
        dim: of a word's vector.
        windows: words of each window.
        maps: feature maps of each window.
        dropout: probability that a feature is dropped in training.
        norm_limit: L2 norm that a class's weights have at most.
        length: words of an example; sentences are of any length.
    """

    def __init__(
        self,
        classes: Classes = 2,
        vocabulary: Classes = 30_000,
        dim: Maps = 300,
        windows: tuple[Maps, ...] = (3, 4, 5),
        maps: Maps = 100,
        dropout: BelowOne = 0.5,
        norm_limit: Positive = 3.0,
        length: Maps = 64,
    ) -> None:
        super().__init__()
        self.input_shape = (length,)
        self.classes = classes
        self.vocabulary = vocabulary
        first = torch.empty(vocabulary, dim).uniform_(-_SPREAD, _SPREAD)
        self.words = nn.Embedding(vocabulary, dim, _weight=first)
        self.windows = tuple(windows)
        self.convolutions = nn.ModuleList(nn.Linear(size * dim, maps) for size in self.windows)
        self.dropout = SampleDropout(dropout, salt=1)
        self.output = NormLimitedLinear(len(self.windows) * maps, classes, norm_limit)

    def forward_features(self, tokens: Tensor) -> Tensor:
        """(n, length) ids, 0 behind the last word → (n, windows × maps).

        A window lies within its sentence, whatever else is in the batch; of a sentence that is
        shorter there is one, filled up with zeros.
        """
        ids = tokens.long().clamp(0, self.vocabulary - 1)
        ids = F.pad(ids, (0, max(0, max(self.windows) - ids.shape[1])))
        there = ids != NONE
        vectors = self.words(ids) * there.unsqueeze(2).to(self.words.weight.dtype)
        last = there.sum(1, keepdim=True)
        found = []
        for size, convolution in zip(self.windows, self.convolutions, strict=True):
            windows = vectors.unfold(1, size, 1).transpose(2, 3).flatten(2)
            maps = F.relu(convolution(windows))
            starts = torch.arange(windows.shape[1], device=ids.device)
            inside = starts <= (last - size).clamp(min=0)
            found.append((maps * inside.unsqueeze(2).to(maps.dtype)).amax(1))  # maps are not < 0
        return torch.cat(found, 1)

    def forward_head(self, features: Tensor) -> Tensor:
        """(n, windows × maps) → (n, classes) scores."""
        scores: Tensor = self.output(self.dropout(features))
        return scores

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """(n, length) ids → ``scores`` (n, classes), ``embedding`` (n, windows × maps)."""
        features = self.forward_features(tokens)
        return {"scores": self.forward_head(features), "embedding": features}
