"""NIST SPHERE, the format of TIMIT's ``.WAV`` files: its header, PCM and µ-law.

A text header (``NIST_1A``, its size, then lines ``name -type value`` up to ``end_head``; NIST
SPHERE 2.6, ``doc/sphere.doc``) stands before the samples, which are interleaved by channel.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import RequestError

MAGIC = b"NIST_1A\n"
_HEADER_BYTES = 1024
_SHORTEST_HEADER = 16
_FULL_SCALE = 32768.0
_SHORTEN_REMEDY = "Unpack it first: `sph2pipe -f wav IN OUT`, or NIST's `w_decode -o pcm IN OUT`."


@dataclass(frozen=True)
class SphereHeader:
    """What the header of a SPHERE file says.

    Attributes:
        size: bytes of the header, which the samples follow.
        rate: samples a second.
        channels: interleaved channels.
        samples: samples of each channel that follow, or None where it is not said.
        coding: ``pcm`` or ``ulaw``.
        big_endian: order of the bytes of a PCM sample.
    """

    size: int
    rate: int
    channels: int = 1
    samples: int | None = None
    coding: str = "pcm"
    big_endian: bool = False

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 1 if self.coding == "ulaw" else 2


def decode_sphere(payload: bytes | memoryview) -> tuple[NDArray[np.float32], int]:
    """The samples of a SPHERE file.

    Returns:
        (samples, channels) float32 from −1 to 1, and the samples a second.

    Raises:
        RequestError: no SPHERE header, a coding other than 16-bit PCM and µ-law (embedded Shorten
            among them), or fewer samples than the header announces.
    """
    header = read_header(payload)
    held = (len(payload) - header.size) // (header.width * header.channels)
    if header.samples is not None and held < header.samples:
        raise RequestError("The sound is truncated.", "Fetch the file again.")
    count = (held if header.samples is None else header.samples) * header.channels
    if header.coding == "ulaw":
        codes = np.frombuffer(payload, np.uint8, count, header.size)
        values = _ULAW[codes]
    else:
        kind = ">i2" if header.big_endian else "<i2"
        values = np.frombuffer(payload, kind, count, header.size).astype(np.float32)
    return (values / np.float32(_FULL_SCALE)).reshape(-1, header.channels), header.rate


def encode_sphere(samples: NDArray[np.int16], rate: int) -> bytes:
    """A SPHERE file of little-endian PCM, as TIMIT's are.

    Args:
        samples: (n,) or (n, channels).
        rate: samples a second.
    """
    columns = samples.reshape(len(samples), -1)
    fields = {
        "channel_count": columns.shape[1],
        "sample_count": len(columns),
        "sample_rate": rate,
        "sample_n_bytes": 2,
        "sample_byte_format": "01",
        "sample_sig_bits": 16,
        "sample_coding": "pcm",
    }
    lines = [f"{name} {_typed(value)}" for name, value in fields.items()]
    text = "\n".join([f"NIST_1A\n{_HEADER_BYTES:7d}", *lines, "end_head\n"])
    return text.encode().ljust(_HEADER_BYTES) + columns.astype("<i2").tobytes()


def read_header(payload: bytes | memoryview) -> SphereHeader:
    """What a SPHERE file says of itself.

    Raises:
        RequestError: it has no such header, or samples in another coding.
    """
    start = bytes(payload[:_SHORTEST_HEADER])
    if not start.startswith(MAGIC) or not start[8:].strip().isdigit():
        raise RequestError("The sound has no readable SPHERE header.")
    size = int(start[8:])
    fields = _fields(bytes(payload[_SHORTEST_HEADER:size]))
    coding = fields.get("sample_coding", "pcm").lower()
    if "shorten" in coding:
        raise RequestError("The sound is SPHERE compressed with Shorten.", _SHORTEN_REMEDY)
    coding = {"mu-law": "ulaw", "pcm-2": "pcm"}.get(coding, coding)
    if coding not in {"pcm", "ulaw"}:
        raise RequestError("The sound is SPHERE in an unknown coding.", _SHORTEN_REMEDY)
    try:
        header = SphereHeader(
            size=size,
            rate=int(fields["sample_rate"]),
            channels=int(fields.get("channel_count", 1)),
            samples=int(fields["sample_count"]) if "sample_count" in fields else None,
            coding=coding,
            big_endian=fields.get("sample_byte_format") == "10",
        )
        width = int(fields.get("sample_n_bytes", header.width))
    except (KeyError, ValueError):
        raise RequestError("The sound has no readable SPHERE header.") from None
    if header.rate < 1 or header.channels < 1 or (header.samples or 0) < 0:
        raise RequestError("The sound has no readable SPHERE header.")
    if width != header.width:
        raise RequestError("The sound is SPHERE in an unknown coding.", _SHORTEN_REMEDY)
    return header


def _fields(text: bytes) -> dict[str, str]:
    """``name -type value`` lines up to ``end_head``; comments start with a semicolon."""
    found: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        if line.strip() == "end_head":
            return found
        name, _, rest = line.partition(" ")
        value = rest.partition(" ")[2]
        if value and not name.startswith(";"):
            found[name] = value.strip()
    raise RequestError("The sound has no readable SPHERE header.")


def _typed(value: Any) -> str:
    return f"-i {value}" if isinstance(value, int) else f"-s{len(value)} {value}"


def _ulaw_table() -> NDArray[np.float32]:
    """µ-law codes to 16-bit values (ITU-T G.711, table 2): 14-bit levels, shifted left by 2."""
    code = ~np.arange(256, dtype=np.uint8)
    step, segment = (code & 0x0F).astype(np.int32), ((code >> 4) & 7).astype(np.int32)
    level = ((step << 3) + 0x84 << segment) - 0x84
    return np.where(code & 0x80, -level, level).astype(np.float32)


_ULAW = _ulaw_table()
