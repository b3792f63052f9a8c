"""The store of record of stories: sentences are kept, recalled in their order, and forgotten."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from striate.core.errors import RequestError
from striate.serve.sql.database import forget_traces
from striate.serve.sql.kind import StoreKind
from striate.serve.sql.store import SqlStore
from striate.serve.stories import schema
from striate.serve.stories.limits import StoryLimits

LONGEST_NAME = 200
STORIES = StoreKind(
    name="the store of stories",
    metadata=schema.metadata,
    migrations=Path(__file__).parent / "migrations",
    version_table="alembic_version_stories",
    migrate="striate stories migrate",
)
_ROWS = schema.sentences.c


def default_store(home: Path) -> Path:
    """The local platform's store, in SQLite."""
    return home / "stories" / "store.db"


def local_store(home: Path) -> str:
    """The path of the local platform's store, with a folder to be in."""
    file = default_store(home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(file)


class StoryFull(RequestError):
    """A story, or a tenant, has as many sentences or stories as it may have."""

    code = "STORY_FULL"
    grpc_status = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True)
class Told:
    """What of a call is kept.

    Attributes:
        first: the number of its first sentence.
        count: of sentences.
        known: it was kept before, by a call of the same id.
    """

    first: int
    count: int
    known: bool = False


@dataclass(frozen=True)
class Sentence:
    """One sentence of a story.

    Attributes:
        number: its place, from 1; one that is forgotten leaves a gap.
        text: as it was told.
        at_unix_s: when.
    """

    number: int
    text: str
    at_unix_s: float


@dataclass(frozen=True)
class StorySize:
    """A story and how many sentences it has."""

    name: str
    sentences: int


@dataclass(frozen=True)
class ForgottenStories:
    """What is gone, counted.

    Attributes:
        stories: whole ones.
        sentences: rows.
        left: rows that a look afterwards still found; of a caller who tells on meanwhile.
        emptied: whether the database's logs hold nothing of it either; a long reader delays that.
    """

    stories: int
    sentences: int
    left: int
    emptied: bool


class StoryStore(SqlStore):
    """Stories in a SQL database; each method is one transaction."""

    kind = STORIES

    def remember(
        self,
        tenant: str,
        story: str,
        sentences: Sequence[str],
        limits: StoryLimits,
        call_id: str = "",
    ) -> Told:
        """Keep sentences after those that a story has; they are on the disk when this returns.

        Args:
            tenant: whose story.
            story: its name; it is begun where there is none.
            sentences: at least one.
            limits: of stories.
            call_id: of the caller's choice: a second call of the same id keeps nothing more.

        Raises:
            StoryFull: there is no room for them.
            StoreFull, StoreBusy: as their names say; nothing is kept.
        """
        with self.write() as connection:
            first = _lock(connection, tenant, story)
            if call_id and (known := _told_before(connection, tenant, story, call_id)):
                return known
            _check_room(connection, tenant, story, len(sentences), limits)
            now = time.time()
            rows = [
                {
                    "tenant": tenant, "story": story, "number": first + place, "text": text,
                    "at_unix_s": now, "call_id": call_id,
                }
                for place, text in enumerate(sentences)
            ]  # fmt: skip
            connection.execute(insert(schema.sentences), rows)
            named = (schema.stories.c.tenant == tenant, schema.stories.c.name == story)
            after = first + len(sentences)
            connection.execute(update(schema.stories).where(*named).values(next_number=after))
        return Told(first, len(sentences))

    def recall(
        self, tenant: str, story: str, most: int, before: int | None = None
    ) -> list[Sentence]:
        """The latest sentences of a story, in their order; none where there is no such story.

        Args:
            tenant: whose story.
            story: its name.
            most: so many at most.
            before: only those with a smaller number.
        """
        wanted = [_ROWS.tenant == tenant, _ROWS.story == story]
        if before is not None:
            wanted.append(_ROWS.number < before)
        latest = select(_ROWS.number, _ROWS.text, _ROWS.at_unix_s).where(*wanted)
        with self.read() as connection:
            rows = connection.execute(latest.order_by(_ROWS.number.desc()).limit(most)).all()
        return [Sentence(*row) for row in reversed(rows)]

    def list_stories(self, tenant: str, most: int, after: str = "") -> list[StorySize]:
        """A tenant's stories by name, with how long they are.

        Args:
            tenant: whose.
            most: so many at most.
            after: only those of a later name.
        """
        of, name = schema.stories.c, schema.stories.c.name
        count = (
            select(func.count())
            .where(_ROWS.tenant == of.tenant, _ROWS.story == name)
            .scalar_subquery()
        )
        query = select(name, count).where(of.tenant == tenant, name > after)
        with self.read() as connection:
            rows = connection.execute(query.order_by(name).limit(most)).all()
        return [StorySize(*row) for row in rows]

    def forget(
        self, tenant: str, story: str | None, numbers: Sequence[int] = ()
    ) -> ForgottenStories:
        """Delete sentences of a story, a story, or all that a tenant told, and prove it by counts.

        Args:
            tenant: whose.
            story: its name; None for all.
            numbers: only these sentences of it; none for all.
        """
        rows = [_ROWS.tenant == tenant]
        whole = [schema.stories.c.tenant == tenant]
        if story is not None:
            rows.append(_ROWS.story == story)
            whole.append(schema.stories.c.name == story)
        if numbers:
            rows.append(_ROWS.number.in_(list(numbers)))
        with self.write() as connection:
            sentences = connection.execute(delete(schema.sentences).where(*rows)).rowcount
            gone = 0
            if not numbers:
                gone = connection.execute(delete(schema.stories).where(*whole)).rowcount
        emptied = forget_traces(self.engine, self.kind, ("stories", "story_sentences"))
        with self.read() as connection:
            left = connection.execute(select(func.count()).where(*rows)).scalar_one()
        return ForgottenStories(gone, sentences, int(left), emptied)


def _lock(connection: Connection, tenant: str, story: str) -> int:
    """The number of a story's next sentence; others who tell it wait until this is committed."""
    table = schema.stories
    new: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert(table)
    begun = new.values(tenant=tenant, name=story, next_number=1).on_conflict_do_update(
        index_elements=[table.c.tenant, table.c.name],
        set_={"next_number": table.c.next_number},  # changes nothing, and holds the row
    )
    return int(connection.execute(begun.returning(table.c.next_number)).scalar_one())


def _told_before(connection: Connection, tenant: str, story: str, call_id: str) -> Told | None:
    query = select(func.min(_ROWS.number), func.count()).where(
        _ROWS.tenant == tenant, _ROWS.story == story, _ROWS.call_id == call_id
    )
    first, count = connection.execute(query).one()
    return Told(first, count, known=True) if count else None


def _check_room(
    connection: Connection, tenant: str, story: str, count: int, limits: StoryLimits
) -> None:
    """Counted before the sentences are there, and after their story is."""
    remedy = "Forget some, or ask for a larger limit in the deployment."
    held = select(func.count()).where(_ROWS.tenant == tenant, _ROWS.story == story)
    if connection.execute(held).scalar_one() + count > limits.sentences:
        raise StoryFull(f"The story would have more than {limits.sentences:,} sentences.", remedy)
    stories = select(func.count()).where(schema.stories.c.tenant == tenant)
    if connection.execute(stories).scalar_one() > limits.stories:
        raise StoryFull(f"There would be more than {limits.stories:,} stories.", remedy)
