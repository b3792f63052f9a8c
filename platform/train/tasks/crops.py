"""One answer from several views of an image: the mean of the softmax over its crops."""

import math
from collections.abc import Sequence

from torch import Tensor

from striate.core.errors import RecipeError
from striate.data.pipelines.scales import SCALE_PREFIX
from striate.data.stream.batch import Batch
from striate.models.evaluation.dense import classify_scales
from striate.models.layers.tower import Tower
from striate.train.tasks.outputs import Network, to_full_precision


def crop_average(network: Network, images: Tensor) -> Tensor:
    """What a network says of images, averaged over crops where they have several.

    Args:
        network: in evaluation mode.
        images: (N, channels, height, width), or (N, crops, channels, height, width).

    Returns:
        (N, classes): the logits of single images; for crops, the log of the mean over them of the
        softmax (Krizhevsky et al., NIPS 2012, 4.1), which ranks and costs as logits do.
    """
    if images.ndim == 4:
        return _logits(network, images)
    crops = images.shape[1]
    logits = _logits(network, images.flatten(0, 1))
    return mean_of_softmax(logits.view(len(images), crops, -1))


def dense_average(network: Network, scales: Sequence[Tensor], *, fine: bool) -> Tensor:
    """What a tower says at all places of images, of several scales, and of their mirror images.

    Args:
        network: a tower in evaluation mode.
        scales: the same N images at each scale, (N, channels, S, S).
        fine: whether the last pool is computed at each offset (OverFeat).

    Returns:
        (N, classes): the log of the mean of the softmax.

    Raises:
        RecipeError: the network is no tower.
    """
    if not isinstance(network, Tower):
        raise RecipeError(
            f"A {type(network).__name__} cannot be run at every place of an image.",
            "Set task.evaluation=crops.",
        )
    return classify_scales(network, scales, fine=fine).log()


def scales_of(batch: Batch) -> list[Tensor]:
    """A batch's images at each of its scales."""
    more = (one for name, one in batch.tensors.items() if name.startswith(SCALE_PREFIX))
    return [batch.images, *more]


def mean_of_softmax(logits: Tensor) -> Tensor:
    """(N, views, classes) logits → (N, classes) log of the mean probability over the views."""
    views = logits.shape[1]
    return to_full_precision(logits).log_softmax(2).logsumexp(1) - math.log(views)


def _logits(network: Network, images: Tensor) -> Tensor:
    output = network(images)
    assert isinstance(output, Tensor), "auxiliary heads answer in training only"
    return output
