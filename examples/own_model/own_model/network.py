"""A small network for colour images of any classes."""

from torch import Tensor, nn

from striate.core.numbers import Classes, Maps

SIDE = 32
"""Height and width of the images that it takes, in pixels."""


class OwnNet(nn.Module):
    """Two convolutions and one full layer: (N, 3, 32, 32) images to (N, classes) scores.

    Args:
        classes: how many there are.
        maps: feature maps of the first convolution; the second has twice as many.
    """

    def __init__(self, classes: Classes, maps: Maps = 8) -> None:
        super().__init__()
        self.input_shape = (3, SIDE, SIDE)
        self.classes = classes
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, maps, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(maps, 2 * maps, 5), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.output = nn.Linear(2 * maps * 5 * 5, classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) normalised intensity to (N, 2·maps·25)."""
        features: Tensor = self.layers(images).flatten(1)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        """Features to (N, classes) scores; larger is more likely."""
        scores: Tensor = self.output(features)
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 32, 32) to (N, classes) scores."""
        return self.forward_head(self.forward_features(images))
