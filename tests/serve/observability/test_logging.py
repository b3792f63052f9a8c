"""A replica's log lines: JSON, with the request's id, and traces that stay in the log."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from striate.core.errors import SettingsError
from striate.serve.common.request_id import REQUEST_ID
from striate.serve.observability.logging import FORMAT, LEVEL, configure

pytestmark = pytest.mark.unit
logger = logging.getLogger("striate.serve.server")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger("striate")
    before = (root.level, root.propagate, list(root.handlers))
    yield
    root.level, root.propagate, root.handlers[:] = before


def _lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_one_document_with_the_request_it_belongs_to() -> None:
    stream = io.StringIO()
    configure({"app": "photos", "model": "tagger/4"}, {}, stream)
    token = REQUEST_ID.set("abc-1")
    logger.info("A line\nwith a break and “quotes”, %d of them.", 2)
    REQUEST_ID.reset(token)
    logger.warning("Outside of a request.")
    first, second = _lines(stream)
    assert first["request_id"] == "abc-1"
    assert first["message"] == "A line\nwith a break and “quotes”, 2 of them."
    assert (first["app"], first["model"], first["level"]) == ("photos", "tagger/4", "INFO")
    assert first["time"].endswith("Z")
    assert "request_id" not in second


def test_a_trace_is_one_field_of_one_line() -> None:
    stream = io.StringIO()
    configure({}, {}, stream)
    try:
        raise RuntimeError("inside")
    except RuntimeError as error:
        logger.error("It failed.", exc_info=error)
    (line,) = _lines(stream)
    assert line["error"] == "RuntimeError"
    assert "inside" in line["trace"] and "test_logging.py" in line["trace"]


def test_configuring_again_doubles_no_line() -> None:
    stream = io.StringIO()
    for _ in range(2):
        configure({}, {}, stream)
    logger.info("Once.")
    assert len(_lines(stream)) == 1


def test_text_and_levels_are_settings() -> None:
    stream = io.StringIO()
    configure({}, {LEVEL: "warning", FORMAT: "text"}, stream)
    logger.info("Not shown.")
    logger.warning("Shown.")
    assert "Shown." in stream.getvalue() and "Not shown" not in stream.getvalue()


@pytest.mark.parametrize("wrong", [{LEVEL: "LOUD"}, {FORMAT: "yaml"}])
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        configure({}, wrong, io.StringIO())
