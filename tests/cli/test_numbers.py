"""Numbers as people read them, a function a kind."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from striate.cli import numbers, query
from striate.cli.tables import table_lines

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
FORMATTED = r"\{[^{}]*(?:score|loss|seconds|_ms|share|rate)\w*:(?!g\})[^{}]*\}"


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (numbers.format_probability, 5.091e-28, "0.000"),
        (numbers.format_probability, 0.9996, "1.000"),
        (numbers.format_score, 5.091e-28, "0.0000"),
        (numbers.format_score, -0.25, "-0.2500"),
        (numbers.format_score, float("nan"), "nan"),
        (numbers.format_loss, 1e-05, "1e-05"),
        (numbers.format_loss, 0.0001, "0.0001"),
        (numbers.format_loss, 1e300, "1e+300"),
        (numbers.format_rate, 80.0, "80"),
        (numbers.format_seconds, 1e300, "1e+300"),
        (numbers.format_mebibytes, 0, "0 MiB"),
    ],
)
def test_each_kind_has_its_digits(
    show: Callable[[float | None], str], value: float, text: str
) -> None:
    assert show(value) == text
    assert show(None) == "–"


def test_a_tags_score_is_no_power_of_ten() -> None:
    labels = [SimpleNamespace(name=str(n), score=score) for n, score in enumerate((0.81, 5e-28))]
    answer: Any = SimpleNamespace(model="lenet5", version="1", labels=labels)
    lines = [line.plain for line in table_lines(query.tags_table(Path("a.png"), answer, 3.2), 80)]
    assert lines[-2:] == ["0      0.810", "1      0.000"]


def test_the_command_line_formats_no_score_or_time_by_itself() -> None:
    """A figure that a user gave is said as given (`:g`); `numbers` knows how others are written."""
    for path in sorted((ROOT / "platform" / "cli").glob("*.py")):
        if path.name != "numbers.py":
            found = re.findall(FORMATTED, path.read_text(encoding="utf-8"))
            assert not found, (path.name, found)
