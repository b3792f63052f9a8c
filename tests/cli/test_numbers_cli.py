"""Every number on the command line has two ends, and what lies beyond is a sentence."""

import math
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.cli.apps import _fields
from striate.cli.durations import SECONDS
from striate.cli.main import cli, main
from striate.cli.platform import _chips
from striate.cli.token import _lifetime_s, _rate
from striate.cli.train import _scaling
from striate.core.errors import StriateError, UsageError
from striate.serve.apps.replica import replica_range

HUGE = 10**20
TYPED = ("inf", "-inf", "nan", "1e999", "-1", "0", "1e-300", str(HUGE), f"-{HUGE}", "9" * 5000, "²")
typed = st.sampled_from(TYPED) | (st.floats() | st.integers()).map(str)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, under the words that reach it."""
    left: list[tuple[str, click.Command]] = [("striate", cli)]
    while left:
        path, command = left.pop()
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = command.list_commands(context)
            inner = ((name, command.get_command(context, name)) for name in names)
            left += [(f"{path} {name}", one) for name, one in inner if one is not None]


def options() -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of every command, under the words that reach it."""
    for path, command in commands():
        for parameter in command.params:
            yield f"{path} {parameter.name}", parameter


OPTIONS = dict(options())
BY_THE_REQUEST = {
    f"striate data ingest {name}" for name in ("shard_mb", "max_skipped", "test_share")
}
"""Refused by `IngestRequest.check`, whose numbers `tests/test_numbers.py` tries."""
NUMBERS = {
    path: one
    for path, one in OPTIONS.items()
    if isinstance(one.type, click.types.IntParamType | click.types.FloatParamType)
    and path not in BY_THE_REQUEST
}


@pytest.mark.unit
@pytest.mark.parametrize("path", sorted(NUMBERS))
def test_every_number_on_the_command_line_has_two_ends(path: str) -> None:
    kind = NUMBERS[path].type
    assert isinstance(kind, click.IntRange | click.FloatRange), f"{path} takes any number"
    assert kind.min is not None, f"{path} has no lower end"
    assert kind.max is not None, f"{path} has no upper end"


@pytest.mark.unit
@given(path=st.sampled_from(sorted(NUMBERS)), value=typed)
def test_a_number_on_the_command_line_is_taken_or_refused(path: str, value: str) -> None:
    kind = NUMBERS[path].type
    try:
        taken = kind.convert(value, None, None)
    except click.UsageError as error:
        assert error.format_message()
    else:
        assert isinstance(kind, click.IntRange | click.FloatRange)
        assert kind.min is not None and kind.max is not None
        assert kind.min <= taken <= kind.max


@pytest.mark.unit
@given(path=st.sampled_from(sorted(OPTIONS)), value=typed)
def test_any_parameter_takes_or_refuses_a_number(path: str, value: str) -> None:
    try:
        OPTIONS[path].type.convert(value, None, None)
    except click.UsageError as error:
        assert error.format_message()


@pytest.mark.unit
@given(value=typed)
def test_numbers_in_texts_are_taken_or_refused(value: str) -> None:
    for read in (_lifetime_s, _rate, _scaling, replica_range):
        for text in (value, f"{value}d", f"{value}/s", f"1:{value}", f"{value}:2"):
            try:
                read(text)
            except (StriateError, ValueError) as error:
                assert type(error) is ValueError or isinstance(error, StriateError)
    for text in (f"anna-talk={value}", f"anna-talk={value}."):
        try:
            assert 1 <= _chips((text,))["anna-talk"] <= 100_000
        except UsageError as error:
            assert "--chip" in str(error)
    assert _fields((f"port={value}",))
    try:
        assert 0 < SECONDS.convert(f"{value}h", None, None) < math.inf
    except click.UsageError as error:
        assert error.format_message()


BEYOND = ("inf", "-inf", "nan", "1e999", str(HUGE), "9" * 5000, "²", "-1e300", "")
INGEST = ("data", "ingest", "images", "/nowhere/corpus", "/nowhere/shards")
NAMED = {"numbers": "NUMBER…",
    "shard_mb": "A shard of", "max_skipped": "be skipped", "test_share": "be held out",
    "face_id": "FACE", "face_ids": "FACE…", "ids": "[ID]…",
}  # fmt: skip


def refused_words(path: str, value: str) -> list[str]:
    """What is typed to give the value; nothing else of the command is."""
    _, *words, name = path.split()
    parameter = OPTIONS[path]
    if isinstance(parameter, click.Option):
        given = [max(parameter.opts, key=len), value]
        return [*INGEST, *given] if path in BY_THE_REQUEST else [*words, *given]
    command = dict(commands())[" ".join(path.split()[:-1])]
    before = [one.name for one in command.params if isinstance(one, click.Argument)]
    return [*words, "--", *["name"] * before.index(name), value]


@pytest.mark.unit
@pytest.mark.parametrize("path", sorted({*NUMBERS, *BY_THE_REQUEST}))
def test_a_number_out_of_range_is_one_line_that_names_it(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    kind, name = OPTIONS[path].type, path.split()[-1]
    ends = []
    if isinstance(kind, click.IntRange | click.FloatRange):
        assert kind.min is not None and kind.max is not None
        ends = [str(kind.min - 1), str(kind.max + 1)]
    for value in (*BEYOND, *ends):
        with pytest.raises(SystemExit) as ended:
            main(refused_words(path, value))
        said = capsys.readouterr().err
        assert ended.value.code == 2, said
        assert said.startswith("striate: ") and said.count("\n") == 1 and len(said) < 2100
        names = (max(OPTIONS[path].opts, key=len), NAMED.get(name, name.upper()))
        assert any(one in said for one in names), said
