"""Processes that tell what they see are killed again and again: what was acknowledged arrives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks.sender import WebhookSender

SCRIPT = Path(__file__).with_name("told.py")
KILLS = 6


@pytest.mark.e2e
def test_all_that_was_acknowledged_arrives(
    tmp_path: Path, listen: Any, configure: Any, store: IdentityStore
) -> None:
    receiver = listen(*[500, 204] * 10)
    config = configure(receiver)
    command = [sys.executable, str(SCRIPT), str(tmp_path / "faces.db"), config.model_dump_json()]
    done = subprocess.run([*command, str(KILLS), "7"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    acknowledged = set(done.stdout.split())
    assert len(acknowledged) > KILLS
    with store.write() as connection:  # what was on its way is due at the end of its lease
        connection.exec_driver_sql("UPDATE webhook_events SET due_unix_s = 0")
    sender = WebhookSender(store, config, "faces")
    arrived: set[str] = set()
    while acknowledged - arrived:
        arrived.add(receiver.next().headers["webhook-id"])
    sender.close()
