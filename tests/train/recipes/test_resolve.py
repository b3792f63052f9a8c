"""Recipes: what is wrong is named, with the nearest valid spelling, before anything starts."""

from pathlib import Path

import pytest

from striate.core.errors import RecipeError, UnknownName, UsageError
from striate.train.recipes import RECIPES
from striate.train.recipes.resolve import resolve

pytestmark = pytest.mark.unit

WRONG = [
    ("lenet5-digit", [], UnknownName, "'lenet5-digit'", "lenet5-digits"),
    ("lenet5-digits", ["model.name=lenet55"], UnknownName, "'lenet55'", "lenet5"),
    ("lenet5-digits", ["data.corpus=digit"], UnknownName, "'digit'", "digits"),
    ("lenet5-digits", ["data.augment=afine"], UnknownName, "'afine'", "affine"),
    ("lenet5-digits", ["task.name=classify"], UnknownName, "'classify'", "classification"),
    ("lenet5-digits", ["optimizer.l=1"], RecipeError, "'optimizer.l'", "optimizer.lr"),
    ("lenet5-digits", ["bach_size=8"], RecipeError, "'bach_size'", "batch_size"),
    ("lenet5-digits", ["epochs.more=8"], RecipeError, "'epochs.more'", "epochs"),
    ("lenet5-digits", ["optimizer.name=adm"], RecipeError, "'adm'", "adamw"),
    ("lenet5-digits", ["precision=fp16"], RecipeError, "'fp16'", "bf16"),
    ("lenet5-digits", ["optimizer.lr=fast"], RecipeError, "optimizer.lr = 'fast'", "number"),
    ("lenet5-digits", ["optimizer.lr=-1"], RecipeError, "optimizer.lr = -1", "greater than 0"),
    ("lenet5-digits", ["batch_size=1"], RecipeError, "batch_size 1", "2 workers"),
    ("lenet5-digits", ["epochs"], RecipeError, "'epochs'", "FIELD=VALUE"),
    ("lenet5-digits", ["data.shards=/absent"], RecipeError, "'/absent'", "striate data ingest"),
    ("absent.json", [], RecipeError, "absent.json", "no recipe file"),
]


@pytest.mark.parametrize(("name", "overrides", "kind", "thing", "hint"), WRONG)
def test_what_is_wrong_is_named_with_a_hint(
    name: str, overrides: list[str], kind: type[UsageError], thing: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve(name, overrides)
    assert thing in caught.value.message
    assert hint in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_stored_recipe_can_be_run_again(name: str, tmp_path: Path) -> None:
    recipe = resolve(name, ["optimizer.lr=0.125", "seed=3", "data.augment=none"])
    file = tmp_path / "recipe.json"
    file.write_text(recipe.model_dump_json())
    assert resolve(str(file)) == recipe
    assert recipe.optimizer.lr == 0.125
    assert recipe.data.augment is None


def test_a_damaged_recipe_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text("{")
    with pytest.raises(RecipeError, match=r"recipe\.json is no recipe"):
        resolve(str(file))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_how_it_is_run_and_what_to_expect(name: str) -> None:
    text = RECIPES[name].__doc__ or ""
    assert f"striate train {name}" in text
    assert "Expected" in text
    assert RECIPES[name]().name == name
