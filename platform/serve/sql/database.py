"""A SQL database as the store uses it: durable commits, one writer at a time, clear errors."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from striate.core.errors import StriateError, UsageError
from striate.serve.sql.errors import StoreBusy, StoreDamaged, StoreFull, StoreOutdated
from striate.serve.sql.kind import StoreKind

WRITES = "striate_writes"
_FULL = {"SQLITE_FULL", "53100", "53200"}
_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01", "57014"}
_BAD = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"}
_CLOSED = {"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"}
_MISSING = {"42P01", "42703"}  # no such table or column: no migration was run


def connect(url: str, busy_timeout_s: float, kind: StoreKind) -> Engine:
    """An engine for a store's database.

    SQLite: write-ahead log, each commit synced to the disk (`synchronous=FULL`), foreign keys held,
    and what is deleted overwritten (`secure_delete`). PostgreSQL: commits are synchronous whatever
    the server's default.

    Args:
        url: a SQLAlchemy URL of SQLite or PostgreSQL, or the path of a SQLite file.
        busy_timeout_s: how long a writer waits for another.
        kind: of the store.

    Raises:
        UsageError: another kind of database, or no URL at all.
    """
    parsed = _parse(url, kind)
    try:
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, busy_timeout_s)
        return _postgresql(parsed, busy_timeout_s)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise UsageError(
            f"The driver of {parsed.drivername} is not installed.", "pip install 'striate[stores]'"
        ) from error


def _parse(url: str, kind: StoreKind) -> URL:
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except ArgumentError:
        raise UsageError(f"{url!r} is no URL of a database.", _DATABASES) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"{kind.title} cannot be in {parsed.get_backend_name()}.", _DATABASES)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


_DATABASES = "Give the path of a SQLite file, or postgresql://USER:PASSWORD@HOST/DATABASE."


def _sqlite(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {int(busy_timeout_s * 1000)}")
        connection.commit()

    return engine


@contextmanager
def explain(engine: Engine, kind: StoreKind) -> Iterator[None]:
    """Turn what a database says into one sentence and its remedy; no path, no SQL.

    Raises:
        StoreFull: the disk is full, or a limit of the database is reached.
        StoreBusy: another writer holds it, or its server does not answer.
        StoreDamaged: the file is no database, or damaged.
        StoreOutdated: a table is missing.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:  # the latter: while a connection is made ready
        told = _told(error, engine.dialect.name, kind)
        if told is None:
            raise
        raise told from error


def _told(error: Exception, dialect: str, kind: StoreKind) -> StriateError | None:
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = str(
        getattr(origin, "sqlite_errorname", None)
        or getattr(origin, "sqlstate", None)
        or getattr(origin, "pgcode", None)
        or ""
    )
    if name in _FULL or name.startswith("SQLITE_IOERR_WRITE"):
        return StoreFull(
            f"The disk or the quota of {kind.name} is full; nothing of the call was kept.",
            "Free some room or move the store, and call again.",
        )
    if name in _BUSY or name.startswith("SQLITE_BUSY"):
        return StoreBusy(
            f"{kind.title} is locked by another writer.",
            "Call again; if it lasts, look for a process that holds the store open.",
        )
    if name in _BAD:
        return StoreDamaged(
            f"{kind.title} is damaged, or no store at all.", "Restore it from a backup."
        )
    if name in _MISSING or "no such table" in str(origin):
        return StoreOutdated(f"{kind.title} lacks a table.", f"Run `{kind.migrate}`.")
    if name in _CLOSED or name.startswith("SQLITE_CANTOPEN"):
        return StoreBusy(
            f"{kind.title} cannot be opened for writing.",
            "Check that its folder exists and that this user may write in it.",
        )
    if dialect == "postgresql" and name[:2] in ("", "08", "57"):
        return StoreBusy(
            f"The database of {kind.name} does not answer.", "Start it, and call again."
        )
    return None


def forget_traces(engine: Engine, kind: StoreKind, personal: Iterable[str]) -> bool:
    """After a deletion: what was deleted leaves the write-ahead log or the table's dead rows too.

    SQLite has overwritten it in the file (`secure_delete`) and empties the log here. PostgreSQL
    frees the dead rows; pages are written over as they are used again.

    Args:
        engine: of the store.
        kind: of the store.
        personal: names of the tables that something was deleted from.

    Returns:
        Whether it could; somebody who reads for long, or holds a table, delays it to a later call.
    """
    with suppress(StoreBusy), explain(engine, kind), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        outside = connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in personal:
            outside.exec_driver_sql(f"VACUUM {table}")
        return True
    return False
