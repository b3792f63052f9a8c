"""One answer from several views of an image: the mean of the softmax over its crops."""

import math

from torch import Tensor

from striate.train.tasks.base import Network, full_precision


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


def mean_of_softmax(logits: Tensor) -> Tensor:
    """(N, views, classes) logits → (N, classes) log of the mean probability over the views."""
    views = logits.shape[1]
    return full_precision(logits).log_softmax(2).logsumexp(1) - math.log(views)


def _logits(network: Network, images: Tensor) -> Tensor:
    output = network(images)
    assert isinstance(output, Tensor), "auxiliary heads answer in training only"
    return output
