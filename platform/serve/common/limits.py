"""What a server accepts, and how it gathers requests into batches."""

from pydantic import BaseModel, ConfigDict, Field

from striate.core.number_ends import MOST_BYTES
from striate.core.numbers import Count, NonNegative

MEBIBYTE = 2**20
MOST_IN_BATCH = 65_536
METADATA_BYTES = 16_384
"""Largest metadata of a call, at the edge."""
METADATA_ENTRIES = 100
"""Most metadata of a call, beside the headers that gRPC itself sends."""
REPLICA_METADATA_BYTES = 2 * METADATA_BYTES
"""The same at a replica, for what the edge lets through and adds: gRPC counts 32 bytes more for an
entry (RFC 7541, section 4.1), and refuses at random from its limit to a quarter above it."""
PREFIX_BYTES = 5
"""Before each message of gRPC: its compression and its length."""
HEAD_BYTES = 1024
"""What the edge reads of a message: gRPC's prefix, and the name that its first field holds."""
STREAM_ID_BYTES = 256
"""Longest id of a photo on a stream."""


class Limits(BaseModel):
    """Bounds that keep a hostile or broken caller from harming the others.

    Attributes:
        image_bytes: largest encoded image.
        pixels: largest decoded image; known from its header, before anything is decoded.
        top_k: most labels a caller may ask for.
        queued: most requests waiting for a batch; one more is refused.
        queued_bytes: most bytes that the waiting requests may hold together.
        stream_window: photos of one stream that may be under way; then it is read no further.
        rows: most samples in one inference request.
        images: most encoded images in one inference request.
        parameters: most parameters, inputs or outputs named in one inference request.
        streams: most calls at once on one connection.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_bytes: int = Field(default=20 * MEBIBYTE, ge=1, le=2**30)
    pixels: Count = 64_000_000
    top_k: Count = 1000
    queued: Count = 1024
    queued_bytes: int = Field(default=512 * MEBIBYTE, ge=1, le=MOST_BYTES)
    stream_window: Count = 64
    rows: Count = 1024
    images: Count = 64
    parameters: Count = 64
    streams: Count = 1024

    @property
    def message_bytes(self) -> int:
        """Largest message: room beside the image, so that a sentence of ours names the limit."""
        return self.image_bytes + MEBIBYTE


class Batching(BaseModel):
    """How requests become batches.

    Attributes:
        max_size: most samples in a batch.
        max_wait_ms: how long an unfilled batch waits for more; 0 takes what is there, which
            already fills batches under load, since requests gather while a batch is computed.
        threads: batches computed at a time; with two, one is decoded while the other is in the
            network, and a second core is put to use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_size: int = Field(default=32, ge=1, le=MOST_IN_BATCH)
    max_wait_ms: NonNegative = 0.0
    threads: int = Field(default=2, ge=1, le=1024)
