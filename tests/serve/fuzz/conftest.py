"""Hostile calls over all protos and methods, each a pure function of its number.

A failure names its number, which is all that repeats it. Hypothesis draws and shrinks some hundred
examples a second; here a case may take a millisecond, and the number of a failing case is as good
as a shrunk example, since most cases differ from a right request by one or two fields.
"""

import math
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from striate.serve.common.limits import Limits
from striate.serve.common.probe_image import probe_image
from striate.serve.common.service_table import SERVICES
from striate.serve.protos.inference import inference_pb2
from striate.serve.protos.striate.v1 import language_pb2, photo_tagging_pb2, photos_pb2, speech_pb2
from striate.serve.protos.striate.v1 import question_answering_pb2 as answers_pb2

SEED = 2026
DEADLINE_S = 20.0
LIMITS = Limits(image_bytes=20_000, pixels=50_000, rows=8, images=4, stream_window=8)
HAPPENS = frozenset({"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"})


@dataclass(frozen=True)
class Target:
    """A method, and how often it is called.

    Attributes:
        path: of the HTTP/2 request.
        request, response: its messages, as the service's descriptor has them.
        streams: whether it is one of streams.
        statuses: what it may end with beside `HAPPENS`.
        weight: its share of the cases.
    """

    path: str
    request: type[Message]
    response: type[Message]
    streams: bool
    statuses: frozenset[str]
    weight: int


@dataclass(frozen=True)
class Case:
    """One call: the method, the messages as bytes, and whether its caller leaves at once."""

    number: int
    target: Target
    app: str
    messages: tuple[bytes, ...]
    leaves: bool


LEAK = re.compile(r'Traceback|File "|site-packages|\b[A-Z]\w*(Error|Exception)\b|server failed on')
"""What no caller may read: a trace, a place in the code, a class of exceptions, or our sentence for
a defect."""
PLACES = (str(Path(__file__).parents[3]), sys.prefix)


def leaks(text: str) -> bool:
    """Whether a caller reads what only the server's log may hold."""
    return bool(LEAK.search(text)) or any(place in text for place in PLACES)


MORE = {
    "ModelInfer": {"NOT_FOUND", "DEADLINE_EXCEEDED"},  # the request may have a timeout of its own
    "ModelMetadata": {"NOT_FOUND"},
    "Check": {"NOT_FOUND"},
    "List": {"UNIMPLEMENTED"},  # of health: newer than what the platform promises
}
WEIGHTS = {"Tag": 8, "TagStream": 6, "Analyze": 6, "ModelInfer": 16, "Missing": 1}


def targets() -> list[Target]:
    """Every method of every service, by the descriptors, and two that there are not."""
    standard = (health_pb2, reflection_pb2)
    services = (
        *(spec.descriptor() for spec in SERVICES.values()),
        *(one for module in standard for one in module.DESCRIPTOR.services_by_name.values()),
    )
    found = [
        Target(
            f"/{service.full_name}/{method.name}",
            method.input_type._concrete_class,
            method.output_type._concrete_class,
            method.client_streaming or method.server_streaming,
            HAPPENS | MORE.get(method.name, set()),
            WEIGHTS.get(method.name, 2),
        )
        for service in services
        for method in service.methods
    ]
    no_message = health_pb2.HealthCheckRequest
    missing = frozenset({"UNIMPLEMENTED"})
    nowhere = ("/striate.v1.PhotoTagging/Missing", "/striate.v1.Nobody/Tag")
    return found + [Target(path, no_message, no_message, False, missing, 1) for path in nowhere]


FACES = "/striate.v1.FaceRecognition/"
"""Its methods keep what they are told, and are called apart from the others."""
WORDS = tuple(f"/striate.v1.{name}/" for name in ("QuestionAnswering", "Language", "Speech"))
"""Called apart as well, of a server of their own."""
TARGETS = [target for target in targets() if not target.path.startswith((FACES, *WORDS))]
WORD_TARGETS = [target for target in targets() if target.path.startswith(WORDS)]
FACE_TARGETS = [target for target in targets() if target.path.startswith(FACES)]
PNG = probe_image()
INTEGERS = (0, 1, -1, 3, 10, 255, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 3e38, math.nan, math.inf, -math.inf)
NAMES = (
    "digits", "echo", "7", "1", "input", "image", "output", "labels", "classification", "timeout",
    "shared_memory_region", "FP32", "BYTES", "FP16", "BF16", "BOOL", "US", "DE", "EU",
    *dict.fromkeys(target.path.split("/")[1] for target in targets()), "person 1", "photo 1",
)  # fmt: skip
ODD = (
    "", "\0", " ", "\r\nx-evil: 1", "%s%n%00{0}", "../../etc/passwd", "\u202eabc", "é" * 300,
    "🦉" * 80, "e\u0301\u200d\ufeff", "\U0010ffff", "x" * 5000, "ß", "-1", "1e999", "\x7f\x1b[31m",
)  # fmt: skip
BLOBS = (
    b"", b"\0", PNG, PNG[:40], PNG[:-10], b"\xff\xd8\xff\xe0" + b"\0" * 40, b"GIF89a", b"\xff" * 64,
    PNG[:16] + b"\x7f\xff\xff\xff" * 2 + PNG[24:],  # a bomb, by its header
    len(PNG).to_bytes(4, "little") + PNG, b"\xff\xff\xff\xff" + PNG, bytes(4096), bytes(20_001),
)  # fmt: skip


def right_request(kind: type[Message], app: str, dice: random.Random) -> Message:
    """A request that the application answers well."""
    if kind is photo_tagging_pb2.TagStreamRequest:
        photo = photo_tagging_pb2.TagRequest(image=PNG, top_k=2)
        return photo_tagging_pb2.TagStreamRequest(
            photos=[photo_tagging_pb2.StreamedPhoto(id=str(n), photo=photo) for n in range(2)]
        )
    if kind is inference_pb2.ModelInferRequest:
        return _right_inference(app, dice)
    fields: Mapping[type[Message], dict[str, Any]] = {
        photo_tagging_pb2.TagRequest: {"image": PNG, "top_k": 3},
        photos_pb2.AnalyzeRequest: {"image": PNG, "region": "US", "top_k": 3},
        inference_pb2.ModelReadyRequest: {"name": "digits"},
        inference_pb2.ModelMetadataRequest: {"name": "digits", "version": "7"},
        health_pb2.HealthCheckRequest: {"service": "striate.v1.PhotoTagging"},
        reflection_pb2.ServerReflectionRequest: {"file_containing_symbol": "striate.v1.Photos"},
        **RIGHT_WORDS,
    }
    return kind(**fields.get(kind, {}))


RIGHT_WORDS: Mapping[type[Message], dict[str, Any]] = {
    answers_pb2.AskRequest: {"question": "Where is Fred?", "sentences": ["Fred went home."]},
    answers_pb2.RememberRequest: {"story": "ring", "sentences": ["Bilbo slept.", "The end."]},
    answers_pb2.RecallRequest: {"story": "ring", "limit": 3},
    answers_pb2.ForgetStoryRequest: {"story": "ring", "numbers": [1]},
    language_pb2.EmbedRequest: {"texts": ["tokyo", "in japan"]},
    language_pb2.NearestRequest: {"word": "tokyo", "top_k": 2},
    language_pb2.AnalogyRequest: {"a": "japan", "b": "tokyo", "c": "germany"},
    language_pb2.TranslateRequest: {"texts": ["One house.", "<b>Two</b>"], "beam": 2},
    language_pb2.TranslateStreamRequest: {"texts": [{"id": "1", "text": "One house."}]},
    speech_pb2.RecognizeRequest: {
        "format": {"encoding": "PCM16", "sample_rate_hz": 16_000, "partial_results": True},
        "sound": bytes(3201),
    },
}


def _right_inference(app: str, dice: random.Random) -> Message:
    model = "echo" if app == "echo" else "digits"
    tensor: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [1]}
    raw = len(PNG).to_bytes(4, "little") + PNG
    if model == "digits" and dice.random() < 0.5:
        tensor, raw = {"name": "input", "datatype": "FP32", "shape": [1, 1, 32, 32]}, bytes(4096)
    request = inference_pb2.ModelInferRequest(model_name=model, inputs=[tensor])
    request.outputs.add(name="output").parameters["classification"].int64_param = 3
    if dice.random() < 0.6:
        request.raw_input_contents.append(raw)
    elif tensor["name"] == "image":
        request.inputs[0].contents.bytes_contents.append(PNG)
    else:
        request.inputs[0].contents.fp32_contents.extend([0.5] * 1024)
    return request


def hostile_value(field: Any, dice: random.Random) -> Any:
    """One value of a field that is no message."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return dice.choice((*BLOBS, dice.randbytes(dice.randrange(64))))
        return dice.choice(NAMES if dice.random() < 0.5 else ODD)
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return dice.choice(FLOATS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return dice.random() < 0.5
    bits = 64 if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else 32
    unsigned = kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    value = dice.choice(INTEGERS) % 2**bits
    return value if unsigned or value < 2 ** (bits - 1) else value - 2**bits


def spoil(message: Message, dice: random.Random, share: float) -> None:
    """Put hostile values into a share of the fields, nested ones too; of 0 into exactly one."""
    places = list(_places(message))
    if not share and places:
        places = [dice.choice(places)]
    for owner, field in places:
        if not share or dice.random() < share:
            _spoil_field(owner, field, dice)


def _places(message: Message) -> Iterator[tuple[Message, Any]]:
    """Every field of a message, and of the messages that are in it."""
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    for field in fields:
        yield message, field
        if field.message_type is None or _is_map(field):
            continue
        if field.is_repeated:
            for one in getattr(message, field.name):
                yield from _places(one)
        elif message.HasField(field.name):
            yield from _places(getattr(message, field.name))


def _spoil_field(message: Message, field: Any, dice: random.Random) -> None:
    there: Any = getattr(message, field.name)
    if _is_map(field):
        for _ in range(dice.choice((1, 2, 70))):
            key = hostile_value(field.message_type.fields_by_name["key"], dice)
            spoil(there[key], dice, 0.5)
    elif field.is_repeated:
        _spoil_entries(there, field, dice)
    elif field.message_type is not None:
        there.SetInParent()
        spoil(there, dice, 0.5)
    else:
        setattr(message, field.name, hostile_value(field, dice))


def _spoil_entries(entries: Any, field: Any, dice: random.Random) -> None:
    """Other values in the place of one entry or of all, or behind them."""
    nested = field.message_type is not None
    if len(entries) and dice.random() < 0.5:
        place = dice.randrange(len(entries))
        if nested:
            spoil(entries[place], dice, 0.5)
        else:
            entries[place] = hostile_value(field, dice)
        return
    if dice.random() < 0.5:
        del entries[:]
    for _ in range(dice.choice((0, 1, 2, 5, 70))):
        if nested:
            spoil(entries.add(), dice, 0.5)
        else:
            entries.append(hostile_value(field, dice))


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def damaged(raw: bytes, dice: random.Random) -> bytes:
    """Flipped bits, a piece cut off, taken out or put in twice, or another message behind it."""
    data, way = bytearray(raw), dice.randrange(5)
    if way == 0 or not data:
        return bytes(data) + dice.randbytes(dice.randrange(1, 20))
    if way == 1:
        return bytes(data[: dice.randrange(len(data))])
    if way == 2:
        start = dice.randrange(len(data))
        end = min(len(data), start + dice.randrange(1, 20))
        return bytes(data[:start] + data[start:end] * dice.choice((0, 2)) + data[end:])
    for _ in range(dice.choice((1, 1, 2, 8))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def message_of(kind: type[Message], app: str, dice: random.Random) -> bytes:
    """One message, of one of the ways to be hostile, or of none."""
    way = dice.random()
    if way < 0.2:
        return dice.randbytes(dice.choice((0, 1, 5, 50, 1000)))
    if way < 0.201:
        return bytes(LIMITS.message_bytes + 1)
    if way < 0.35:
        message = kind()
        spoil(message, dice, 0.6)
        return message.SerializeToString()
    message = right_request(kind, app, dice)
    if way < 0.75:
        spoil(message, dice, dice.choice((0, 0, 0, 0.1, 0.3)))
        return message.SerializeToString()
    raw = message.SerializeToString()
    return damaged(raw, dice) if way < 0.97 else raw


def word_case_of(number: int) -> Case:
    """The case of that number among those of questions, words and speech."""
    dice = random.Random(f"{SEED}:words:{number}")
    target = dice.choice(WORD_TARGETS)
    count = dice.choice((0, 1, 2, 4)) if target.streams else 1
    messages = [message_of(target.request, "words", dice) for _ in range(count)]
    if messages and dice.random() < 0.4:
        messages[0] = right_request(target.request, "words", dice).SerializeToString()
    return Case(number, target, "words", tuple(messages), dice.random() < 0.02)


def face_case_of(number: int, photo: bytes) -> Case:
    """The case of that number among those of faces; right ones show a photo."""
    dice = random.Random(f"{SEED}:faces:{number}")
    target = dice.choice(FACE_TARGETS)
    count = dice.choice((0, 1, 2, 4)) if target.path.endswith("/Import") else 1
    messages = []
    for _ in range(count):
        raw = message_of(target.request, "faces", dice)
        messages.append(raw.replace(PNG, photo) if dice.random() < 0.2 else raw)
    if dice.random() < 0.4:
        messages[:1] = [_right_faces(target.request, photo, dice).SerializeToString()]
    return Case(number, target, "faces", tuple(messages), dice.random() < 0.02)


def _right_faces(kind: type[Message], photo: bytes, dice: random.Random) -> Message:
    """A request of `FaceRecognition` that is right but for one field, or right."""
    names = kind.DESCRIPTOR.fields_by_name
    given: dict[str, Any] = {"region": "US"}
    if "image" in names:
        given["image"] = photo
    numbers = {"person_id": 1, "into": 1, "other": 2, "face_id": 1}
    given |= {name: value for name, value in numbers.items() if name in names}
    if "face_ids" in names:
        given["face_ids"] = [1, 2]
    if "name" in names:
        given["name"] = "person 1"
    message = kind(**given)
    if dice.random() < 0.5:
        spoil(message, dice, 0)
    return message


def case_of(number: int) -> Case:
    """The case of that number."""
    dice = random.Random(f"{SEED}:{number}")
    (target,) = dice.choices(TARGETS, [target.weight for target in TARGETS])
    count = dice.choice((0, 1, 2, 4)) if target.streams else 1
    photos = target.path.startswith("/striate.v1.Photos")  # which echo has not
    app = "photos" if photos else dice.choice(("photos", "photos", "echo"))
    messages = tuple(message_of(target.request, app, dice) for _ in range(count))
    return Case(number, target, app, messages, dice.random() < 0.02)


def sent(channel: grpc.Channel, case: Any) -> tuple[str, Sequence[bytes], str]:
    """The status of a case, its answers, and the sentence."""
    target, messages = case.target, case.messages
    try:
        if target.streams:
            stream: Any = channel.stream_stream(target.path)
            call = stream(iter(messages), timeout=DEADLINE_S)
            if case.leaves:
                call.cancel()
            return "OK", list(call), ""
        unary: Any = channel.unary_unary(target.path)
        future = unary.future(messages[0] if messages else b"", timeout=DEADLINE_S)
        if case.leaves:
            future.cancel()
        return "OK", [future.result()], ""
    except grpc.FutureCancelledError:
        return "CANCELLED", [], ""
    except grpc.RpcError as caught:
        error: Any = caught
        return error.code().name, [], error.details() or ""


@pytest.fixture(scope="session")
def hostile() -> SimpleNamespace:
    """The cases by number (`case_of`), what they call, and what is right for all of them."""
    return SimpleNamespace(
        case_of=case_of,
        face_case_of=face_case_of,
        face_targets=FACE_TARGETS,
        word_case_of=word_case_of,
        word_targets=WORD_TARGETS,
        sent=sent,
        leaks=leaks,
        seed=SEED,
        targets=TARGETS,
        happens=HAPPENS,
        limits=LIMITS,
        right_request=right_request,
    )
