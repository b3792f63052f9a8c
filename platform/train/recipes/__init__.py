"""Recipes by name; adding one touches its own function and one line here."""

from collections.abc import Callable

from striate.core.extensions import Extended
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
from striate.train.recipes.faces import (
    deepface_identities,
    deepface_identities_mini,
    deepface_siamese,
    deepface_siamese_mini,
    face_pose,
    face_pose_mini,
)
from striate.train.recipes.googlenet import googlenet_imagenet, googlenet_mini
from striate.train.recipes.knowledge import (
    kb_factbook_mini,
    kb_simplequestions,
    kb_webquestions,
)
from striate.train.recipes.overfeat import (
    overfeat_accurate_imagenet,
    overfeat_accurate_mini,
    overfeat_imagenet,
    overfeat_mini,
)
from striate.train.recipes.scenes import scenes_mini
from striate.train.recipes.sentences import sentences_mini, sentences_polarity
from striate.train.recipes.slide_tower import slide_tower_imagenet, slide_tower_mini
from striate.train.recipes.speech import speech_mini, speech_states, speech_states_mini
from striate.train.recipes.stories import memory_k1_mini, memory_k2_mini, memory_lstm_mini
from striate.train.recipes.translation import (
    translate_phrases_mini,
    translate_verses,
    translate_wmt14,
)
from striate.train.recipes.vgg import (
    faces_mini,
    vgg16_imagenet,
    vgg16_mini,
    vgg19_imagenet,
    vgg19_mini,
)
from striate.train.recipes.words import cbow_mini, skip_gram_mini, skip_gram_text8

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
    "cbow-mini": cbow_mini,
    "deepface-identities": deepface_identities,
    "deepface-identities-mini": deepface_identities_mini,
    "deepface-siamese": deepface_siamese,
    "deepface-siamese-mini": deepface_siamese_mini,
    "face-pose": face_pose,
    "face-pose-mini": face_pose_mini,
    "faces-mini": faces_mini,
    "googlenet-imagenet": googlenet_imagenet,
    "googlenet-mini": googlenet_mini,
    "kb-factbook-mini": kb_factbook_mini,
    "kb-simplequestions": kb_simplequestions,
    "kb-webquestions": kb_webquestions,
    "memory-k1-mini": memory_k1_mini,
    "memory-k2-mini": memory_k2_mini,
    "memory-lstm-mini": memory_lstm_mini,
    "overfeat-accurate-imagenet": overfeat_accurate_imagenet,
    "overfeat-accurate-mini": overfeat_accurate_mini,
    "overfeat-imagenet": overfeat_imagenet,
    "overfeat-mini": overfeat_mini,
    "pairs-mini": pairs_mini,
    "scenes-mini": scenes_mini,
    "sentences-mini": sentences_mini,
    "sentences-polarity": sentences_polarity,
    "skip-gram-mini": skip_gram_mini,
    "skip-gram-text8": skip_gram_text8,
    "slide-tower-imagenet": slide_tower_imagenet,
    "slide-tower-mini": slide_tower_mini,
    "speech-mini": speech_mini,
    "speech-states": speech_states,
    "speech-states-mini": speech_states_mini,
    "translate-phrases-mini": translate_phrases_mini,
    "translate-verses": translate_verses,
    "translate-wmt14": translate_wmt14,
    "vgg16-imagenet": vgg16_imagenet,
    "vgg16-mini": vgg16_mini,
    "vgg19-imagenet": vgg19_imagenet,
    "vgg19-mini": vgg19_mini,
}
ALL_RECIPES = Extended("recipes", RECIPES, returning=Recipe)
"""With those that extensions add."""
