"""A network that this machine cannot hold is refused before it takes any memory."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from striate.core.errors import UsageError
from striate.core.memory import memory_bytes


def check_memory(
    name: str, make: Callable[..., nn.Module], arguments: Mapping[str, Any], most: int | None = None
) -> None:
    """Refuse a network whose weights are more than there is memory for.

    It is made once on torch's device ``meta``, where tensors have shapes and no content, and no
    random number is drawn. Where memory is overcommitted, the request itself would succeed, and the
    process would be killed when it writes to it.

    Args:
        name: of the network, for the message.
        make: builds it; does nothing else.
        arguments: of `make`.
        most: bytes; None for all that processes here can have.

    Raises:
        UsageError: it takes more.
    """
    if torch.get_default_device().type == "meta":
        return
    with torch.device("meta"):
        network = make(**arguments)
    needed = sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
    there = memory_bytes() if most is None else most
    if needed > there:
        raise UsageError(
            f"The weights of the model {name} would take {_gibibytes(needed)}, and there are"
            f" {_gibibytes(there)} of memory here.",
            "Give it a smaller width, field or number of classes.",
        )


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"
