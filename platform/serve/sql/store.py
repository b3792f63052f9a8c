"""A store of record: it is opened, migrated, read and written in transactions."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import ClassVar, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from striate.serve.sql.database import WRITES, connect, explain
from striate.serve.sql.kind import StoreKind
from striate.serve.sql.migrate import check_revision, is_empty, migrate

BUSY_TIMEOUT_S = 10.0
_MIGRATION_LOCK = 0x57_12_1A7E
AT_A_TIME = 500
"""Numbers in one statement; SQLite takes 32,766 and PostgreSQL 65,535."""
Value = TypeVar("Value")


def portions(values: Iterable[Value]) -> Iterator[list[Value]]:
    """Values for one statement each: at most `AT_A_TIME`."""
    rest = iter(values)
    while some := list(islice(rest, AT_A_TIME)):
        yield some


class SqlStore:
    """A store in a SQL database; a kind of store is a class with a `kind` of its own.

    Args:
        engine: of `striate.serve.sql.database.connect`.
    """

    kind: ClassVar[StoreKind]

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open a store; a database without its tables becomes one.

        Args:
            url: path of a SQLite file, or a SQLAlchemy URL of SQLite or PostgreSQL.
            busy_timeout_s: how long a writer waits for another.

        Raises:
            StoreOutdated: it has another schema.
            StoreFull, StoreBusy, StoreDamaged: as their names say.
            UsageError: no such database can hold a store.
        """
        store = cls(connect(url, busy_timeout_s, cls.kind))
        with store.read() as connection:
            empty = is_empty(connection, cls.kind)
        if empty:
            store.migrate()
        with store.read() as connection:
            check_revision(connection, cls.kind)
        return store

    @classmethod
    def upgrade(cls, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Bring a store of an older schema to the newest, and open it.

        Raises:
            StoreOutdated: a newer Striate made it.
        """
        store = cls(connect(url, busy_timeout_s, cls.kind))
        store.migrate()
        return store

    def migrate(self) -> None:
        """Bring the schema to the newest; whole or not at all."""
        with self._transaction(writes=True) as connection:
            if connection.dialect.name != "sqlite":  # there is no row to lock yet
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            migrate(connection, self.kind)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: what it did is on the disk when the block has ended."""
        with self._transaction(writes=True) as connection:
            yield connection

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with explain(self.engine, self.kind), self.engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: writes})
            with connection.begin():
                yield connection
