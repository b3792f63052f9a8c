"""What was published of the networks that have recipes, to be shown beside a run's own figures.

A figure's certainty is ``read`` where this project read it in its source, and ``recalled`` where it
is known from memory alone and was not looked up. Error rates are given as accuracies.
"""

from dataclasses import dataclass
from typing import Literal

Certainty = Literal["read", "recalled"]


@dataclass(frozen=True)
class Reference:
    """One published figure.

    Attributes:
        metric: the run's metric that it is to be compared with.
        value: a share, 0 to 1.
        how: the network, or networks, and how they were evaluated.
        source: where it stands.
        certainty: how this project knows it.
    """

    metric: str
    value: float
    how: str
    source: str
    certainty: Certainty


_ALEXNET = "Krizhevsky, Sutskever, Hinton, NIPS 2012"
_TORCHVISION = "torchvision's table of models"
_OVERFEAT = "Sermanet et al., ICLR 2014"
_VGG = "Simonyan and Zisserman, ICLR 2015"
_GOOGLENET = "Szegedy et al., CVPR 2015"
_TALK = "LeCun, talk of 2015, quoting Tran et al., ICCV 2015"

PUBLISHED: dict[str, tuple[Reference, ...]] = {
    "alexnet-imagenet": (
        Reference("top5", 0.818, "one network, ten crops", _ALEXNET, "recalled"),
        Reference("top5", 0.836, "five networks", _ALEXNET, "recalled"),
        Reference("top5", 0.847, "seven networks, more data; test set", _ALEXNET, "recalled"),
    ),
    "alexnet-one-tower-imagenet": (
        Reference("top5", 0.7907, "one network, one crop", _TORCHVISION, "recalled"),
    ),
    "overfeat-imagenet": (
        Reference("top5", 0.8361, "one fast network, several scales", _OVERFEAT, "recalled"),
        Reference("top5", 0.8614, "seven fast networks", _OVERFEAT, "recalled"),
    ),
    "overfeat-accurate-imagenet": (
        Reference("top5", 0.8582, "one accurate network, several scales", _OVERFEAT, "recalled"),
        Reference("top5", 0.8676, "seven accurate networks", _OVERFEAT, "recalled"),
    ),
    "vgg16-imagenet": (
        Reference("top5", 0.925, "one network, several scales, dense", _VGG, "recalled"),
        Reference("top5", 0.932, "two networks (16 and 19 layers); test set", _VGG, "recalled"),
    ),
    "vgg19-imagenet": (
        Reference("top5", 0.925, "one network, several scales, dense", _VGG, "recalled"),
        Reference("top5", 0.932, "two networks (16 and 19 layers); test set", _VGG, "recalled"),
    ),
    "googlenet-imagenet": (
        Reference("top5", 0.8993, "one network, one crop", _GOOGLENET, "recalled"),
        Reference("top5", 0.9333, "seven networks, 144 crops; test set", _GOOGLENET, "recalled"),
    ),
    "c3d-sports1m": (
        Reference("clip_hit1", 0.449, "from scratch, one crop in the centre", _TALK, "read"),
        Reference("video_hit1", 0.600, "from scratch, mean of ten clips", _TALK, "read"),
        Reference("video_hit5", 0.844, "from scratch, mean of ten clips", _TALK, "read"),
        Reference("clip_hit1", 0.461, "fine-tuned from I380K, an internal set", _TALK, "read"),
        Reference("video_hit1", 0.611, "fine-tuned from I380K, an internal set", _TALK, "read"),
        Reference("video_hit5", 0.852, "fine-tuned from I380K, an internal set", _TALK, "read"),
    ),
}


def references_for(recipe_name: str) -> tuple[Reference, ...]:
    """What was published of a recipe's network and corpus; nothing for most others.

    The slide's tower and the speech ConvNet have no entry: no figure of theirs was ever found.

    >>> [one.value for one in references_for("alexnet-one-tower-imagenet")]
    [0.7907]
    >>> references_for("lenet5-digits")
    ()
    """
    return PUBLISHED.get(recipe_name, ())
