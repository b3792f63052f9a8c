"""A full layer whose outputs' weights have a limited norm.

Hinton, Srivastava, Krizhevsky, Sutskever, Salakhutdinov, "Improving neural networks by preventing
co-adaptation of feature detectors", 2012, as recalled: after a step that makes the incoming weights
of a unit longer than a limit, they are scaled back to it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormLimitedLinear(nn.Linear):
    """A full layer; the weights of each output have an L2 norm of at most `limit`.

    They are scaled back when they are used next, so that no optimiser needs to know of it.

    Args:
        inputs: that come in.
        outputs: that go out.
        limit: of the norm.
    """

    def __init__(self, inputs: int, outputs: int, limit: float) -> None:
        super().__init__(inputs, outputs)
        self.limit = limit

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"{super().extra_repr()}, limit={self.limit}"

    def limited(self) -> Tensor:
        """(outputs, inputs) the weights, within the limit."""
        norms = self.weight.detach().norm(dim=1, keepdim=True)
        limited: Tensor = self.weight * (self.limit / norms.clamp(min=self.limit))
        return limited

    def forward(self, values: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        if self.training:
            with torch.no_grad():
                self.weight.copy_(self.limited())
            return F.linear(values, self.weight, self.bias)
        return F.linear(values, self.limited(), self.bias)
