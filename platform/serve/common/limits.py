"""What a server accepts, and how it gathers requests into batches."""

from pydantic import BaseModel, ConfigDict, Field

MEBIBYTE = 2**20
METADATA_BYTES = 16_384
"""Largest metadata of a call, at the edge and at a replica."""
METADATA_ENTRIES = 100
"""Most metadata of a call, beside the headers that gRPC itself sends."""
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

    image_bytes: int = Field(default=20 * MEBIBYTE, ge=1)
    pixels: int = Field(default=64_000_000, ge=1)
    top_k: int = Field(default=1000, ge=1)
    queued: int = Field(default=1024, ge=1)
    queued_bytes: int = Field(default=512 * MEBIBYTE, ge=1)
    stream_window: int = Field(default=64, ge=1)
    rows: int = Field(default=1024, ge=1)
    images: int = Field(default=64, ge=1)
    parameters: int = Field(default=64, ge=1)
    streams: int = Field(default=1024, ge=1)

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

    max_size: int = Field(default=32, ge=1)
    max_wait_ms: float = Field(default=0.0, ge=0)
    threads: int = Field(default=2, ge=1)
