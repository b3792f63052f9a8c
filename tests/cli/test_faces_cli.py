"""`striate faces`, as its user sees it."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.main import cli
from striate.core.errors import StriateError
from striate.serve.identities.store import IdentityStore, default_store

pytestmark = pytest.mark.unit


def test_the_remedy_of_an_older_schema_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the error names is a command that mends it, on the local platform's own store."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    file = default_store(tmp_path)
    file.parent.mkdir()
    older = sqlite3.connect(file)  # a table of a time before there were revisions
    older.execute("CREATE TABLE keepsake (note TEXT)")
    older.commit()
    with pytest.raises(StriateError) as caught:
        IdentityStore.open(str(file))
    assert "`striate faces migrate`" in caught.value.remedy
    done = CliRunner().invoke(cli, ["faces", "migrate"])
    assert done.exit_code == 0, done.output
    assert "has the schema 0002" in done.output
    IdentityStore.open(str(file)).close()
    again = CliRunner().invoke(cli, ["faces", "migrate", "--store", str(file), "--json"])
    assert json.loads(again.output) == {"schema": "0002"}
