"""A sentence from a pydantic error: the field's path, the reason, and nothing of pydantic's own."""

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from striate.core.errors import RecipeError
from striate.core.validation import (
    InvalidField,
    check_arguments,
    describe_invalid,
    first_invalid,
)

pytestmark = pytest.mark.unit


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int
    kind: Literal["max", "mean"] = "max"

    @model_validator(mode="after")
    def _even(self) -> "_Part":
        if self.size % 2:
            raise ValueError("size must be even")
        return self


def _error(kind: Any, value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value


def test_the_path_is_dotted_through_lists() -> None:
    error = _error(dict[str, list[_Part]], {"parts": [{"size": 2}, {"size": "big"}]})
    assert describe_invalid(error).startswith("parts.1.size: Input should be a valid integer")


def test_a_fault_of_the_whole_has_the_word_of_the_caller() -> None:
    error = _error(_Part, {"size": 3})
    assert describe_invalid(error) == "content: size must be even"
    assert describe_invalid(error, whole="these arguments") == "these arguments: size must be even"
    assert describe_invalid(error, whole="") == "size must be even"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, InvalidField("size", "Field required", {}, "missing")),
        (
            {"size": 2, "depth": 1},
            InvalidField("depth", "Extra inputs are not permitted", 1, "extra_forbidden"),
        ),
        (
            {"size": 2, "kind": "min"},
            InvalidField(
                "kind", "Input should be 'max' or 'mean'", "min", "literal_error", "'max' or 'mean'"
            ),
        ),
    ],
)
def test_what_is_known_of_a_fault(given: dict[str, Any], expected: InvalidField) -> None:
    assert first_invalid(_error(_Part, given)) == expected


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), max_size=5), st.text())
def test_any_path_and_reason_come_out_whole(path: list[str], reason: str) -> None:
    error = ValidationError.from_exception_data(
        "Any",
        [{"type": "value_error", "loc": tuple(path), "input": 1, "ctx": {"error": reason}}],
    )
    place = ".".join(path) or "content"
    assert describe_invalid(error) == f"{place}: {reason}"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "The pipeline x lacks size. It knows size, kind."),
        ({"size": 2, "depth": 1}, "The pipeline x cannot take depth = 1: Extra inputs"),
        ({"size": 3}, "The pipeline x cannot take its arguments: size must be even."),
    ],
)
def test_arguments_that_do_not_fit_are_one_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        check_arguments(_Part, given, "pipeline x")
    assert str(caught.value).startswith(says)
    assert check_arguments(_Part, {"size": 2}, "pipeline x") == _Part(size=2)


def test_nobody_else_takes_a_validation_error_apart() -> None:
    root = Path(__file__).resolve().parents[2]
    sources = [path for room in ("platform", "models") for path in (root / room).rglob("*.py")]
    apart = [path.name for path in sources if ".errors(" in path.read_text(encoding="utf-8")]
    assert apart == ["validation.py"]
