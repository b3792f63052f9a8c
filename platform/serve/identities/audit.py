"""The audit of calls that change nothing: who asked what, when, on the disk before the answer.

What changes people or faces is noted in its own transaction (`store.write_audit`). Calls that only
look come many at a time, and are noted together: whoever waits when the writer is free shares one
transaction, so that a disk's sync is paid once for all of them.
"""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy import insert, select

from striate.core.errors import PlatformError
from striate.serve.identities import schema
from striate.serve.identities.store import IdentityStore, take_numbers

MOST_TOGETHER = 500
"""Lines of one transaction."""


@dataclass(frozen=True)
class AuditLine:
    """One line of the audit.

    Attributes:
        who: the caller, for example a token's name.
        verb: what was asked.
        tenant: in whose name; one that is not there is left out.
        person_id: of whom.
        details: numbers and counts; no name and no picture.
        at_unix_s: when.
    """

    who: str
    verb: str
    tenant: str
    person_id: int | None = None
    details: dict[str, int | list[int]] = field(default_factory=dict)
    at_unix_s: float = field(default_factory=time.time)


class AuditWriter:
    """Writes lines in a thread of its own.

    Args:
        store: of record.
    """

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._waiting: list[tuple[AuditLine, Future[None]]] = []
        self._told = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def note(self, line: AuditLine) -> "Future[None]":
        """Let a line be written.

        Returns:
            Done when it is on the disk. It fails with `StoreFull`, `StoreBusy` and their like,
            and with `PlatformError` where the writer has ended.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # a caller who leaves takes no line back
        with self._told:
            if self._ending:
                future.set_exception(PlatformError("The server is ending.", "Try again."))
            else:
                self._waiting.append((line, future))
                self._told.notify()
        return future

    def close(self) -> None:
        """Write what waits, and end."""
        with self._told:
            self._ending = True
            self._told.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._told:
                while not self._waiting and not self._ending:
                    self._told.wait()
                batch = self._waiting[:MOST_TOGETHER]
                del self._waiting[:MOST_TOGETHER]
            if not batch:
                return
            self._write(batch)

    def _write(self, batch: Sequence[tuple[AuditLine, "Future[None]"]]) -> None:
        try:
            write_lines(self._store, [line for line, _ in batch])
        except Exception as error:  # told to each who waits
            for _, future in batch:
                future.set_exception(error)
            return
        for _, future in batch:
            future.set_result(None)


def write_lines(store: IdentityStore, lines: Sequence[AuditLine]) -> None:
    """Write some lines in one transaction.

    Raises:
        StoreFull, StoreBusy, StoreOutdated, StoreDamaged: none was written.
    """
    tenants = schema.tenants.c
    with store.write(ordered=False) as connection:
        names = {line.tenant for line in lines}
        found = connection.execute(
            select(tenants.name, tenants.id).where(tenants.name.in_(names))
        ).all()
        numbers = {row.name: row.id for row in found}
        first = take_numbers(connection, "audit", len(lines))
        connection.execute(
            insert(schema.audit),
            [
                {
                    "id": first + place,
                    "at_unix_s": line.at_unix_s,
                    "who": line.who,
                    "verb": line.verb,
                    "tenant_id": numbers.get(line.tenant),
                    "person_id": line.person_id,
                    "details": json.dumps(line.details),
                }
                for place, line in enumerate(lines)
            ],
        )
