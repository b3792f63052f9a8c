"""Gradient descent on tables of which a batch uses few rows; a row's step has a limit.

One by one, the updates of a frequent row settle: each sees what the one before has changed. Summed
up over a batch they overshoot, and the more the larger the batch is. A limit on how far a row goes
in one step keeps them from it, and is a function of the summed gradient alone: not of how the batch
was divided among workers.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class RowSgd(Optimizer):
    """w ← w − min(rate, longest/‖g‖)·g for each row w of a table with its gradient g.

    It has no momenta, so there is nothing to keep. Dense gradients have the plain step.

    Args:
        groups: of parameters.
        lr: the rate.
        longest: the L2 norm that a row's step has at most.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, longest: float) -> None:
        super().__init__(groups, {"lr": lr, "longest": longest})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; the rows without a gradient stay as they are."""
        assert closure is None, "the loop evaluates no gradient twice"
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.is_sparse:
                    rows, summed = sum_rows(gradient)
                    lengths = summed.norm(dim=1, keepdim=True).mul_(group["lr"])
                    summed.mul_(group["longest"] / lengths.clamp_(min=group["longest"]))
                    parameter.index_add_(0, rows, summed, alpha=-group["lr"])
                else:
                    parameter.add_(gradient, alpha=-group["lr"])


def sum_rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """(m,) the rows that a sparse gradient has, each once, and (m, …) their sums.

    As `Tensor.coalesce`, which sorts: marking the rows costs a third of that.
    """
    ids, values = gradient._indices()[0], gradient._values()
    there = torch.zeros(gradient.shape[0], dtype=torch.int64, device=ids.device)
    there[ids] = 1
    rows = there.nonzero()[:, 0]
    places = there.cumsum_(0).sub_(1)[ids]
    return rows, values.new_zeros(len(rows), *values.shape[1:]).index_add_(0, places, values)
