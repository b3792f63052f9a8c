"""What networks give, by name, and how a task calls one."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from striate.data.stream.batch import Batch
from striate.models.layers.dropout import sample_keys

OUTPUT = "output"
"""The name of a single tensor, or of the first one of several."""

AUXILIARY = "auxiliary_"
"""What the names of auxiliary heads' outputs begin with; a number from 1 follows."""

KEYS = "keys"
"""The tensor of a batch that `SampleDropout` draws by, (n,) int64; there in training alone."""

RawOutput = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""What a network gives: one tensor, the main one followed by auxiliary heads', or named ones."""

Outputs = Mapping[str, Tensor]
"""What a task makes of a batch with a network: name → tensor, in full precision."""

Network = Callable[..., RawOutput]
"""A network, or what wraps it on several workers."""


def to_full_precision(values: Tensor) -> Tensor:
    """At least float32: losses and softmaxes are not for the half-width types."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def name_outputs(raw: RawOutput) -> dict[str, Tensor]:
    """A network's output by name, in full precision.

    A single tensor is ``output``; of a tuple the first one is, and the others, of auxiliary heads,
    are ``auxiliary_1``, ``auxiliary_2``, …; a mapping keeps its names.
    """
    if isinstance(raw, Tensor):
        named: Mapping[str, Tensor] = {OUTPUT: raw}
    elif isinstance(raw, Mapping):
        named = raw
    else:
        names = [OUTPUT, *(f"{AUXILIARY}{number}" for number in range(1, len(raw)))]
        named = dict(zip(names, raw, strict=True))
    return {name: to_full_precision(one) for name, one in named.items()}


def auxiliary_outputs(outputs: Outputs) -> list[Tensor]:
    """Those of auxiliary heads, in order."""
    return [one for name, one in outputs.items() if name.startswith(AUXILIARY)]


def compute_views(network: Network, views: Sequence[Tensor], batch: Batch) -> list[Outputs]:
    """Several tensors of a batch through one network: the members of pairs, triplets, rankings.

    They go through it in one call, one stacked on the other, so that a replica exchanges gradients
    once, and the masks of dropout are those of the sample in each of its views.

    Args:
        network: from (m, …) to outputs with m entries.
        views: tensors of one shape, (n, …), n being the batch's samples.
        batch: what they are of.

    Returns:
        The outputs of each view, (n, …) each.
    """
    stacked, keys = torch.cat(list(views)), batch.tensors.get(KEYS)
    if keys is None:
        outputs = name_outputs(network(stacked))
    else:
        with sample_keys(keys.repeat(len(views))):
            outputs = name_outputs(network(stacked))
    size = len(views[0])
    return [
        {name: one[at * size : (at + 1) * size] for name, one in outputs.items()}
        for at in range(len(views))
    ]
