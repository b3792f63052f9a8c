"""docs/training.md's own model and recipe are written as they stand there, and run."""

import json
import re
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
def folder(tmp_path: Path) -> Path:
    """A folder with the page's module."""
    (module,) = _blocks("python")
    (tmp_path / "my_net.py").write_text(module)
    return tmp_path


@pytest.mark.e2e
def test_the_own_model_and_recipe_of_the_page_are_trained(folder: Path, platform: Any) -> None:
    commands = [line.split() for block in _blocks("") for line in block.splitlines()]
    assert [words[:2] for words in commands] == [["striate", "train"]] * 2 + [["striate", "runs"]]
    said = []
    for words in commands:
        done = subprocess.run(
            [STRIATE, *words[1:], "--json"],
            env=platform.environment, capture_output=True, text=True, cwd=folder,
        )  # fmt: skip
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
