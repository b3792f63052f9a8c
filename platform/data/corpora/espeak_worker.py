"""A script that speaks: sentences in, sound and the times of its phones out.

espeak-ng is not safe to use from several threads, and its noise and flutter depend on all that it
has said before. So it runs in a process of its own, which forks for every sentence: each one is
then a function of its request alone. Only the standard library is imported, so that the fork is
quick and safe; `striate.data.corpora.espeak` starts it.
"""

import ctypes
import json
import os
import sys
from typing import Any

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: to the callback, in this thread
_PHONEME_EVENTS = 0x0001
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3  # espeakRATE, espeakPITCH
_NAMES = {1: "word", 7: "phone"}  # espeakEVENT_WORD, espeakEVENT_PHONEME
_MNEMONIC_BYTES = 8


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h; `sample` counts from the start of the sentence."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def main() -> int:
    """Answer the requests of standard input on standard output, in order."""
    order = json.load(sys.stdin)
    library = ctypes.CDLL(order["library"])
    rate = library.espeak_Initialize(
        _SYNCHRONOUS, 0, os.fsencode(order["data"]), _PHONEME_EVENTS | _DONT_EXIT
    )
    if rate <= 0:
        print("espeak-ng does not find its data", file=sys.stderr)
        return 1
    for request in order["requests"]:
        child = os.fork()
        if not child:
            os._exit(_answer(library, rate, request))
        _, status = os.waitpid(child, 0)
        if status:
            print(f"espeak-ng cannot say {request}", file=sys.stderr)
            return 1
    return 0


def _answer(library: ctypes.CDLL, rate: int, request: dict[str, Any]) -> int:
    """Say one sentence: a line of JSON, then its 16-bit samples."""
    sound = bytearray()
    events: list[tuple[str, int, str | int]] = []

    def collect(samples: Any, count: int, event: Any) -> int:
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        at = 0
        while event[at].type:
            events.extend(_told(event[at]))
            at += 1
        return 0

    callback = _Callback(collect)  # kept by its name: the library holds no reference
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()):
        return 1
    library.espeak_SetParameter(_RATE, request["words_per_minute"], 0)
    library.espeak_SetParameter(_PITCH, request["pitch"], 0)
    text = request["text"].encode()
    if library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None):
        return 1
    head = {"rate": rate, "bytes": len(sound), "events": events}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + sound)
    sys.stdout.buffer.flush()
    return 0


def _told(event: Any) -> list[tuple[str, int, str | int]]:
    """A word's place in the text, from 0, or a phone's mnemonic, and the sample it starts at."""
    kind = _NAMES.get(event.type)
    if kind == "word":
        return [(kind, event.sample, event.text_position - 1)]
    if kind == "phone":  # the name fills all eight bytes, or ends at the first zero
        name = ctypes.string_at(ctypes.addressof(event.id), _MNEMONIC_BYTES).split(b"\0")[0]
        return [(kind, event.sample, name.decode("latin-1"))]
    return []


if __name__ == "__main__":
    sys.exit(main())
