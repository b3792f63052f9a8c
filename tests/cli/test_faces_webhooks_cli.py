"""`striate faces webhooks`, as its user sees it."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.main import cli
from striate.core.errors import UnknownName, UsageError
from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.outbox import Attempted, EventOutbox
from striate.serve.webhooks.sightings import Sighting
from striate.serve.webhooks.signature import read_secrets

pytestmark = pytest.mark.unit

HOOK = Webhook(name="door", url="https://door.example/private", secret="env:S")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with a dead event, and one that waits."""
    url = str(tmp_path / "faces.db")
    opened = IdentityStore.open(url)
    outbox = EventOutbox(opened, "faces", 10)
    names = [("known", "Ada Lovelace"), ("unknown", "")]
    outbox.add([Sighting("ours", kind, "a photo", None, who) for kind, who in names], [HOOK])  # type: ignore[arg-type]
    (first, _) = outbox.exchange("door", [], 1e10, 9, lease_s=1)
    outbox.exchange("door", [Attempted(first.id, "The receiver answered 500.")], 0, 0, 1)
    opened.close()
    return url


def _run(*words: str) -> str:
    done = CliRunner().invoke(cli, ["faces", "webhooks", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_events_are_listed_without_whom_they_name(store: str) -> None:
    said = _run("ls", "--store", store)
    assert "dead" in said and "The receiver answered 500." in said and "unknown" in said
    assert "Ada" not in said and "private" not in said
    listed = json.loads(_run("ls", "--store", store, "--json"))
    assert [(one["kind"], one["dead"], one["attempts"]) for one in listed] == [
        ("known", True, 1), ("unknown", False, 0),
    ]  # fmt: skip
    assert "Ada" not in json.dumps(listed)
    assert [one["id"] for one in json.loads(_run("ls", "--dead", "--store", store, "--json"))] == [
        1
    ]
    assert len(json.loads(_run("ls", "--limit", "1", "--store", store, "--json"))) == 1


def test_dead_events_are_tried_again(store: str) -> None:
    assert "1 event is tried again" in _run("retry", "1", "--store", store)
    assert json.loads(_run("ls", "--dead", "--store", store, "--json")) == []
    assert (
        "No event is dead"
        in CliRunner().invoke(cli, ["faces", "webhooks", "ls", "--dead", "--store", store]).stderr
    )
    assert json.loads(_run("retry", "--all", "--store", store, "--json")) == {"retried": 0}
    runner = CliRunner()
    for words, kind in ((["retry", "2"], UnknownName), (["retry"], UsageError)):
        done = runner.invoke(cli, ["faces", "webhooks", *words, "--store", store])
        assert isinstance(done.exception, kind)


def test_a_secret_is_made_once_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "door.secret"
    said = json.loads(_run("secret", str(file), "--json"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(read_secrets(said["secret"])[0]) == 32
    assert file.read_text().strip() not in json.dumps(said)
    before = file.read_text()
    done = CliRunner().invoke(cli, ["faces", "webhooks", "secret", str(file)])
    assert isinstance(done.exception, UsageError) and file.read_text() == before
