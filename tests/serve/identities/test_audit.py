"""Calls that only look are noted together, and are on the disk before they are answered."""

import asyncio
import json
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from striate.core.errors import PlatformError
from striate.serve.identities import audit, schema
from striate.serve.identities.audit import AuditLine, AuditWriter
from striate.serve.identities.enroll import enroll
from striate.serve.identities.store import IdentityStore, find_tenant
from striate.serve.sql.errors import StoreBusy

pytestmark = pytest.mark.unit


def lines_of(store: IdentityStore) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.id)))


def test_a_line_is_on_the_disk_when_its_future_is_done(
    store: IdentityStore, model: Any, new_face: Any
) -> None:
    enroll(store, None, "ours", model, [new_face(1)], who="me")
    writer = AuditWriter(store)
    writer.note(AuditLine("me", "search", "ours", 7, {"faces": 2, "people": [7, 9]})).result(10)
    writer.note(AuditLine("you", "detect", "nobody's")).result(10)
    _, first, second = lines_of(store)
    with store.read() as connection:
        assert first.tenant_id == find_tenant(connection, "ours")
    assert (first.who, first.verb, first.person_id) == ("me", "search", 7)
    assert json.loads(first.details) == {"faces": 2, "people": [7, 9]}
    assert (second.tenant_id, second.details) == (None, "{}")
    writer.close()


def test_a_caller_who_leaves_takes_nothing_back_and_hinders_nobody(
    store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    write = audit.write_lines
    monkeypatch.setattr(audit, "write_lines", lambda *given: free.wait(10) and write(*given))
    writer = AuditWriter(store)

    async def leave() -> None:
        waiting = asyncio.wrap_future(writer.note(AuditLine("me", "search", "")))
        waiting.cancel()
        await asyncio.wait([waiting])

    asyncio.run(leave())
    free.set()
    writer.note(AuditLine("you", "search", "")).result(10)
    assert [line.who for line in lines_of(store)] == ["me", "you"]
    writer.close()


def test_lines_that_wait_share_a_transaction(
    store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, written = threading.Event(), []
    write = audit.write_lines

    def held(store: IdentityStore, lines: Any) -> None:
        assert free.wait(10)
        written.append(len(lines))
        write(store, lines)

    monkeypatch.setattr(audit, "write_lines", held)
    monkeypatch.setattr(audit, "MOST_TOGETHER", 6)
    writer = AuditWriter(store)
    futures = [writer.note(AuditLine("me", "search", "", None, {"n": n})) for n in range(10)]
    free.set()
    for future in futures:
        future.result(10)
    assert sum(written) == 10 and len(written) <= 3 and max(written) == 6
    assert [json.loads(line.details)["n"] for line in lines_of(store)] == list(range(10))
    writer.close()


def test_closing_writes_what_waits_and_takes_no_more(store: IdentityStore) -> None:
    writer = AuditWriter(store)
    futures = [writer.note(AuditLine("me", "search", "")) for _ in range(50)]
    writer.close()
    assert all(future.done() for future in futures)
    assert len(lines_of(store)) == 50
    with pytest.raises(PlatformError, match="ending"):
        writer.note(AuditLine("me", "search", "")).result(1)


def test_a_store_that_another_holds_is_told_to_each_who_waits(tmp_path: Path) -> None:
    store = IdentityStore.open(str(tmp_path / "held.db"), busy_timeout_s=0.05)
    writer = AuditWriter(store)
    other = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    futures: list[Future[None]] = [writer.note(AuditLine("me", "search", "")) for _ in range(3)]
    for future in futures:
        with pytest.raises(StoreBusy):
            future.result(10)
    other.execute("ROLLBACK")
    writer.note(AuditLine("me", "search", "")).result(10)
    assert len(lines_of(store)) == 1
    writer.close()
