"""docs/training.md's own model and recipe are written as they stand there, and run."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Your own model and recipe")[1].split("\n## ")[0]
STRIATE = str(Path(sys.executable).with_name("striate"))


def _blocks(language: str) -> Iterator[str]:
    """The content of the section's fenced blocks of a language, or of none."""
    found = re.findall(r"^```([a-z]*)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    yield from (content for kind, content in found if kind == language)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources with what the page says put in; on `PYTHONPATH` as an install is."""
    model, model_line, recipe, recipe_line = _blocks("python")
    sources = tmp_path / "striate"
    for room in (ROOT / "platform").iterdir():
        if room.is_dir() and room.name != "__pycache__":
            shutil.copytree(room, sources / room.name, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(ROOT / "models", sources / "models")
    (sources / "models" / "two_layers.py").write_text(model)
    (sources / "train" / "recipes" / "two_layers.py").write_text(recipe)
    _add(sources / "models" / "__init__.py", "MODELS", model_line, "models", "TwoLayers")
    place = sources / "train" / "recipes" / "__init__.py"
    _add(place, "RECIPES", recipe_line, "train.recipes", "two_layers_digits")
    return tmp_path


def _add(file: Path, table: str, line: str, room: str, name: str) -> None:
    """Put a line at the head of a table, and its import after the others."""
    text = file.read_text()
    opened = re.search(rf"^{table}: .*{{\n", text, re.MULTILINE)
    assert opened is not None
    text = text[: opened.end()] + line + text[opened.end() :]
    text = text.replace("\n\nfrom ", f"\n\nfrom striate.{room}.two_layers import {name}\nfrom ", 1)
    file.write_text(text)


@pytest.mark.e2e
def test_the_own_model_and_recipe_of_the_page_are_trained(checkout: Path, platform: Any) -> None:
    environment = {**platform.environment, "PYTHONPATH": str(checkout)}
    commands = [line.split() for block in _blocks("") for line in block.splitlines()]
    assert [words[:2] for words in commands] == [["striate", "train"]] * 2 + [["striate", "runs"]]
    said = []
    for words in commands:
        done = subprocess.run(
            [STRIATE, *words[1:], "--json"], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout))
    first, second, listed = said
    assert first["metrics"]["top1"] > 0.9 and second["metrics"]["top1"] > 0.9
    assert first["model_uri"] == "models:/two-layers-digits/1"
    assert [run["run_id"] for run in listed] == [second["run_id"], first["run_id"]]


@pytest.mark.unit
def test_the_page_names_only_recipes_that_exist() -> None:
    from striate.train.recipes import RECIPES

    named = set(re.findall(r"striate train ([a-z0-9-]+)", PAGE))
    table = PAGE.split("| Recipes |")[1].split("\n\n")[0]
    named |= {name for name in re.findall(r"`([a-z0-9-]+)`", table) if "-" in name}
    assert named - {"recipe", "two-layers-digits", "--resume"} <= set(RECIPES)
    without = set(RECIPES) - named
    assert all(name.endswith("-mini") for name in without), without
