"""Sound of unknown origin to one channel at one rate: the header is judged before decoding."""

import io
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from striate.core.errors import RequestError, UsageError
from striate.data.transforms.audio import sphere

RATE_HZ = 16_000
MAX_SECONDS = 600.0
_RATES_HZ = (1_000, 384_000)
_REMEDY = "Give FLAC, RIFF (WAV) or NIST SPHERE."
_TRUNCATED = "The sound is truncated."
_NOT_SAID = 2**62  # libsndfile's length of a FLAC stream whose header leaves it open
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)

Samples = NDArray[np.float32]


def decode_audio(
    payload: bytes | memoryview, *, max_seconds: float = MAX_SECONDS
) -> tuple[Samples, int]:
    """Decode FLAC, RIFF (WAV) or NIST SPHERE, whatever its name said.

    Args:
        payload: the file's content.
        max_seconds: limit on its length, checked on the header alone.

    Returns:
        (samples, channels) float32 from −1 to 1, and the samples a second.

    Raises:
        RequestError: empty, truncated, damaged, over the limit, of another kind, or with a header
            that does not tell the truth; the message has no names or numbers in it.
        UsageError: the package soundfile is missing.
    """
    if not len(payload):
        raise RequestError("The sound is empty.", _REMEDY)
    start = bytes(payload[:8])
    for magic, decode in _DECODERS.items():
        if start.startswith(magic):
            samples, rate = decode(payload, max_seconds)
            break
    else:
        raise RequestError("The sound is neither FLAC nor RIFF nor SPHERE.", _REMEDY)
    if not len(samples):
        raise RequestError("The sound is empty.", _REMEDY)
    if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
        raise RequestError("The sound has an impossible sample rate.", _REMEDY)
    if not np.isfinite(samples).all():
        raise RequestError("The sound has samples that are no numbers.", _REMEDY)
    return samples, rate


def to_mono(samples: Samples, rate: int, rate_hz: int = RATE_HZ) -> Samples:
    """One channel at one rate.

    Channels are averaged. Another rate is changed by polyphase filtering, whose Kaiser-windowed
    (β = 5) low-pass delays nothing, so that times stay true (`scipy.signal.resample_poly`).

    Args:
        samples: (n, channels) float32.
        rate: their rate.
        rate_hz: the rate wanted.

    Returns:
        (⌈n · rate_hz / rate⌉,) float32.
    """
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if rate == rate_hz:
        return mono
    from scipy.signal import resample_poly

    shared = int(np.gcd(rate, rate_hz))
    changed = resample_poly(mono, rate_hz // shared, rate // shared)
    return np.asarray(changed, np.float32)


def load_mono(payload: bytes | memoryview, rate_hz: int = RATE_HZ) -> Samples:
    """`decode_audio`, then `to_mono`: (n,) float32.

    Raises:
        RequestError: as `decode_audio`.
    """
    return to_mono(*decode_audio(payload), rate_hz)


def reason_of(error: RequestError) -> str:
    """What is wrong with a sound, in words that reports count by."""
    return error.message[:1].lower() + error.message[1:].rstrip(".")


def _soundfile() -> ModuleType:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the wheel without its libsndfile
        raise UsageError(
            "FLAC and RIFF sound needs soundfile.", "Install striate[speech]."
        ) from None
    return soundfile  # type: ignore[no-any-return]


def _decode_sphere(payload: bytes | memoryview, max_seconds: float) -> tuple[Samples, int]:
    header = sphere.read_header(payload)
    _check_length(
        (len(payload) - header.size) / header.width / header.channels, header.rate, max_seconds
    )
    return sphere.decode_sphere(payload)


def _decode_riff(payload: bytes | memoryview, max_seconds: float) -> tuple[Samples, int]:
    """RIFF, its data chunk held against what follows, which libsndfile does not do.

    A size of 0 or 2³²−1 is what a recorder leaves that could not seek back: then the data go on
    to the end of the file.
    """
    at = _riff_data(payload)
    announced, held = int.from_bytes(payload[at - 4 : at], "little"), len(payload) - at
    if announced in _UNKNOWN_SIZES:
        size = held.to_bytes(4, "little")
        payload = b"".join((bytes(payload[: at - 4]), size, bytes(payload[at:])))
    elif announced > held:
        raise RequestError(_TRUNCATED, "Fetch the file again.")
    return _decode_file(payload, max_seconds)


def _decode_file(payload: bytes | memoryview, max_seconds: float) -> tuple[Samples, int]:
    """FLAC and RIFF through libsndfile."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(payload)) as file:
            announced = int(file.frames)
            if announced >= _NOT_SAID:
                raise RequestError("The sound does not say how long it is.", "Encode it again.")
            _check_length(announced, file.samplerate, max_seconds)
            samples = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError:
        raise RequestError("The sound is truncated or damaged.", "Fetch the file again.") from None
    if len(samples) < announced:
        raise RequestError(_TRUNCATED, "Fetch the file again.")
    return samples, rate


def _check_length(samples: float, rate: int, max_seconds: float) -> None:
    if samples > max_seconds * max(rate, 1):
        raise RequestError("The sound is too long.", f"Cut it to {max_seconds:g} s or less.")


def _riff_data(payload: bytes | memoryview) -> int:
    """Where the data of a RIFF file start, after the four bytes of their size."""
    at = 12
    while at + 8 <= len(payload):
        size = int.from_bytes(payload[at + 4 : at + 8], "little")
        if bytes(payload[at : at + 4]) == b"data":
            return at + 8
        at += 8 + size + size % 2
    raise RequestError(_TRUNCATED, "Fetch the file again.")


_DECODERS: dict[bytes, Callable[[bytes | memoryview, float], tuple[Samples, int]]] = {
    b"fLaC": _decode_file,
    b"RIFF": _decode_riff,
    sphere.MAGIC: _decode_sphere,
}
