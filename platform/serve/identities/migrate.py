"""From an older schema of the store to the newest, by the migrations that come with Striate."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from striate.serve.identities.errors import StoreOutdated
from striate.serve.identities.schema import metadata

VERSIONS = "alembic_version"


def newest_revision() -> str:
    """The schema's revision that this version of Striate reads and writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def revision_of(connection: Connection) -> str | None:
    """The revision of a store; None where no migration was run."""
    return MigrationContext.configure(connection).get_current_revision()


def is_empty(connection: Connection) -> bool:
    """Whether the database holds no table yet."""
    return not set(inspect(connection).get_table_names()) - {VERSIONS}


def migrate(connection: Connection) -> None:
    """Bring a store to the newest schema, in the transaction that is under way.

    Raises:
        StoreOutdated: a newer Striate made it.
    """
    config = _config()
    found = revision_of(connection)
    if found is not None and found not in _known(config):
        raise _newer()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_revision(connection: Connection) -> None:
    """Whether a store has the schema that this Striate reads.

    Raises:
        StoreOutdated: an older or a newer one.
    """
    found, wanted = revision_of(connection), newest_revision()
    if found == wanted:
        return
    if found is not None and found not in _known(_config()):
        raise _newer()
    raise StoreOutdated(
        f"The store of faces has the schema {found or '0000'}, and this Striate reads {wanted}.",
        "Stop what uses it, keep a copy, and run `striate faces migrate`.",
    )


def _newer() -> StoreOutdated:
    return StoreOutdated(
        "The store of faces was made by a newer Striate than this one.",
        "Install that version, or restore a copy from before the migration.",
    )


def _known(config: Config) -> set[str]:
    scripts = ScriptDirectory.from_config(config)
    return {script.revision for script in scripts.walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["metadata"] = metadata
    return config
