"""`striate doctor` says which extensions there are, and what is wrong with each."""

import sys
from pathlib import Path

import pytest

from striate.cli.verbs import ALL_COMMANDS
from striate.core.extension_sources import use_modules
from striate.core.settings import Settings
from striate.local.doctor import examine
from striate.local.extension_checks import examine_extensions

pytestmark = pytest.mark.unit

GOOD = """
from striate.train.recipes.digits import lenet5_digits
__version__ = "2"
RECIPES = {"mine": lenet5_digits}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, for modules; the modules are forgotten again."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRIATE_MODULES", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("good_net", "bad_net", "worse_net"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_extensions_there_is_nothing_to_check(folder: Path) -> None:
    assert examine_extensions(ALL_COMMANDS) == []


def test_a_good_one_is_told_with_what_it_adds(folder: Path) -> None:
    (folder / "good_net.py").write_text(GOOD)
    use_modules(("good_net",))
    checks = {check.name: check for check in examine(Settings.load(), ALL_COMMANDS)}
    assert checks["extension good_net 2"].result == "ok"
    assert checks["extension good_net 2"].found == "recipes mine"


def test_each_broken_one_is_told_with_its_remedy(folder: Path) -> None:
    (folder / "good_net.py").write_text(GOOD)
    (folder / "bad_net.py").write_text("RECIPES = {'bad': dict}\nCOMMANDS = {'status': 1}\n")
    (folder / "worse_net.py").write_text("import nothing_of_that_name\n")
    use_modules(("good_net", "bad_net", "worse_net"))
    checks = {name: problems for name, _, problems in examine_extensions(ALL_COMMANDS)}
    assert checks["extension good_net 2"] == []
    recipe, command = checks["extension bad_net"]
    assert "recipe 'bad' of the extension bad_net returns a dict" in recipe.message
    assert "command 'status' of the extension bad_net is a int" in command.message
    (worse,) = checks["extension"]
    assert "nothing_of_that_name" in worse.message and "worse_net" in worse.remedy
