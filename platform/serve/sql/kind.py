"""What tells one kind of store from another."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData


@dataclass(frozen=True)
class StoreKind:
    """One kind of store of record.

    Attributes:
        name: as sentences have it, for example ``the store of faces``.
        metadata: its tables, as the newest migration leaves them.
        migrations: folder of its revisions, in Alembic's form.
        version_table: where its revision is noted, so that two kinds may share a database.
        migrate: the command that brings a store to the newest schema.
    """

    name: str
    metadata: MetaData
    migrations: Path
    version_table: str
    migrate: str

    @property
    def title(self) -> str:
        """The name at the beginning of a sentence."""
        return self.name[0].upper() + self.name[1:]
