"""Every table of the command line at every width: what fits is shown whole, what not is said."""

import ast
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from rich.cells import cell_len

from striate.cli.main import cli
from striate.cli.tables import Column, Table, clean, facts, table_lines

pytestmark = pytest.mark.unit


def _every_table() -> ModuleType:
    """`every_table.py` beside this file; tests are no package."""
    path = Path(__file__).with_name("every_table.py")
    spec = importlib.util.spec_from_file_location("every_table", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EVERY_TABLE = _every_table()
ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "platform", ROOT / "examples")
THE_TABLES_OWN = ROOT / "platform" / "cli" / "tables.py"
LEFT_OUT = re.compile(r"(\d+) columns? left out: ")
SAMPLES: list[tuple[str, Table]] = list(EVERY_TABLE.samples())


def _lines(table: Table, width: int | None) -> list[str]:
    return [line.plain for line in table_lines(table, width)]


def _words(texts: Iterator[str]) -> Counter[str]:
    return Counter(word for text in texts for word in clean(text).split())


def _texts(table: Table, kept: list[int]) -> Iterator[str]:
    yield table.title
    yield from (table.columns[index].name for index in kept)
    for row in table.rows:
        yield from (table.columns[index].show(row[index]) for index in kept)


def _hint(table: Table, lines: list[str]) -> str:
    """The line under a table, joined where it was folded; empty where there is none."""
    text = " ".join(lines)
    starts = [found.start() for found in LEFT_OUT.finditer(text)]
    starts += [found.start() for found in re.finditer("shortened: what ends in", text)]
    return text[min(starts) :] if starts and text.endswith("--wide shows all") else ""


def _kept(table: Table, hint: str) -> list[int]:
    """Columns that must be there: the highest ranks are left out first, the rightmost of equals."""
    found = LEFT_OUT.match(hint)
    left_out = int(found[1]) if found else 0
    order = sorted(range(len(table.columns)), key=lambda i: (table.columns[i].rank, i))
    return sorted(order[: len(order) - left_out])


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize(("name", "table"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_every_table_fits_and_breaks_no_word(name: str, table: Table, width: int) -> None:
    lines = _lines(table, width)
    assert all(cell_len(line) <= width for line in lines), "\n".join(lines)
    hint = _hint(table, lines)
    kept = _kept(table, hint)
    assert all(index in kept for index, c in enumerate(table.columns) if not c.rank)
    missing = [column for index, column in enumerate(table.columns) if index not in kept]
    if len({column.name for column in missing}) <= 12:  # else it says how many more
        assert all(_names(hint, column.name) for column in missing)
    said, wanted = _words(iter(lines)), _words(_texts(table, kept)) + _words(iter([hint]))
    if "shortened: what ends in …" not in hint:
        assert said == wanted
        return
    # Only where what is left is always there; and what is shortened says how it begins.
    assert all(table.columns[index].rank == 0 for index in kept) or _title_is_too_long(table, width)
    for word in said - wanted:
        assert word.endswith("…") and any(one.startswith(word[:-1]) for one in wanted), word


def _names(hint: str, name: str) -> bool:
    """Whether it names a column, were it by its beginning where the name is wider than all."""
    begun = (word[:-1] for word in hint.split() if word.endswith("…"))
    return clean(name) in hint or any(clean(name).startswith(word) for word in begun)


def _title_is_too_long(table: Table, width: int) -> bool:
    return any(cell_len(word) > width for word in clean(table.title).split())


@pytest.mark.parametrize(("name", "table"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_wide_and_pipes_get_whole_rows_of_all_columns(name: str, table: Table) -> None:
    lines = _lines(table, None)
    header = any(column.name for column in table.columns)
    assert len(lines) == bool(clean(table.title)) + header + len(table.rows)
    everything = list(range(len(table.columns)))
    assert _words(iter(lines)) == _words(_texts(table, everything))
    for row, line in zip(table.rows, lines[len(lines) - len(table.rows) :], strict=True):
        for column, value in zip(table.columns, row, strict=True):
            assert clean(column.show(value)) in line
    assert all(line.isprintable() for line in lines)


def test_no_column_is_left_out_that_there_is_room_for() -> None:
    columns = (Column("name", 0), Column("note", 2, folds=True), Column("size", 1))
    table = Table("", columns, [("alpha", "some words", 12), ("b", "more", 7)])
    assert _lines(table, 23) == [
        "name   note        size",
        "alpha  some words    12",
        "b      more           7",
    ]
    assert _lines(table, 22) == [
        "name   size", "alpha    12", "b         7", "1 column left out:", "note; --wide shows all",
    ]  # fmt: skip


def test_a_long_text_folds_before_a_column_goes() -> None:
    columns = (Column("name", 0), Column("note", 1, folds=True))
    table = Table("", columns, [("alpha", "it has words enough for two lines here")])
    assert _lines(table, 32) == [
        "name   note", "alpha  it has words enough for", "       two lines here",
    ]  # fmt: skip


def test_the_last_resort_is_an_ellipsis() -> None:
    table = facts("", [("key", "0123456789")])
    assert _lines(table, 12) == [
        "key  012345…",
        "shortened:",
        "what ends in",
        "…; --wide",
        "shows all",
    ]


def _functions_with_tables() -> Iterator[str]:
    """Module and name of each function that makes a table of ours."""
    for path in _files():
        if "striate.cli.tables" not in _text(path):
            continue
        for function in ast.walk(ast.parse(_text(path))):
            if isinstance(function, ast.FunctionDef) and _calls(function) & {"Table", "facts"}:
                yield f"{path.stem}.{function.name}"


def _files() -> list[Path]:
    found = [path for folder in SOURCES for path in sorted(folder.rglob("*.py"))]
    return [path for path in found if path != THE_TABLES_OWN]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _calls(node: ast.AST) -> set[str]:
    """Names that are called in it."""
    called = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return {one.id for one in called if isinstance(one, ast.Name)} | {
        one.attr for one in called if isinstance(one, ast.Attribute)
    }


def test_every_function_that_makes_a_table_is_rendered_here() -> None:
    assert set(_functions_with_tables()) == set(EVERY_TABLE.MAKERS)


def test_no_table_is_made_by_hand() -> None:
    """Neither with rich's own nor with blanks that are counted out."""
    for path in _files():
        text = path.read_text(encoding="utf-8")
        assert "rich.table" not in text, path
        if path.parent.name == "cli" and path.name != "output.py":
            aligned = re.findall(r"\{[^{}\"]*:[<>^]\{?\w+\}?\}|\.[lr]just\(", text)
            assert not aligned, (path, aligned)


def test_nothing_is_wrapped_for_a_pipe() -> None:
    """What is printed as it stands says so; `print_line` and the like ask what it is printed on."""
    for path in sorted((ROOT / "platform" / "cli").glob("*.py")):
        for call in ast.walk(ast.parse(_text(path))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("console.print"):
                named = {keyword.arg for keyword in call.keywords}
                assert not call.args or "soft_wrap" in named, (path.name, call.lineno)


def _commands(group: click.Group, words: str = "striate") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def _printers() -> set[tuple[str, str]]:
    """(module, function) of the command line from which a table may be printed, in any depth."""
    calls: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for path in sorted((ROOT / "platform" / "cli").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            (one.asname or one.name): ((node.module or "").rpartition(".")[2], one.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("striate.cli")
            for one in node.names
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                names = _calls(function)
                calls[path.stem, function.name] = {
                    imported.get(name, (path.stem, name)) for name in names
                } | {(module, name) for module in imported for name in names}
    found = {("output", "print_table")}
    while more := {one for one, called in calls.items() if called & found} - found:
        found |= more
    return found


def test_every_verb_that_prints_a_table_has_wide() -> None:
    printers = _printers()
    verbs = {
        words: command
        for words, command in _commands(cli)
        if command.callback is not None
        and (command.callback.__module__.rpartition(".")[2], command.callback.__name__) in printers
    }
    assert {"striate runs ls", "striate apps top", "striate train", "striate jobs logs"} <= set(
        verbs
    )
    for words, command in verbs.items():
        assert any("--wide" in option.opts for option in command.params), words
