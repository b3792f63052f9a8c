"""From an older schema of a store to the newest, by the migrations that come with Striate."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from striate.serve.sql.errors import StoreOutdated
from striate.serve.sql.kind import StoreKind

VERSIONS = "alembic_version"
"""How the tables are called that note the revisions of stores."""


def newest_revision(kind: StoreKind) -> str:
    """The schema's revision that this version of Striate reads and writes."""
    head = ScriptDirectory.from_config(config_of(kind)).get_current_head()
    assert head is not None
    return head


def revision_of(connection: Connection, kind: StoreKind) -> str | None:
    """The revision of a store; None where no migration was run."""
    options = {"version_table": kind.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def is_empty(connection: Connection, kind: StoreKind) -> bool:
    """Whether the database holds nothing yet, or another kind of store alone."""
    tables = set(inspect(connection).get_table_names()) - {kind.version_table}
    shared = any(name.startswith(VERSIONS) for name in tables)
    return not (tables & set(kind.metadata.tables) if shared else tables)


def migrate(connection: Connection, kind: StoreKind) -> None:
    """Bring a store to the newest schema, in the transaction that is under way.

    Raises:
        StoreOutdated: a newer Striate made it.
    """
    config = config_of(kind)
    found = revision_of(connection, kind)
    if found is not None and found not in _known(config):
        raise _newer(kind)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_revision(connection: Connection, kind: StoreKind) -> None:
    """Whether a store has the schema that this Striate reads.

    Raises:
        StoreOutdated: an older or a newer one.
    """
    found, wanted = revision_of(connection, kind), newest_revision(kind)
    if found == wanted:
        return
    if found is not None and found not in _known(config_of(kind)):
        raise _newer(kind)
    raise StoreOutdated(
        f"{kind.title} has the schema {found or '0000'}, and this Striate reads {wanted}.",
        f"Stop what uses it, keep a copy, and run `{kind.migrate}`.",
    )


def config_of(kind: StoreKind) -> Config:
    """Alembic's configuration of a kind of store."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("version_locations", str(kind.migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["metadata"] = kind.metadata
    config.attributes["version_table"] = kind.version_table
    return config


def _newer(kind: StoreKind) -> StoreOutdated:
    return StoreOutdated(
        f"{kind.title} was made by a newer Striate than this one.",
        "Install that version, or restore a copy from before the migration.",
    )


def _known(config: Config) -> set[str]:
    scripts = ScriptDirectory.from_config(config)
    return {script.revision for script in scripts.walk_revisions()}
