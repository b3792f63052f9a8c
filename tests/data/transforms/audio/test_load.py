"""Sound of every kind decodes to the same samples, and bad sound is named for what it is."""

import io
import struct
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from striate.core.errors import RequestError, UsageError
from striate.data.transforms.audio.load import decode_audio, load_mono, reason_of, to_mono
from striate.data.transforms.audio.sphere import decode_sphere, encode_sphere

pytestmark = pytest.mark.unit

RATE = 16_000
Sound = NDArray[np.int16]


def tone(hz: float = 440.0, rate: int = RATE, seconds: float = 0.25) -> Sound:
    """(n,) int16 at half of full scale."""
    times = np.arange(round(seconds * rate)) / rate
    samples: Sound = np.rint(16_384 * np.sin(2 * np.pi * hz * times)).astype(np.int16)
    return samples


def written(samples: Sound, kind: str = "WAV", rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    """What soundfile writes."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=kind, subtype=subtype)
    return content.getvalue()


def claiming(content: bytes, size: int) -> bytes:
    """A RIFF file whose data chunk says that it has `size` bytes."""
    at = content.index(b"data") + 4
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


def sphere_with(payload: bytes, **changes: str) -> bytes:
    """A SPHERE file of `payload` bytes, its header's lines changed: ``name=-i 1``."""
    fields = {
        "channel_count": "-i 1",
        "sample_count": f"-i {len(payload) // 2}",
        "sample_rate": f"-i {RATE}",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 01",
        "sample_coding": "-s3 pcm",
    } | changes
    lines = [f"{name} {value}" for name, value in fields.items() if value]
    return "\n".join(["NIST_1A\n   1024", *lines, "end_head\n"]).encode().ljust(1024) + payload


@pytest.mark.parametrize(
    "encode",
    [lambda x: written(x, "WAV"), lambda x: written(x, "FLAC"), lambda x: encode_sphere(x, RATE)],
    ids=["riff", "flac", "sphere"],
)
def test_each_format_gives_the_very_samples(encode: Callable[[Sound], bytes]) -> None:
    samples = tone()
    decoded, rate = decode_audio(encode(samples))
    assert rate == RATE
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded[:, 0] * 32768, samples)


def test_sphere_is_read_in_either_byte_order() -> None:
    samples = tone()
    swapped = sphere_with(samples.astype(">i2").tobytes(), sample_byte_format="-s2 10")
    np.testing.assert_array_equal(decode_sphere(swapped)[0][:, 0] * 32768, samples)


def test_sphere_agrees_with_libsndfile() -> None:
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, tone(), RATE, format="NIST", subtype="PCM_16")
    np.testing.assert_array_equal(decode_sphere(content.getvalue())[0][:, 0] * 32768, tone())


def test_mu_law_agrees_with_libsndfile_on_every_code() -> None:
    import soundfile

    codes = bytes(range(256))
    raw = io.BytesIO(codes)
    expected = soundfile.read(
        raw, format="RAW", subtype="ULAW", samplerate=8000, channels=1, dtype="float32"
    )[0]
    made = sphere_with(
        codes,
        sample_count="-i 256",
        sample_n_bytes="-i 1",
        sample_coding="-s4 ulaw",
        sample_rate="-i 8000",
    )
    decoded, rate = decode_sphere(made)
    assert rate == 8000
    np.testing.assert_array_equal(decoded[:, 0], expected)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_keeps_the_tone_its_place_and_its_loudness(rate: int) -> None:
    made = load_mono(written(tone(rate=rate), rate=rate))
    expected = tone() / 32768
    assert len(made) == pytest.approx(len(expected), abs=1)
    middle = slice(400, len(expected) - 400)  # the filter rings at the edges
    np.testing.assert_allclose(made[middle], expected[middle], atol=0.01)


def test_two_channels_are_averaged() -> None:
    both = np.stack([tone(), np.zeros_like(tone())], axis=1)
    np.testing.assert_allclose(load_mono(written(both)), tone() / 65536, atol=1e-6)
    np.testing.assert_allclose(load_mono(encode_sphere(both, RATE)), tone() / 65536, atol=1e-6)


def test_mono_at_the_rate_wanted_is_left_alone() -> None:
    samples = np.linspace(-1, 1, 500, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(to_mono(samples, RATE), samples[:, 0])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_recorder_that_could_not_say_the_length_is_believed_to_the_end(size: int) -> None:
    samples, _ = decode_audio(claiming(written(tone()), size))
    np.testing.assert_array_equal(samples[:, 0] * 32768, tone())


def test_a_header_that_says_less_than_there_is_is_believed() -> None:
    samples, _ = decode_audio(claiming(written(tone()), 2000))
    np.testing.assert_array_equal(samples[:, 0] * 32768, tone()[:1000])
    made = sphere_with(tone().tobytes(), sample_count="-i 1000")
    assert len(decode_audio(made)[0]) == 1000


WHOLE = {
    "riff": written(tone()),
    "flac": written(tone(), "FLAC"),
    "sphere": encode_sphere(tone(), RATE),
}
FOREVER = RATE * 3600
BAD = {
    "empty": (b"", "the sound is empty"),
    "no samples": (written(tone()[:0]), "the sound is empty"),
    "text": (b"once upon a time", "the sound is neither FLAC nor RIFF nor SPHERE"),
    "riff cut": (WHOLE["riff"][:-1000], "the sound is truncated"),
    "riff cut in its header": (WHOLE["riff"][:30], "the sound is truncated"),
    "riff that claims more": (claiming(WHOLE["riff"], 10**6), "the sound is truncated"),
    "flac cut": (WHOLE["flac"][: len(WHOLE["flac"]) // 2], "the sound is truncated or damaged"),
    "flac cut in its header": (WHOLE["flac"][:20], "the sound is truncated or damaged"),
    "flac of no length": (
        WHOLE["flac"][:21] + b"\xf0\0\0\0\0" + WHOLE["flac"][26:],
        "the sound does not say how long it is",
    ),
    "sphere cut": (WHOLE["sphere"][:-2], "the sound is truncated"),
    "sphere cut in its header": (WHOLE["sphere"][:100], "the sound has no readable SPHERE header"),
    "sphere without a rate": (
        sphere_with(b"\0" * 800, sample_rate=""),
        "the sound has no readable SPHERE header",
    ),
    "sphere at no rate at all": (
        sphere_with(b"\0" * 800, sample_rate="-i 0"),
        "the sound has no readable SPHERE header",
    ),
    "sphere at one sample a second": (
        sphere_with(b"\0" * 800, sample_rate="-i 1"),
        "the sound has an impossible sample rate",
    ),
    "shorten": (
        sphere_with(b"\0" * 800, sample_coding="-s26 pcm,embedded-shorten-v2.00"),
        "the sound is SPHERE compressed with Shorten",
    ),
    "24 bits": (
        sphere_with(b"\0" * 800, sample_n_bytes="-i 3"),
        "the sound is SPHERE in an unknown coding",
    ),
    "not a number": (
        written(np.full(800, np.nan, np.float32), subtype="FLOAT"),
        "the sound has samples that are no numbers",
    ),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD)
def test_bad_sound_is_named_for_what_it_is(content: bytes, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        load_mono(content)
    assert reason_of(caught.value) == reason


def test_shorten_comes_with_the_way_out() -> None:
    with pytest.raises(RequestError, match="sph2pipe"):
        load_mono(BAD["shorten"][0])


def test_without_soundfile_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(UsageError, match=r"striate\[speech\]"):
        load_mono(WHOLE["flac"])
    assert len(load_mono(WHOLE["sphere"]))  # which needs none


@pytest.mark.parametrize("kind", ["riff", "flac", "sphere"])
def test_a_sound_that_is_too_long_is_refused_by_its_header(kind: str) -> None:
    with pytest.raises(RequestError, match="too long"):
        decode_audio(WHOLE[kind], max_seconds=0.1)


def test_a_flac_header_that_claims_hours_costs_no_memory() -> None:
    content = bytearray(WHOLE["flac"])
    content[21] |= 0x0F  # STREAMINFO's 36-bit number of samples: its four highest bits
    with pytest.raises(RequestError, match="too long"):
        decode_audio(bytes(content))


@pytest.mark.parametrize("kind", ["riff", "flac", "sphere"])
def test_no_damage_ends_in_anything_but_a_clear_error(kind: str) -> None:
    draw = np.random.default_rng(0)
    for _ in range(150):
        content = bytearray(WHOLE[kind])
        for at in draw.integers(0, len(content) if draw.random() < 0.3 else 200, 3):
            content[at] = draw.integers(256)
        cut = int(draw.integers(1, len(content) + 1))
        try:
            samples = load_mono(bytes(content[:cut]))
        except RequestError:
            continue
        assert np.isfinite(samples).all()
