"""The photo that probes show: it needs no torch, which commands that only ask would wait for."""

import io
from functools import lru_cache

from PIL import Image

PROBE_SIDE = 28


@lru_cache(maxsize=8)
def probe_image(height: int = PROBE_SIDE, width: int = PROBE_SIDE) -> bytes:
    """A grey PNG, enough to walk the whole way of a request."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, "PNG")
    return buffer.getvalue()
