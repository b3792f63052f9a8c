"""The store of record: its schema, what it does when it cannot, and that PostgreSQL is the same."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from striate.core.errors import StriateError, UsageError
from striate.serve.identities import schema
from striate.serve.identities.enroll import enroll
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.store import (
    IdentityStore,
    count_rows,
    counter,
    record_changes,
    take_numbers,
)
from striate.serve.sql.errors import StoreBusy, StoreDamaged, StoreFull, StoreOutdated

unit = pytest.mark.unit
e2e = pytest.mark.e2e


def _differences(store: IdentityStore) -> list[Any]:
    with store.read() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))


@unit
def test_the_migrations_make_the_tables_that_the_code_uses(store: IdentityStore) -> None:
    assert _differences(store) == []
    with store.read() as connection:
        names = set(connection.execute(select(schema.counters.c.name)).scalars())
        assert counter(connection, "store") > 0
    assert names == set(schema.COUNTERS)


@unit
def test_commits_are_synced_and_deletions_overwritten(store: IdentityStore) -> None:
    with store.read() as connection:
        said = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


@unit
def test_opening_again_finds_what_was_kept(
    tmp_path: Path, store: IdentityStore, model: ModelFingerprint, new_face: Any
) -> None:
    enroll(store, None, "ours", model, [new_face(1)], who="me")
    store.close()
    again = IdentityStore.open(f"sqlite:///{tmp_path / 'faces.db'}")
    with again.read() as connection:
        assert count_rows(connection, schema.codes) == 1


def _with_revision(path: Path, revision: str | None) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM alembic_version")
    if revision:
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    connection.commit()
    connection.close()


@unit
@pytest.mark.parametrize(
    ("revision", "remedy"), [(None, "striate faces migrate"), ("9999", "newer Striate")]
)
def test_a_store_of_another_schema_is_refused_with_its_remedy(
    tmp_path: Path, store: IdentityStore, revision: str | None, remedy: str
) -> None:
    store.close()
    _with_revision(tmp_path / "faces.db", revision)
    with pytest.raises(StoreOutdated, match=remedy) as caught:
        IdentityStore.open(str(tmp_path / "faces.db"))
    assert caught.value.grpc_status == "FAILED_PRECONDITION"


@unit
def test_migrating_what_a_newer_version_made_is_refused(
    tmp_path: Path, store: IdentityStore
) -> None:
    store.close()
    _with_revision(tmp_path / "faces.db", "9999")
    with pytest.raises(StoreOutdated, match="newer"):
        IdentityStore.upgrade(str(tmp_path / "faces.db"))


@unit
def test_migrating_twice_is_as_once(tmp_path: Path) -> None:
    url = str(tmp_path / "new.db")
    IdentityStore.upgrade(url).close()
    assert _differences(IdentityStore.upgrade(url)) == []


@unit
def test_two_that_open_a_new_store_at_once_make_one(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def make() -> None:
        try:
            IdentityStore.open(str(tmp_path / "new.db")).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@unit
def test_a_locked_store_says_so(
    tmp_path: Path, store: IdentityStore, model: ModelFingerprint, new_face: Any
) -> None:
    enroll(store, None, "ours", model, [new_face(1)], who="me")
    holder = sqlite3.connect(tmp_path / "faces.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    impatient = IdentityStore.open(str(tmp_path / "faces.db"), busy_timeout_s=0.05)
    with pytest.raises(StoreBusy, match="locked by another writer") as caught:
        enroll(impatient, None, "ours", model, [new_face(2)], who="me")
    assert caught.value.grpc_status == "UNAVAILABLE"
    with impatient.read() as connection:  # readers wait for nobody
        assert count_rows(connection, schema.faces) == 1
    holder.execute("ROLLBACK")
    enroll(impatient, None, "ours", model, [new_face(2)], who="me")


@unit
def test_a_full_store_keeps_nothing_of_the_call(
    store: IdentityStore, crops: Any, model: ModelFingerprint, new_face: Any
) -> None:
    enroll(store, crops, "ours", model, [new_face(1)], who="me")
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = [new_face(seed, crop=b"x") for seed in range(2, 400)]
    with pytest.raises(StoreFull, match="nothing of the call was kept") as caught:
        enroll(store, crops, "ours", model, many, who="me")
    assert caught.value.grpc_status == "RESOURCE_EXHAUSTED"
    with store.read() as connection:
        assert count_rows(connection, schema.faces) == 1
    assert not crops.keys()


@unit
def test_a_full_disk_says_so(small_disk: Path, model: ModelFingerprint, new_face: Any) -> None:
    with pytest.raises(StoreFull):
        store = IdentityStore.open(str(small_disk / "faces.db"))
        for start in range(0, 4000, 100):
            faces = [new_face(start + seed) for seed in range(100)]
            enroll(store, None, "ours", model, faces, who="me")


@unit
def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_bytes(b"Dear Sir or Madam, " * 1000)
    with pytest.raises(StoreDamaged):
        IdentityStore.open(str(tmp_path / "letter.db"))


@unit
@pytest.mark.parametrize(
    "url", ["mysql://here/faces", "http://here", "sqlite:///no/such/folder/faces.db", "://"]
)
def test_what_cannot_hold_a_store_is_named(url: str) -> None:
    with pytest.raises(StriateError) as caught:
        IdentityStore.open(url)
    assert caught.value.remedy
    assert "folder/faces.db" not in str(caught.value)  # a caller learns no path of the server


@unit
def test_a_url_with_an_unknown_driver_is_a_users_mistake() -> None:
    with pytest.raises(UsageError):
        IdentityStore.open("postgresql+carrier_pigeon://here/faces")


def _write_at_once(store: IdentityStore, writers: int, each: int) -> list[int]:
    """Many writers; the numbers that a follower sees, who asks for what is newer than his last."""
    errors: list[Exception] = []
    done = threading.Event()

    def write(writer: int) -> None:
        try:
            for _ in range(each):
                with store.write() as connection:
                    take_numbers(connection, "face")
                    record_changes(connection, writer, [1, 2])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    seen: list[int] = []

    def follow() -> None:
        while True:
            last = done.is_set()
            with store.read() as connection:
                table = schema.changes.c
                newer = select(table.seq).where(table.seq > (seen[-1] if seen else 0))
                seen.extend(connection.execute(newer.order_by(table.seq)).scalars())
            if last:
                return

    follower = threading.Thread(target=follow)
    for thread in (*threads, follower):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    follower.join()
    assert not errors
    return seen


@unit
def test_who_follows_the_changes_misses_none(store: IdentityStore) -> None:
    assert _write_at_once(store, writers=3, each=15) == list(range(1, 91))


@e2e
def test_who_follows_the_changes_misses_none_with_postgresql(postgresql_database: str) -> None:
    store = IdentityStore.open(postgresql_database)
    assert _write_at_once(store, writers=4, each=50) == list(range(1, 401))
    store.close()


@e2e
def test_the_migrations_make_the_same_tables_in_postgresql(postgresql_database: str) -> None:
    store = IdentityStore.open(postgresql_database)
    assert _differences(store) == []
    store.close()


@e2e
def test_postgresql_says_what_sqlite_says(
    postgresql_database: str, model: ModelFingerprint, new_face: Any
) -> None:
    """Locked by another writer, of an older schema, and not there at all."""
    store = IdentityStore.open(postgresql_database, busy_timeout_s=0.1)
    enroll(store, None, "ours", model, [new_face(1)], who="me")
    holder = IdentityStore.open(postgresql_database)
    with holder.write(), pytest.raises(StoreBusy, match="locked by another writer"):
        enroll(store, None, "ours", model, [new_face(2)], who="me")
    with store.write() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(StoreOutdated, match="striate faces migrate"):
        IdentityStore.open(postgresql_database)
    for one in (store, holder):
        one.close()
    nowhere = postgresql_database.rsplit("@", 1)[0] + "@127.0.0.1:1/faces"
    with pytest.raises(StoreBusy, match="does not answer"):
        IdentityStore.open(nowhere)


@unit
def test_a_number_is_never_given_twice(store: IdentityStore) -> None:
    with store.write() as connection:
        first = take_numbers(connection, "face", 3)
    with pytest.raises(ZeroDivisionError), store.write() as connection:
        take_numbers(connection, "face", 10)
        raise ZeroDivisionError
    with store.write() as connection:
        assert take_numbers(connection, "face") == first + 3
        connection.execute(insert(schema.erasures).values(crop="x"))


@unit
def test_a_store_of_the_schema_before_keeps_what_it_has(
    tmp_path: Path, model: ModelFingerprint, new_face: Any
) -> None:
    from alembic import command

    from striate.serve.sql.database import connect
    from striate.serve.sql.migrate import config_of

    url = str(tmp_path / "old.db")
    engine, config = connect(url, 1, IdentityStore.kind), config_of(IdentityStore.kind)
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with pytest.raises(StoreOutdated, match="schema 0001"):
        IdentityStore.open(url)
    store = IdentityStore.upgrade(url)
    assert _differences(store) == []
    enroll(store, None, "ours", model, [new_face(1)], who="me")
    with store.write() as connection:
        assert take_numbers(connection, "webhook event") == 1
