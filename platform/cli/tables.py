"""Tables as lines of text: which columns a width has room for, where they fold, what is shortened.

Without a width every column is shown and each row is one line: that is what pipes and ``--wide``
get. With one, columns are left out by their rank, then long ones fold at blanks; a word is
shortened, by an ellipsis, where nothing else can give way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from striate.cli.numbers import ABSENT, format_loss

_GAP = 2
_COMFORT = 20  # a column that folds is not made narrower than this while others can be left out
_ELLIPSIS = "…"
_NAMED = 12  # columns that are left out
_NO_SIGN = "�"


@dataclass(frozen=True)
class Link:
    """A cell that a terminal makes a link of.

    Attributes:
        text: what is shown.
        url: where it leads.
    """

    text: str
    url: str

    def __str__(self) -> str:
        return self.text


def show_value(value: Any) -> str:
    """A cell of no particular kind: None is a dash, numbers as people write them."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return format_loss(value) if isinstance(value, float) else str(value)


def show_id(value: Any) -> str:
    """What names a thing, a version's number say: as it is, None as a dash."""
    return ABSENT if value is None else str(value)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its header.
        rank: 0 is always there; of the others the highest is left out first, and of equal ones
            the rightmost.
        folds: whether its text may go on in the next line, at a blank.
        show: a cell's value as text.
        right: aligned to the right; None is for a column that holds numbers alone.
    """

    name: str
    rank: int = 1
    folds: bool = False
    show: Callable[[Any], str] = show_value
    right: bool | None = None


class Table:
    """What a command lists.

    Args:
        title: a line above it, or empty.
        columns: a name stands for a column that does not fold, always there if it is the first.
        rows: one value for each column.
    """

    def __init__(
        self, title: str, columns: Sequence[Column | str], rows: Sequence[Sequence[Any]]
    ) -> None:
        self.title = title
        self.columns = [
            column if isinstance(column, Column) else Column(column, rank=min(index, 1))
            for index, column in enumerate(columns)
        ]
        self.rows = [list(row) for row in rows]


def facts(title: str, rows: Sequence[tuple[str, Any]]) -> Table:
    """A table of names and what each is; both columns are always there."""
    return Table(title, [Column("", 0, folds=True), Column("", 0, folds=True)], rows)


def table_lines(table: Table, width: int | None) -> list[Text]:
    """A table as lines without blanks at their ends.

    Args:
        table: the table.
        width: cells that no line is wider than; None for whole rows of all columns.
    """
    columns = [_Drawn.of(table, index) for index in range(len(table.columns))]
    kept = columns if width is None else _choose(columns, width)
    widths = [column.widest for column in kept] if width is None else _widths(kept, width)
    lines = [Text(part, "italic") for part in _fold(clean(table.title), width)]
    if any(column.name for column in kept):
        header = [_fold(column.name, size) for column, size in zip(kept, widths, strict=True)]
        lines += _row(header, kept, widths, [Style(bold=True)] * len(kept))
    for index in range(len(table.rows)):
        cells = [column.cell(index, size) for column, size in zip(kept, widths, strict=True)]
        lines += _row(cells, kept, widths, [column.styles[index] for column in kept])
    hint = _hint(table, columns, kept, widths, width)
    return [*lines, *(Text(part, "dim") for part in _fold(hint, width))]


def clean(text: str) -> str:
    """A text as one line: blanks for breaks and tabs, a sign for what cannot be printed."""
    return "".join(c if c.isprintable() else _NO_SIGN for c in " ".join(text.split()))


def shorten(text: str, width: int) -> str:
    """A text in so many cells, ending in an ellipsis where it is longer.

    >>> shorten("lenet5-modern", 8), shorten("lenet5", 8)
    ('lenet5-…', 'lenet5')
    """
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) >= width:
        text = text[:-1]
    return text + _ELLIPSIS


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A column with its cells as text.

    Attributes:
        name: its header.
        rank: as in `Column`.
        folds: as in `Column`.
        right: whether it is aligned to the right.
        cells: one line of text each.
        styles: of the cells.
        least: cells wide at least, without a word broken.
        widest: cells wide with each cell on one line.
    """

    name: str
    rank: int
    folds: bool
    right: bool
    cells: list[str]
    styles: list[Style]
    least: int
    widest: int

    @classmethod
    def of(cls, table: Table, index: int) -> "_Drawn":
        column, values = table.columns[index], [row[index] for row in table.rows]
        name = clean(column.name)
        cells = [clean(column.show(value)) for value in values]
        styles = [Style(link=v.url) if isinstance(v, Link) else Style() for v in values]
        parts = [word for cell in cells for word in cell.split()] if column.folds else cells
        least = max(map(cell_len, [*name.split(), *parts]), default=0)
        widest = max(map(cell_len, [name, *cells]))
        right = column.right
        if right is None:
            right = bool(values) and all(_is_number(one) or one is None for one in values)
        return cls(name, column.rank, column.folds, right, cells, styles, least, widest)

    @property
    def comfortable(self) -> int:
        """Cells wide at least, without a text standing as a tower of words."""
        return min(self.widest, max(self.least, _COMFORT)) if self.folds else self.least

    def cell(self, index: int, width: int) -> list[str]:
        """A cell's lines."""
        text = self.cells[index]
        return _fold(text, width) if self.folds else [shorten(text, width)]


def _choose(columns: list[_Drawn], width: int) -> list[_Drawn]:
    """The columns that there is room for."""
    kept = list(columns)
    while _sum([column.comfortable for column in kept]) > width:
        if not (spare := [column for column in kept if column.rank]):
            break
        highest = max(column.rank for column in spare)
        kept.remove([column for column in spare if column.rank == highest][-1])
    return kept


def _widths(kept: list[_Drawn], width: int) -> list[int]:
    """How wide each is: as it needs, what is left over given to those that want more."""
    found = [column.comfortable for column in kept]
    if _sum(found) > width:
        found = [column.least for column in kept]
    while _sum(found) > width and max(found) > 1:
        found[found.index(max(found))] -= 1
    while wanting := [i for i, column in enumerate(kept) if found[i] < column.widest]:
        for index in wanting:
            if _sum(found) >= width:
                return found
            found[index] += 1
    return found


def _sum(widths: list[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _fold(text: str, width: int | None) -> list[str]:
    """Lines of at most so many cells, broken at blanks; a longer word is shortened."""
    if width is None or cell_len(text) <= width:
        return [text] if text else []
    lines: list[str] = []
    for word in text.split():
        word = shorten(word, width)
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _row(
    cells: list[list[str]], columns: list[_Drawn], widths: list[int], styles: list[Style]
) -> list[Text]:
    """The lines of a row, one at least."""
    lines = []
    for number in range(max(1, *map(len, cells))):
        line = Text()
        for index, (cell, column) in enumerate(zip(cells, columns, strict=True)):
            text = cell[number] if number < len(cell) else ""
            blanks = " " * (widths[index] - cell_len(text))
            line.append(" " * (_GAP if index else 0) + (blanks if column.right else ""))
            line.append(text, styles[index])
            line.append("" if column.right else blanks)
        line.rstrip()
        lines.append(line)
    return lines


def _hint(
    table: Table, columns: list[_Drawn], kept: list[_Drawn], widths: list[int], width: int | None
) -> str:
    """What the width has cost, or nothing."""
    if width is None:
        return ""
    left_out = [column.name for column in columns if column not in kept]
    many = "1 column" if len(left_out) == 1 else f"{len(left_out)} columns"
    named = list(dict.fromkeys(left_out))  # several may have one name
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    costs = [f"{many} left out: {', '.join([*named[:_NAMED], *more])}"] if left_out else []
    too_long = any(cell_len(word) > width for word in clean(table.title).split())
    if too_long or any(size < column.least for column, size in zip(kept, widths, strict=True)):
        costs.append(f"shortened: what ends in {_ELLIPSIS}")
    return "; ".join([*costs, "--wide shows all"]) if costs else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
