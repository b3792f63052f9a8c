"""The store of record: transactions on people, faces and codes, and the numbers that order them."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from striate.core.errors import UnknownName, UsageError
from striate.serve.identities import schema
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.sql.kind import StoreKind
from striate.serve.sql.store import SqlStore

EVERY_FACE = 0
"""In `changes`: all faces of the tenant."""
LONGEST_NAME = 200


def default_store(home: Path) -> Path:
    """The local platform's store, in SQLite."""
    return home / "faces" / "store.db"


@dataclass(frozen=True)
class KnownModel:
    """A model that the store has descriptions of.

    Attributes:
        id: its number in the store.
        name: what people call it; it decides nothing.
        fingerprint: what it is.
        state: ``serving``, ``building`` or ``retired``.
    """

    id: int
    name: str
    fingerprint: ModelFingerprint
    state: str


FACES = StoreKind(
    name="the store of faces",
    metadata=schema.metadata,
    migrations=Path(__file__).parent / "migrations",
    version_table="alembic_version",
    migrate="striate faces migrate",
)


class IdentityStore(SqlStore):
    """People and faces in a SQL database.

    One writer at a time, on SQLite by its lock and on PostgreSQL by that of a row, so that change
    numbers are committed in their order: whoever has followed the changes up to a number has missed
    none. Readers wait for nobody.
    """

    kind = FACES

    @contextmanager
    def write(self, *, ordered: bool = True) -> Iterator[Connection]:
        """A transaction that writes: what it did is on the disk when the block has ended.

        Args:
            ordered: whether it may list changes, and so waits for those who do; an audit need not.
        """
        with super().write() as connection:
            if ordered and connection.dialect.name != "sqlite":
                counter = schema.counters.c
                connection.execute(
                    select(counter.value).where(counter.name == "change").with_for_update()
                )
            yield connection

    def newest_change(self) -> int:
        """The number of the newest committed change."""
        with self.read() as connection:
            return counter(connection, "change")


def counter(connection: Connection, name: str) -> int:
    """The value of a counter."""
    found = schema.counters.c
    return int(connection.execute(select(found.value).where(found.name == name)).scalar_one())


def set_counter(connection: Connection, name: str, value: int) -> None:
    """Give a counter a value."""
    table = schema.counters
    connection.execute(update(table).where(table.c.name == name).values(value=value))


def take_numbers(connection: Connection, name: str, count: int = 1) -> int:
    """The first of `count` new numbers of a counter."""
    table = schema.counters
    last = connection.execute(
        update(table)
        .where(table.c.name == name)
        .values(value=table.c.value + count)
        .returning(table.c.value)
    ).scalar_one()
    return int(last) - count + 1


def record_changes(connection: Connection, tenant_id: int, face_ids: Sequence[int]) -> int:
    """List faces as changed, so that every index looks at them again.

    Returns:
        The number of the newest change.
    """
    if not face_ids:
        return counter(connection, "change")
    first = take_numbers(connection, "change", len(face_ids))
    rows = [
        {"seq": first + place, "tenant_id": tenant_id, "face_id": face_id}
        for place, face_id in enumerate(face_ids)
    ]
    connection.execute(insert(schema.changes), rows)
    return first + len(face_ids) - 1


def write_audit(
    connection: Connection,
    who: str,
    verb: str,
    tenant_id: int | None = None,
    person_id: int | None = None,
    **details: int | list[int],
) -> None:
    """Note who did what, in the transaction that does it.

    Args:
        connection: of that transaction.
        who: the caller, for example a token's name.
        verb: what was done.
        tenant_id: in whose name.
        person_id: to whom.
        details: numbers and counts; no name and no picture, for it outlives what is forgotten.
    """
    connection.execute(
        insert(schema.audit).values(
            id=take_numbers(connection, "audit"),
            at_unix_s=time.time(),
            who=who,
            verb=verb,
            tenant_id=tenant_id,
            person_id=person_id,
            details=json.dumps(details),
        )
    )


def find_tenant(connection: Connection, name: str) -> int | None:
    """A tenant's number; None where nobody was enrolled for it."""
    table = schema.tenants
    found = connection.execute(select(table.c.id).where(table.c.name == name)).scalar_one_or_none()
    return None if found is None else int(found)


def need_tenant(connection: Connection, name: str) -> int:
    """A tenant's number.

    Raises:
        UnknownName: nobody was enrolled for it.
    """
    found = find_tenant(connection, name)
    if found is None:
        raise UnknownName(f"No face was enrolled for {name!r}.", "Enrol one first.")
    return found


def make_tenant(connection: Connection, name: str) -> int:
    """A tenant's number; it is made where there is none."""
    check_name("tenant", name)
    found = find_tenant(connection, name)
    if found is not None:
        return found
    number = take_numbers(connection, "tenant")
    connection.execute(insert(schema.tenants).values(id=number, name=name, made_unix_s=time.time()))
    return number


def find_person(connection: Connection, tenant_id: int, name: str) -> Row[Any] | None:
    """The row of `people` of that name."""
    table = schema.people
    return connection.execute(
        select(table).where(table.c.tenant_id == tenant_id, table.c.name == name)
    ).one_or_none()


def need_person(connection: Connection, tenant_id: int, person_id: int) -> Row[Any]:
    """The row of `people` of that number.

    Raises:
        UnknownName: the tenant has no such person.
    """
    table = schema.people
    found = connection.execute(
        select(table).where(table.c.tenant_id == tenant_id, table.c.id == person_id)
    ).one_or_none()
    if found is None:
        raise UnknownName(
            f"There is no person {person_id}.", "`striate faces people ls` lists them."
        )
    return found


def make_person(connection: Connection, tenant_id: int, name: str, *, hidden: bool = False) -> int:
    """The number of a new person; the caller has looked that the name is free."""
    check_name("person", name)
    number = take_numbers(connection, "person")
    connection.execute(
        insert(schema.people).values(
            id=number, tenant_id=tenant_id, name=name, hidden=hidden, made_unix_s=time.time()
        )
    )
    return number


def check_name(kind: str, name: str) -> None:
    """Whether a name can be kept and shown.

    Raises:
        UsageError: it is empty, too long, or holds what no name has.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(
            f"{name[:40]!r} cannot be the name of a {kind}.",
            f"Give 1 to {LONGEST_NAME} printable characters.",
        )


def known_models(connection: Connection) -> list[KnownModel]:
    """All models that the store was given, oldest first."""
    rows = connection.execute(select(schema.models).order_by(schema.models.c.id))
    return [
        KnownModel(
            row.id,
            row.name,
            ModelFingerprint(
                network=row.network,
                detector=row.detector,
                dimension=row.dimension,
                code_version=row.code_version,
            ),
            row.state,
        )
        for row in rows
    ]


def serving_model(connection: Connection) -> KnownModel | None:
    """The model whose codes are searched; None in a new store."""
    return next((m for m in known_models(connection) if m.state == "serving"), None)


def add_model(
    connection: Connection, fingerprint: ModelFingerprint, name: str, state: str
) -> KnownModel:
    """Make a model known, or give a known one a new name and state."""
    known = {model.fingerprint: model for model in known_models(connection)}
    table = schema.models
    if fingerprint in known:
        number = known[fingerprint].id
        connection.execute(update(table).where(table.c.id == number).values(name=name, state=state))
    else:
        number = take_numbers(connection, "model")
        connection.execute(
            insert(table).values(id=number, name=name, state=state, **fingerprint.model_dump())
        )
    return KnownModel(number, name, fingerprint, state)


def count_rows(connection: Connection, table: Any, *where: Any) -> int:
    """How many rows of a table meet the conditions."""
    return int(
        connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    )
