"""Recipes by name; adding one touches its own function and one line here."""

from collections.abc import Callable

from striate.core.extensions import extended
from striate.train.config import Recipe
from striate.train.recipes.alexnet import (
    alexnet_imagenet,
    alexnet_mini,
    alexnet_one_tower_imagenet,
    alexnet_one_tower_mini,
)
from striate.train.recipes.c3d import c3d_mini, c3d_sports1m
from striate.train.recipes.digits import (
    lenet1_anna_digits,
    lenet5_digits,
    lenet5_modern_digits,
    pairs_mini,
)
from striate.train.recipes.googlenet import googlenet_imagenet, googlenet_mini
from striate.train.recipes.overfeat import (
    overfeat_accurate_imagenet,
    overfeat_accurate_mini,
    overfeat_imagenet,
    overfeat_mini,
)
from striate.train.recipes.scenes import scenes_mini
from striate.train.recipes.slide_tower import slide_tower_imagenet, slide_tower_mini
from striate.train.recipes.speech import speech_mini, speech_states
from striate.train.recipes.vgg import (
    faces_mini,
    vgg16_imagenet,
    vgg16_mini,
    vgg19_imagenet,
    vgg19_mini,
)

RECIPES: dict[str, Callable[[], Recipe]] = {
    "lenet5-digits": lenet5_digits,
    "lenet5-modern-digits": lenet5_modern_digits,
    "lenet1-anna-digits": lenet1_anna_digits,
    "alexnet-imagenet": alexnet_imagenet,
    "alexnet-mini": alexnet_mini,
    "alexnet-one-tower-imagenet": alexnet_one_tower_imagenet,
    "alexnet-one-tower-mini": alexnet_one_tower_mini,
    "c3d-mini": c3d_mini,
    "c3d-sports1m": c3d_sports1m,
    "faces-mini": faces_mini,
    "googlenet-imagenet": googlenet_imagenet,
    "googlenet-mini": googlenet_mini,
    "overfeat-accurate-imagenet": overfeat_accurate_imagenet,
    "overfeat-accurate-mini": overfeat_accurate_mini,
    "overfeat-imagenet": overfeat_imagenet,
    "overfeat-mini": overfeat_mini,
    "pairs-mini": pairs_mini,
    "scenes-mini": scenes_mini,
    "slide-tower-imagenet": slide_tower_imagenet,
    "slide-tower-mini": slide_tower_mini,
    "speech-mini": speech_mini,
    "speech-states": speech_states,
    "vgg16-imagenet": vgg16_imagenet,
    "vgg16-mini": vgg16_mini,
    "vgg19-imagenet": vgg19_imagenet,
    "vgg19-mini": vgg19_mini,
}
ALL_RECIPES = extended("recipes", RECIPES, returning=Recipe)
"""With those that extensions add."""
