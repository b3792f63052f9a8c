"""Extensions: merged with the house's tables, and one line on each that cannot be used."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from striate.core import extension_sources
from striate.core.errors import ExtensionError, UnknownName
from striate.core.extension_sources import find_offers, unknown_groups, use_modules
from striate.core.extensions import Extended

pytestmark = pytest.mark.unit

OWN: dict[str, Callable[..., int]] = {"one": lambda: 1, "two": lambda: 2}
Install = Callable[..., None]


@pytest.fixture(autouse=True)
def forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of its own; and modules that a test imports are forgotten behind it."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRIATE_MODULES", "")  # so that it is put back as it was
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package into a folder on the path: its code, and what its metadata say."""

    def put(name: str, code: str, entries: dict[str, str], requires: str = "") -> None:
        site = tmp_path / name
        about = site / f"{name}-0.3.0.dist-info"
        about.mkdir(parents=True)
        (site / f"{name}.py").write_text(code)
        wanted = f"Requires-Dist: {requires}\n" if requires else ""
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3.0\n{wanted}"
        )
        groups = [f"[{group}]\n{lines}\n" for group, lines in entries.items()]
        (about / "entry_points.txt").write_text("\n".join(groups))
        monkeypatch.syspath_prepend(site)

    return put


def _table() -> Extended[Callable[..., int]]:
    return Extended("models", OWN, returning=int)


def test_without_extensions_the_table_is_the_house_s() -> None:
    assert dict(_table()) == OWN
    with pytest.raises(UnknownName, match=r"no model named 'tow'.* Did you mean two"):
        _table().find("tow")


def test_a_name_of_a_package_is_found_behind_the_house_s(install: Install) -> None:
    install("mine", "def three(): return 3", {"striate.models": "three = mine:three"})
    table = _table()
    assert list(table) == ["one", "two", "three"] and len(table) == 3 and "three" in table
    assert table.find("three")() == 3
    assert str(table.origin("three")) == "mine 0.3.0"
    assert table.origin("one") is None


def test_a_package_is_not_imported_before_one_of_its_names_is_asked_for(install: Install) -> None:
    install("mine", "def three(): return 3", {"striate.models": "three = mine:three"})
    table = _table()
    assert table.find("one")() == 1 and "three" in list(table)
    assert "mine" not in sys.modules
    table.find("three")
    assert "mine" in sys.modules


def test_a_later_entry_of_the_house_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    table = _table()
    monkeypatch.setitem(OWN, "late", lambda: 9)
    assert table.find("late")() == 9


def test_a_shadowed_name_is_an_error_that_names_both(install: Install) -> None:
    install("mine", "def other(): return 3", {"striate.models": "one = mine:other"})
    table = _table()
    with pytest.raises(ExtensionError, match=r"striate and mine 0\.3\.0 .*model named 'one'"):
        table.find("one")
    assert table.find("two")() == 2
    assert table.usable() == OWN
    assert len(table.problems()) == 1


def test_two_packages_that_claim_a_name_are_both_named(install: Install) -> None:
    for name in ("mine", "yours"):
        install(name, "def three(): return 3", {"striate.models": f"three = {name}:three"})
    with pytest.raises(ExtensionError, match=r"mine 0\.3\.0.*'three'") as caught:
        _table().find("three")
    assert "yours 0.3.0" in caught.value.message


def test_a_package_that_an_extension_requires_and_that_is_not_here_is_named(
    install: Install,
) -> None:
    """Submitted jobs and nodes are given the extension alone."""
    install("mine", "import no_such_rocks.hard", {"striate.models": "three = mine:three"})
    with pytest.raises(ExtensionError, match="No module named 'no_such_rocks'") as caught:
        _table().find("three")
    assert caught.value.remedy.startswith("Install no_such_rocks here and on every node")


def test_a_requirement_of_striate_holds_however_its_name_is_written(install: Install) -> None:
    install("mine", "def three(): 3", {"striate.models": "three = mine:three"}, "Striate>=99")
    with pytest.raises(ExtensionError, match="is for Striate >=99"):
        _table().find("three")


BROKEN = {
    "does not import": ("raise OSError('no disk')", "three", "OSError: no disk"),
    "lacks what it names": ("four = 4", "three", "has no attribute 'three'"),
    "ends the process": ("raise SystemExit(3)", "three", "SystemExit: 3"),
    "is of a wrong type": ("three = 3", "three", "is a int, and must be a function"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_package_is_one_line_when_its_name_is_asked_for(
    install: Install, what: str
) -> None:
    code, attribute, said = BROKEN[what]
    install("mine", code, {"striate.models": f"three = mine:{attribute}"})
    table = _table()
    with pytest.raises(ExtensionError, match=said) as caught:
        table.find("three")
    assert "mine 0.3.0" in caught.value.message and "'three'" in caught.value.message
    assert "uninstall" in caught.value.remedy and "\n" not in str(caught.value)
    assert table.find("one")() == 1 and table.usable() == OWN


def test_what_returns_a_wrong_type_is_named_when_it_is_called(install: Install) -> None:
    code = "def three(): return 'three'\ndef four(): return 1 // 0"
    install("mine", code, {"striate.models": "three = mine:three\nfour = mine:four"})
    with pytest.raises(ExtensionError, match=r"'three' of .*mine 0\.3\.0 returns a str.* a int"):
        _table().find("three")()
    with pytest.raises(ExtensionError, match=r"'four' of .* fails: ZeroDivisionError"):
        _table().find("four")()


def test_entries_that_are_values_have_their_type(install: Install) -> None:
    install("mine", "a = 1.5\nb = 'x'", {"striate.chips": "a = mine:a\nb = mine:b"})
    table: Extended[float] = Extended("chips", {}, of=float)
    assert table.find("a") == 1.5
    with pytest.raises(ExtensionError, match=r"chip 'b' of .* is a str, and must be a float"):
        table.find("b")


@pytest.mark.parametrize(("requires", "good"), [(">=0.1", True), ("<0.1", False), (">=7", False)])
def test_a_package_for_another_version_is_refused(
    install: Install, requires: str, good: bool
) -> None:
    code, entries = "def three(): return 3", {"striate.models": "three = mine:three"}
    install("mine", code, entries, requires=f"striate{requires}")
    if good:
        assert _table().find("three")() == 3
        return
    with pytest.raises(ExtensionError, match=rf"mine 0\.3\.0 is for Striate {requires}, and this"):
        _table().find("three")
    assert "mine" not in sys.modules  # what is for another version is not even imported
    assert _table().find("one")() == 1


def test_a_module_s_plain_dictionaries_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_net.py").write_text("MODELS = {'three': lambda: 3}\n__version__ = '7'\n")
    monkeypatch.chdir(tmp_path)
    use_modules(("my_net",))
    assert _table().find("three")() == 3
    assert str(_table().origin("three")) == "my_net 7"
    assert Extended("tasks", {}).usable() == {}


def test_the_settings_name_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_net.py").write_text("MODELS = {'three': lambda: 3}\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.toml").write_text('[extensions]\nmodules = ["my_net"]\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert _table().find("three")() == 3


def test_an_entry_under_another_name_than_its_own_is_an_error_that_names_both(
    install: Install,
) -> None:
    code = "from types import SimpleNamespace as One\na, b = One(name='a'), One(name='c')"
    install("mine", code, {"striate.services": "a = mine:a\nb = mine:b"})
    table: Extended[SimpleNamespace] = Extended(
        "services", {}, of=SimpleNamespace, named=attrgetter("name")
    )
    assert table.find("a").name == "a"
    with pytest.raises(
        ExtensionError, match=r"mine 0\.3\.0 lists the service 'c' .* 'b'"
    ) as caught:
        table.find("b")
    assert "own name, 'c'" in caught.value.remedy
    assert list(table.usable()) == ["a"]


WRONG_MODULES = {
    "is not there": (None, "There is no module my_net to"),
    "does not parse": ("def", "SyntaxError"),
    "has a table that is none": ("MODELS = [1]", "MODELS of .*my_net is a list"),
    "is for another version": ("REQUIRES_STRIATE = '<0.1'", "for Striate <0.1"),
    "states no version": ("REQUIRES_STRIATE = 'new'", "for Striate new"),
}


@pytest.mark.parametrize("what", WRONG_MODULES)
def test_a_broken_module_is_said_where_it_may_be_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    code, said = WRONG_MODULES[what]
    if code is not None:
        (tmp_path / "my_net.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    use_modules(("my_net",))
    assert _table().find("one")() == 1
    with pytest.raises(ExtensionError, match=said) as caught:
        _table().find("three")
    assert "my_net" in caught.value.message and "\n" not in str(caught.value)
    assert len(find_offers().problems) == 1


def test_a_package_that_is_named_as_a_module_too_is_no_clash(install: Install) -> None:
    code = "def three(): return 3\nMODELS = {'three': lambda: 33, 'four': lambda: 4}"
    install("mine", code, {"striate.models": "three = mine:three"})
    use_modules(("mine",))
    assert _table().find("three")() == 3 and _table().find("four")() == 4


def test_a_module_may_import_the_house_s_own_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_net.py").write_text("MODELS = {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    use_modules(("my_net",))
    find_offers()
    monkeypatch.setattr(sys.modules["my_net"], "MODELS", OWN)
    assert _table().find("one")() == 1


def test_a_misspelt_group_is_named(install: Install) -> None:
    install("mine", "three = 3", {"striate.model": "three = mine:three"})
    (problem,) = unknown_groups()
    assert "mine" in problem.message and "'striate.model'" in problem.message
    assert "striate.models" in problem.remedy


def test_each_kind_has_one_word() -> None:
    assert len(set(extension_sources.KINDS.values())) == len(extension_sources.KINDS)


def test_help_imports_no_extension_and_no_pydantic(install: Install, tmp_path: Path) -> None:
    install("mine", "import click", {"striate.commands": "bloom = mine:bloom"})
    code = (
        "import json, sys; from striate.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(json.dumps([name in sys.modules for name in ('mine', 'pydantic', 'torch')]))"
    )
    said = _python(code, tmp_path / "mine")
    assert json.loads(said.splitlines()[-1]) == [False, False, False]
    assert "bloom" in said and "From mine 0.3.0." in said


def test_the_command_of_a_package_runs_and_a_broken_one_breaks_no_other(
    install: Install, tmp_path: Path
) -> None:
    code = "import click\n@click.command()\ndef bloom(): click.echo('in bloom')\nwilt = 3"
    entries = "bloom = mine:bloom\nwilt = mine:wilt\nstatus = mine:bloom"
    install("mine", code, {"striate.commands": entries})
    run = "import sys; from striate.cli.main import main; main(sys.argv[1:])"
    assert _python(run, tmp_path / "mine", "bloom") == "in bloom\n"
    assert "No application" in _python(run, tmp_path / "mine", "apps", "ls", stderr=True)
    broken = _python(run, tmp_path / "mine", "wilt", stderr=True)
    assert broken.startswith("striate: The command 'wilt' of the extension mine 0.3.0 is a int")
    missing = _python(run, tmp_path / "mine", "blom", stderr=True)
    assert missing == "striate: striate has no command 'blom'. Did you mean bloom?\n"


def _python(code: str, site: Path, *arguments: str, stderr: bool = False) -> str:
    """What a process with the package's folder on its path prints."""
    import os

    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done: Any = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, cwd=site,
    )  # fmt: skip
    return str(done.stderr if stderr else done.stdout)
