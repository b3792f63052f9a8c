"""An LSTM that reads a story word by word, then the question, and names the answer.

What memory networks were compared with: Weston, Chopra, Bordes, "Memory networks", ICLR 2015,
section 5.2, as recalled. It knows nothing of which statements support an answer. Cells as in
Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, with forget gates.
"""

import torch
from torch import Tensor, nn

from striate.core.numbers import Classes, Maps


class StoryLstm(nn.Module):
    """Scores of the words of a vocabulary.

    Args:
        classes: places of the vocabulary.
        dim: of the words' vectors, and cells of the LSTM.
        sentences: statements that it takes.
        words: of a sentence.
    """

    def __init__(
        self, classes: Classes = 64, dim: Maps = 100, sentences: Maps = 14, words: Maps = 8
    ) -> None:
        super().__init__()
        self.input_shape = (1 + sentences, words)
        self.classes = classes
        self.words = nn.Embedding(classes + 1, dim, padding_idx=0)
        self.lstm = nn.LSTM(dim, dim, batch_first=True)
        self.head = nn.Linear(dim, classes)

    def forward_features(self, story: Tensor) -> Tensor:
        """(n, 1 + sentences, words) numbers, the question first → (n, dim) the last state."""
        lines = story.long().clamp(0, self.classes)
        read = torch.cat([lines[:, 1:], lines[:, :1]], 1).flatten(1)
        filler_first = (read > 0).long().argsort(dim=1, stable=True)
        states, _ = self.lstm(self.words(read.gather(1, filler_first)))
        last: Tensor = states[:, -1]
        return last

    def forward_head(self, features: Tensor) -> Tensor:
        """The last state → (n, classes) scores."""
        scores: Tensor = self.head(features)
        return scores

    def forward(self, story: Tensor) -> Tensor:
        """(n, 1 + sentences, words) numbers of words → (n, classes) scores."""
        return self.forward_head(self.forward_features(story))
