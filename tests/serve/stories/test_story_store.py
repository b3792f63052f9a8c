"""The store of stories: what was told is there, in order, for its tenant, until it is forgotten."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from striate.serve.identities.store import IdentityStore
from striate.serve.sql.errors import StoreBusy, StoreDamaged
from striate.serve.stories import schema
from striate.serve.stories.limits import StoryLimits
from striate.serve.stories.store import StoryFull, StoryStore

unit = pytest.mark.unit
LIMITS = StoryLimits()


@pytest.fixture
def store(tmp_path: Path) -> StoryStore:
    """An empty store in SQLite."""
    return StoryStore.open(str(tmp_path / "stories.db"))


def texts(store: StoryStore, tenant: str, story: str, most: int = 100) -> list[str]:
    return [one.text for one in store.recall(tenant, story, most)]


@unit
def test_what_is_told_is_recalled_in_order_and_by_its_tenant_alone(store: StoryStore) -> None:
    assert store.remember("ours", "ring", ["a", "b"], LIMITS).first == 1
    told = store.remember("ours", "ring", ["c"], LIMITS)
    assert (told.first, told.count, told.known) == (3, 1, False)
    store.remember("theirs", "ring", ["x"], LIMITS)
    assert texts(store, "ours", "ring") == ["a", "b", "c"]
    assert texts(store, "ours", "ring", most=2) == ["b", "c"]
    assert [one.number for one in store.recall("ours", "ring", 10, before=3)] == [1, 2]
    assert texts(store, "ours", "other") == [] == texts(store, "nobody", "ring")


@unit
def test_a_call_that_is_sent_again_keeps_nothing_twice(store: StoryStore) -> None:
    first = store.remember("ours", "ring", ["a", "b"], LIMITS, "call 1")
    store.remember("ours", "ring", ["c"], LIMITS, "call 2")
    again = store.remember("ours", "ring", ["a", "b"], LIMITS, "call 1")
    assert (again.first, again.count, again.known) == (first.first, 2, True)
    assert store.remember("theirs", "ring", ["z"], LIMITS, "call 1").known is False
    assert texts(store, "ours", "ring") == ["a", "b", "c"]


@unit
def test_what_is_forgotten_is_gone_from_the_files_and_its_number_names_nothing_else(
    store: StoryStore, tmp_path: Path
) -> None:
    store.remember("ours", "ring", ["a", "my secret is 7319", "c"], LIMITS)
    gone = store.forget("ours", "ring", [2])
    assert (gone.stories, gone.sentences, gone.left, gone.emptied) == (0, 1, 0, True)
    assert texts(store, "ours", "ring") == ["a", "c"]
    assert store.forget("ours", "ring", [2]).sentences == 0
    for file in tmp_path.iterdir():
        assert b"7319" not in file.read_bytes(), file
    store.forget("ours", "ring", [3])
    assert store.remember("ours", "ring", ["d"], LIMITS).first == 4


@unit
def test_a_story_and_a_tenant_are_forgotten_whole_and_others_stay(store: StoryStore) -> None:
    for story in ("one", "two", "three"):
        store.remember("ours", story, [story], LIMITS)
    store.remember("theirs", "one", ["x"], LIMITS)
    assert store.forget("ours", "two").stories == 1
    assert [one.name for one in store.list_stories("ours", 10)] == ["one", "three"]
    assert [one.name for one in store.list_stories("ours", 10, after="one")] == ["three"]
    gone = store.forget("ours", None)
    assert (gone.stories, gone.sentences, gone.left) == (2, 2, 0)
    assert store.list_stories("ours", 10) == []
    assert [(one.name, one.sentences) for one in store.list_stories("theirs", 10)] == [("one", 1)]


@unit
def test_limits_are_told_and_nothing_is_kept(store: StoryStore) -> None:
    limits = StoryLimits(stories=2, sentences=3)
    store.remember("ours", "a", ["1", "2"], limits)
    with pytest.raises(StoryFull, match="3 sentences"):
        store.remember("ours", "a", ["3", "4"], limits)
    store.remember("ours", "b", ["1"], limits)
    with pytest.raises(StoryFull, match="2 stories"):
        store.remember("ours", "c", ["1"], limits)
    store.remember("theirs", "c", ["1"], limits)
    assert texts(store, "ours", "a") == ["1", "2"]
    assert [one.name for one in store.list_stories("ours", 10)] == ["a", "b"]


def _tell_at_once(url: str) -> None:
    stores = [StoryStore.open(url, busy_timeout_s=60) for _ in range(4)]
    errors: list[Exception] = []

    def tell(who: int) -> None:
        try:
            for place in range(10):
                stores[who].remember("ours", "ring", [f"{who} {place} {n}" for n in (0, 1)], LIMITS)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=tell, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    kept = stores[0].recall("ours", "ring", 1000)
    assert [one.number for one in kept] == list(range(1, 81))
    told = [one.text.split() for one in kept]
    for who in range(4):
        assert [(b, c) for a, b, c in told if a == str(who)] == [
            (str(place), n) for place in range(10) for n in "01"
        ]
    assert all(one[:2] == two[:2] for one, two in zip(told[::2], told[1::2], strict=True))
    for store in stores:
        store.close()


@unit
def test_callers_who_tell_one_story_at_once_lose_nothing(tmp_path: Path) -> None:
    _tell_at_once(str(tmp_path / "stories.db"))


@pytest.mark.e2e
def test_the_same_holds_in_postgresql_beside_a_store_of_faces(postgresql_database: str) -> None:
    IdentityStore.open(postgresql_database).close()
    _tell_at_once(postgresql_database)
    store = StoryStore.open(postgresql_database)
    assert store.remember("ours", "é\u202eد", ["𝔘 é"], LIMITS, "x").first == 1
    assert store.remember("ours", "é\u202eد", ["𝔘 é"], LIMITS, "x").known
    assert texts(store, "ours", "é\u202eد") == ["𝔘 é"]
    gone = store.forget("ours", None)
    assert (gone.stories, gone.sentences, gone.left) == (2, 81, 0)
    with store.read() as connection:
        kept = MigrationContext.configure(
            connection,
            opts={
                "version_table": store.kind.version_table,
                "include_object": lambda thing, name, kind, *_: (
                    kind != "table" or name in schema.metadata.tables
                ),
            },
        )
        assert compare_metadata(kept, schema.metadata) == []
    store.close()


@unit
def test_the_migrations_make_the_tables_that_the_code_uses(store: StoryStore) -> None:
    with store.read() as connection:
        options = {"version_table": store.kind.version_table}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


@unit
def test_a_store_that_cannot_be_used_says_so_by_its_name(store: StoryStore, tmp_path: Path) -> None:
    store.close()
    holder = sqlite3.connect(tmp_path / "stories.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = StoryStore.open(str(tmp_path / "stories.db"), busy_timeout_s=0.05)
    with pytest.raises(StoreBusy, match="store of stories is locked"):
        waiting.remember("ours", "ring", ["a"], LIMITS)
    holder.rollback()
    waiting.close()
    (tmp_path / "none.db").write_bytes(b"no database at all, but some text" * 100)
    with pytest.raises(StoreDamaged, match="store of stories is damaged"):
        StoryStore.open(str(tmp_path / "none.db"))


TELLER = """
import sys
from striate.serve.stories.limits import StoryLimits
from striate.serve.stories.store import StoryStore
store, limits = StoryStore.open(sys.argv[1]), StoryLimits(sentences=10**6)
for place in range(100_000):
    told = store.remember("ours", "ring", [f"{place} a", f"{place} b"], limits)
    print(told.first + 1, flush=True)
"""


@unit
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    url = str(tmp_path / "stories.db")
    teller = subprocess.Popen(
        [sys.executable, "-c", TELLER, url], stdout=subprocess.PIPE, text=True
    )
    assert teller.stdout is not None
    acknowledged = [int(next(teller.stdout)) for _ in range(40)]
    os.kill(teller.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in teller.stdout if line.endswith("\n")]
    teller.wait()
    kept = StoryStore.open(url).recall("ours", "ring", 10**6)
    assert len(kept) >= acknowledged[-1]
    assert len(kept) % 2 == 0, "a call is kept whole or not at all"
    assert [one.text for one in kept] == [f"{n // 2} {'ab'[n % 2]}" for n in range(len(kept))]
