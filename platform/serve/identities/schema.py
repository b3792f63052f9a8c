"""The tables of the store of record, as the newest migration leaves them.

Numbers of faces, people and the rest come from `counters` and are never given twice: a forgotten
face's number names nobody else later. `changes` says in which order faces changed, so that an index
can follow; a row of face 0 stands for every face of its tenant.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""A number from `counters`; in SQLite the spelling that makes it the row's own address."""
metadata = MetaData()

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
tenants = Table(
    "tenants",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("made_unix_s", Float, nullable=False),
)
models = Table(
    "models",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("detector", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("state", Text, nullable=False),  # serving, building or retired
    UniqueConstraint("network", "detector", "dimension", "code_version", name="uq_models"),
)
people = Table(
    "people",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("tenant_id", NUMBER, ForeignKey("tenants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("cover_face_id", NUMBER),  # no foreign key: faces point here already
    Column("made_unix_s", Float, nullable=False),
    UniqueConstraint("tenant_id", "name", name="uq_people_name"),
)
faces = Table(
    "faces",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("tenant_id", NUMBER, ForeignKey("tenants.id"), nullable=False),
    Column("person_id", NUMBER, ForeignKey("people.id")),
    Column("photo_id", Text, nullable=False),
    Column("left", Float, nullable=False),  # the box, as shares of the photo's width and height
    Column("top", Float, nullable=False),
    Column("width", Float, nullable=False),
    Column("height", Float, nullable=False),
    Column("size_px", Float, nullable=False),
    Column("sharpness", Float, nullable=False),
    Column("yaw_deg", Float, nullable=False),
    Column("roll_deg", Float, nullable=False),
    Column("by_hand", Boolean, nullable=False),  # a person said whose face it is
    Column("crop", Text),  # key of the kept crop
    Column("enrolled_unix_s", Float, nullable=False),
    Index("ix_faces_photo", "tenant_id", "photo_id"),
    Index("ix_faces_person", "person_id"),
)
descriptors = Table(
    "descriptors",
    metadata,
    Column("face_id", NUMBER, ForeignKey("faces.id"), primary_key=True),
    Column("model_id", NUMBER, ForeignKey("models.id"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # of the vector, to find the same one again
    Column("vector", LargeBinary, nullable=False),  # little-endian float32
    Index("ix_descriptors_digest", "digest"),
)
codes = Table(
    "codes",
    metadata,
    Column("face_id", NUMBER, ForeignKey("faces.id"), primary_key=True),
    Column("model_id", NUMBER, ForeignKey("models.id"), primary_key=True),
    Column("code", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
changes = Table(
    "changes",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("tenant_id", NUMBER, nullable=False),
    Column("face_id", NUMBER, nullable=False),
)
erasures = Table(  # crops of forgotten faces, until their files are gone
    "erasures",
    metadata,
    Column("crop", Text, primary_key=True),
)
audit = Table(  # who did what, when; never a picture, a name or a photo's id
    "audit",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("at_unix_s", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("tenant_id", NUMBER),
    Column("person_id", NUMBER),
    Column("details", Text, nullable=False),  # JSON: numbers and counts
    Index("ix_audit_person", "person_id"),
    Index("ix_audit_tenant", "tenant_id"),
)
webhook_events = Table(  # until their receivers have them; see striate.serve.webhooks.outbox
    "webhook_events",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("event", Text, nullable=False),  # the same for each hook that is told of it
    Column("deployment", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("tenant", Text, nullable=False),  # by name: it may have enrolled nobody
    Column("person_id", NUMBER),  # no foreign key: forgetting takes the events along
    Column("photo_id", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON, as it is posted
    Column("at_unix_s", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_unix_s", Float, nullable=False),  # not to be tried before
    Column("dead", Boolean, nullable=False),
    Column("error", Text, nullable=False),  # of the latest attempt
    Index("ix_webhook_events_due", "deployment", "hook", "dead", "due_unix_s"),
    Index("ix_webhook_events_person", "person_id"),
    Index("ix_webhook_events_photo", "tenant", "photo_id"),
)
COUNTERS = (
    "store",  # a random number that names the store
    "change",  # the newest change
    "pruned",  # changes up to this one are no longer listed
    "erased",  # the newest change that forgot somebody: older snapshots must go
    "tenant",
    "model",
    "person",
    "face",
    "audit",
    "webhook event",
)
