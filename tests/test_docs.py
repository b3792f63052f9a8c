"""What the README and the docs tell a user to type is what the command accepts, and runs."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from striate.cli.main import cli
from striate.cli.verbs import SUMMARIES, VERBS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGET = re.compile(r"^([a-z]+):.*##", re.MULTILINE)


def _blocks(page: Path) -> Iterator[str]:
    """The content of each fenced block."""
    yield from re.findall(r"^```[a-z]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def _commands(page: Path, program: str) -> list[list[str]]:
    """Each line of a fenced block that starts with `program`, as words."""
    lines = "\n".join(_blocks(page)).replace("\\\n", " ").splitlines()
    found = (line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines)
    return [shlex.split(line, comments=True) for line in found if line.startswith(f"{program} ")]


def _parse(words: list[str]) -> None:
    """Let click parse a command line down to its last subcommand, without running it."""
    command: click.Command = cli
    context, rest = click.Context(cli, info_name="striate"), words
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, words
        if isinstance(found, click.Group):
            context, command = click.Context(found, parent=context, info_name=name), found
        else:
            command = found
            command.make_context(name, list(rest), parent=context)


STRIATE_LINES = [
    pytest.param(words[1:], id=" ".join([page.name, *words]))
    for page in PAGES
    for words in _commands(page, "striate")
]


@pytest.fixture
def own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of examples/own_model, as if it were installed: some lines are for it."""
    source = ROOT / "examples" / "own_model"
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = tmp_path / "site" / f"own_model-{project['version']}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in entries.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("STRIATE_MODULES", "")  # a line's --module is for that line
    monkeypatch.syspath_prepend(about.parent)
    monkeypatch.syspath_prepend(source)


@pytest.mark.unit
@pytest.mark.usefixtures("own_model")
@pytest.mark.parametrize("words", STRIATE_LINES)
def test_each_striate_command_of_the_docs_is_one_that_the_command_accepts(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in words:
        if re.fullmatch(r"[\w-]+(/[\w-]+)*\.(png|jpg|jpeg|wav)", word):
            (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / word).touch()  # a file that the reader is supposed to have
    _parse(words)


@pytest.mark.unit
def test_the_readme_and_the_docs_hold_commands() -> None:
    assert len(STRIATE_LINES) > 20


@pytest.mark.unit
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_make_target_of_the_docs_exists(page: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for words in _commands(page, "make"):
        assert words[1] in targets


@pytest.mark.unit
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_of_the_docs_leads_to_a_file(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.unit
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_source_that_the_docs_name_is_there(page: Path) -> None:
    named = re.findall(r"`((?:platform|models|tests|deploy)/[\w./-]+)`", page.read_text("utf-8"))
    missing = [place for place in named if not (ROOT / place).exists()]
    mine = {"models/two_layers.py", "platform/train/recipes/two_layers.py"}  # the reader's own
    assert not {p for p in missing if "NAME" not in p} - mine, f"{page.name} names {missing}"


@pytest.mark.unit
def test_every_command_shows_an_example_in_its_help() -> None:
    assert set(VERBS) == set(SUMMARIES)
    without = [path for path, command in _leaves(cli, "striate") if "Example" not in _help(command)]
    assert not without, f"no example: {without}"


@pytest.mark.unit
def test_every_command_prints_json_when_asked() -> None:
    without = [
        path
        for path, command in _leaves(cli, "striate")
        if "--json" not in {option for param in command.params for option in param.opts}
    ]
    assert not without, f"no --json: {without}"


def _leaves(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from _leaves(child, f"{path} {name}")


def _help(command: click.Command) -> str:
    return command.get_help(click.Context(command))
