"""Tenants, people, faces, descriptors, codes, and the order in which faces changed."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COUNTERS = ("change", "pruned", "erased", "tenant", "model", "person", "face", "audit")


def upgrade() -> None:
    """Make the tables."""
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    identity = {"name": "store", "value": secrets.randbits(62)}  # snapshots name their store by it
    op.bulk_insert(counters, [identity, *({"name": name, "value": 0} for name in _COUNTERS)])
    _make_subjects()
    _make_faces()
    _make_descriptions()
    op.create_table(
        "changes",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("tenant_id", _NUMBER, nullable=False),
        sa.Column("face_id", _NUMBER, nullable=False),
    )
    op.create_table("erasures", sa.Column("crop", sa.Text, primary_key=True))
    op.create_table(
        "audit",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at_unix_s", sa.Float, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("tenant_id", _NUMBER),
        sa.Column("person_id", _NUMBER),
        sa.Column("details", sa.Text, nullable=False),
        sa.Index("ix_audit_person", "person_id"),
        sa.Index("ix_audit_tenant", "tenant_id"),
    )


def _make_subjects() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("made_unix_s", sa.Float, nullable=False),
    )
    op.create_table(
        "models",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.UniqueConstraint("network", "detector", "dimension", "code_version", name="uq_models"),
    )
    op.create_table(
        "people",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("tenant_id", _NUMBER, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("cover_face_id", _NUMBER),
        sa.Column("made_unix_s", sa.Float, nullable=False),
        sa.UniqueConstraint("tenant_id", "name", name="uq_people_name"),
    )


def _make_faces() -> None:
    measures = ("left", "top", "width", "height", "size_px", "sharpness", "yaw_deg", "roll_deg")
    op.create_table(
        "faces",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("tenant_id", _NUMBER, sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("person_id", _NUMBER, sa.ForeignKey("people.id")),
        sa.Column("photo_id", sa.Text, nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in measures),
        sa.Column("by_hand", sa.Boolean, nullable=False),
        sa.Column("crop", sa.Text),
        sa.Column("enrolled_unix_s", sa.Float, nullable=False),
        sa.Index("ix_faces_photo", "tenant_id", "photo_id"),
        sa.Index("ix_faces_person", "person_id"),
    )


def _make_descriptions() -> None:
    op.create_table(
        "descriptors",
        sa.Column("face_id", _NUMBER, sa.ForeignKey("faces.id"), primary_key=True),
        sa.Column("model_id", _NUMBER, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Index("ix_descriptors_digest", "digest"),
    )
    op.create_table(
        "codes",
        sa.Column("face_id", _NUMBER, sa.ForeignKey("faces.id"), primary_key=True),
        sa.Column("model_id", _NUMBER, sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("code", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
