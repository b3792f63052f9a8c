"""Metadata keys and standard services: written once."""

import ast
from pathlib import Path

import pytest

from striate.serve.common import metadata

pytestmark = pytest.mark.unit

PLATFORM = Path(__file__).parents[3] / "platform"


def test_no_other_file_writes_a_key_or_a_standard_service() -> None:
    """Docstrings may name them; code takes them from `striate.serve.common.metadata`."""
    names = {value for value in vars(metadata).values() if isinstance(value, str)}
    known = {name for name in names if "-" in name[1:] or "." in name} | {metadata.AUTHORIZATION}
    known -= {metadata.__name__, metadata.__file__, metadata.__doc__}
    assert {metadata.APP_KEY, metadata.REQUEST_ID_KEY, metadata.INFERENCE, metadata.HEALTH} <= known
    wrong = [
        f"{path.relative_to(PLATFORM)}:{node.lineno} writes {node.value!r}"
        for path in PLATFORM.rglob("*.py")
        if path != Path(str(metadata.__file__)).resolve() and "_pb2" not in path.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in known
    ]
    assert not wrong, "\n".join(wrong)
