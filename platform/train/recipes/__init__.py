"""Recipes by name; adding one touches its own function and one line here."""

from collections.abc import Callable

from striate.train.config import Recipe
from striate.train.recipes.digits import lenet1_anna_digits, lenet5_digits, lenet5_modern_digits

RECIPES: dict[str, Callable[[], Recipe]] = {
    "lenet5-digits": lenet5_digits,
    "lenet5-modern-digits": lenet5_modern_digits,
    "lenet1-anna-digits": lenet1_anna_digits,
}
