"""Layers of LSTM, each above the other, whose state is one tensor.

Cells as in Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, with forget gates. There are
no biases: so a state of zeros stays one, bit for bit, while zeros are read, and padding before the
first word changes nothing.
"""

import torch
from torch import Tensor, nn

from striate.models.layers.dropout import SampleDropout


class LstmStack(nn.Module):
    """A stack of LSTMs as wide as what they read.

    Args:
        dim: cells of a layer, and the size of what it reads.
        layers: how many.
        dropout: probability that a unit is dropped on its way into a layer and out of the last
            one, at all times alike (Gal and Ghahramani, NIPS 2016), so that the masks do not depend
            on how a sentence is padded.
        salt: of the masks; each stack takes `layers` + 1 of them.
    """

    def __init__(self, dim: int, layers: int, dropout: float = 0.0, salt: int = 0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM(dim, dim, bias=False, batch_first=True) for _ in range(layers)
        )
        self.drops = nn.ModuleList(SampleDropout(dropout, salt + at) for at in range(layers + 1))

    def forward(self, units: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the last layer gives at each time, and the state after the last one.

        Args:
            units: (n, T, dim).
            state: (n, 2 · layers, dim), the layers' outputs and then their cells; None: zeros.

        Returns:
            (n, T, dim), and a state.
        """
        outputs, cells = [], []
        for at, layer in enumerate(self.layers):
            before = None
            if state is not None:
                hidden, cell = state[:, at], state[:, len(self.layers) + at]
                before = (hidden[None].contiguous(), cell[None].contiguous())
            units, (hidden, cell) = layer(self._drop(at, units), before)
            outputs.append(hidden[0])
            cells.append(cell[0])
        return self._drop(len(self.layers), units), torch.stack([*outputs, *cells], 1)

    def _drop(self, at: int, units: Tensor) -> Tensor:
        drop = self.drops[at]
        if not self.training or drop.p == 0:
            return units
        mask: Tensor = drop(units.new_ones(units.shape[0], units.shape[2]))
        return units * mask[:, None]
