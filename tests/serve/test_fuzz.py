"""A fuzzer over all protos and methods: whatever comes, one right status in time, and no harm.

A case is a pure function of its number, so that a failure names all that repeats it. Hypothesis
draws and shrinks some hundred examples a second; here a case may take a millisecond, and the seed
of a failing case is as good as a shrunk one, since most cases differ from a right request by one or
two fields.
"""

import asyncio
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from striate.core.bundle import Bundle
from striate.serve import edge, tokens
from striate.serve.apps import echo
from striate.serve.certificates import ensure_certificates
from striate.serve.edge_config import APP_KEY
from striate.serve.edge_files import edge_key
from striate.serve.edge_options import EdgeLimits, EdgeTls
from striate.serve.limits import Limits
from striate.serve.loading import inference_of, load, probe_image
from striate.serve.protos.inference import inference_pb2
from striate.serve.protos.striate.v1 import photo_tagging_pb2, photos_pb2
from striate.serve.regions import RegionPolicy
from striate.serve.server import ModelServer, Service
from striate.serve.services.photos import Photos
from striate.serve.services.tagging import PhotoTagging
from striate.serve.table import DeployedApp, Table, write_table

SEED, CASES, EDGE_CASES, WARM_UP, CHECK_EVERY = 20_26, 50_000, 2_000, 5_000, 500
AT_ONCE, DEADLINE_S = 32, 20.0
GROWTH_BYTES = 32 * 2**20
"""Over 45,000 cases: 0.7 KiB for each, less than the smallest message of a call that is kept. What
was measured is half of it, the allocators' own."""
LIMITS = Limits(image_bytes=20_000, pixels=50_000, rows=8, images=4, stream_window=8)
HAPPENS = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
WRITE_FAILED, UNWRITTEN = "Internal error from Core", "UNWRITTEN"
"""What `grpc.aio` makes of the status, by itself, when a server ends a stream before its caller has
written all."""
LEFT = "LEFT"
LEAK = re.compile(r'Traceback|File "|site-packages|\b[A-Z]\w*(Error|Exception)\b|server failed on')
"""What no caller may read: a trace, a place in the code, a class of exceptions, or our sentence for
a defect."""


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


MORE = {
    "ModelInfer": {"NOT_FOUND", "DEADLINE_EXCEEDED"},  # the request may have a timeout of its own
    "ModelMetadata": {"NOT_FOUND"},
    "Check": {"NOT_FOUND"},
    "List": {"UNIMPLEMENTED"},  # of health: newer than what the platform promises
}
WEIGHTS = {"Tag": 8, "TagStream": 6, "Analyze": 6, "ModelInfer": 16, "Missing": 1}


def targets() -> list[Target]:
    """Every method of every service, by the descriptors, and two that there are not."""
    found = [
        Target(
            f"/{service.full_name}/{method.name}",
            method.input_type._concrete_class,
            method.output_type._concrete_class,
            method.client_streaming or method.server_streaming,
            frozenset(HAPPENS | MORE.get(method.name, set())),
            WEIGHTS.get(method.name, 2),
        )
        for module in (photo_tagging_pb2, photos_pb2, inference_pb2, health_pb2, reflection_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    no_message = health_pb2.HealthCheckRequest
    missing = frozenset({"UNIMPLEMENTED"})
    nowhere = ("/striate.v1.PhotoTagging/Missing", "/striate.v1.Nobody/Tag")
    return found + [Target(path, no_message, no_message, False, missing, 1) for path in nowhere]


TARGETS = targets()
PNG = probe_image()
INTEGERS = (0, 1, -1, 3, 10, 255, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 3e38, math.nan, math.inf, -math.inf)
NAMES = (
    "digits", "echo", "7", "1", "input", "image", "output", "labels", "classification", "timeout",
    "shared_memory_region", "FP32", "BYTES", "FP16", "BF16", "BOOL", "US", "DE", "EU",
    *(target.path.split("/")[1] for target in TARGETS),
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
    }
    return kind(**fields.get(kind, {}))


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
    """Put hostile values into a share of the fields, nested ones too; the others stay."""
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    for field in fields:
        there: Any = getattr(message, field.name)
        nested = field.message_type
        if dice.random() >= share:
            if nested is not None and not field.is_repeated and message.HasField(field.name):
                spoil(there, dice, share)
            elif nested is not None and field.is_repeated and not _is_map(field):
                for one in there:
                    spoil(one, dice, share)
        elif _is_map(field):
            for _ in range(dice.choice((1, 2, 70))):
                spoil(there[hostile_value(nested.fields_by_name["key"], dice)], dice, 0.5)
        elif field.is_repeated:
            _spoil_repeated(message, field, dice)
        elif nested is not None:
            there.SetInParent()
            spoil(there, dice, 0.5)
        else:
            setattr(message, field.name, hostile_value(field, dice))


def _spoil_repeated(message: Message, field: Any, dice: random.Random) -> None:
    entries: Any = getattr(message, field.name)
    if dice.random() < 0.5:
        del entries[:]
    for _ in range(dice.choice((0, 1, 2, 5, 70))):
        if field.message_type is not None:
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
        spoil(message, dice, dice.choice((0.05, 0.15, 0.4)))
        return message.SerializeToString()
    raw = message.SerializeToString()
    return damaged(raw, dice) if way < 0.97 else raw


def case_of(number: int) -> Case:
    """The case of that number."""
    dice = random.Random(f"{SEED}:{number}")
    (target,) = dice.choices(TARGETS, [target.weight for target in TARGETS])
    count = dice.choice((0, 1, 2, 4)) if target.streams else 1
    photos = target.path.startswith("/striate.v1.Photos")  # which echo has not
    app = "photos" if photos else dice.choice(("photos", "photos", "echo"))
    messages = tuple(message_of(target.request, app, dice) for _ in range(count))
    return Case(number, target, app, messages, dice.random() < 0.02)


class Caller:
    """Sends cases to servers, and judges each.

    Args:
        channels: by the name of the application.
        servers: those that answer in the end.
        metadata: what goes with every call.
    """

    def __init__(
        self,
        channels: Mapping[str, grpc.aio.Channel],
        servers: Mapping[str, ModelServer],
        metadata: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._channels, self._servers = channels, servers
        self._metadata = metadata
        self._wrong: list[str] = []
        self.statuses: Counter[str] = Counter()

    async def run(self, numbers: range) -> None:
        """Send them, `AT_ONCE` at a time; after every `CHECK_EVERY` see that all is well."""
        for start in range(numbers.start, numbers.stop, CHECK_EVERY):
            left = iter(range(start, min(start + CHECK_EVERY, numbers.stop)))
            await asyncio.gather(*(self._several(left) for _ in range(AT_ONCE)))
            assert not self._wrong, "\n".join(self._wrong[:5])
            await self._well()

    async def _well(self) -> None:
        """Right requests are answered, and nothing is left of the others."""
        tag = photo_tagging_pb2.TagRequest(image=PNG, top_k=1).SerializeToString()
        infer = _right_inference("photos", random.Random(0)).SerializeToString()
        for app, method, message in (
            ("photos", "striate.v1.PhotoTagging/Tag", tag),
            ("echo", "striate.v1.PhotoTagging/Tag", tag),
            ("photos", "inference.GRPCInferenceService/ModelInfer", infer),
        ):
            call: Any = self._channels[app].unary_unary(f"/{method}")
            assert await call(message, metadata=self._with(app), timeout=DEADLINE_S)
        async with asyncio.timeout(DEADLINE_S):  # calls whose callers left end a moment later
            while any(s.in_flight or s.queued for s in self._servers.values()):
                await asyncio.sleep(0.01)

    async def _several(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            case = case_of(number)
            try:
                await self._judge(case)
            except Exception as error:  # all of a round are shown at its end
                sent = [message[:200].hex() for message in case.messages]
                where = f"case_of({number}), seed {SEED}: {case.target.path} of {case.app}"
                self._wrong.append(f"{where}: {error!r}; the messages begin {sent}")

    async def _judge(self, case: Case) -> None:
        target, answers = case.target, []
        status, details = "OK", ""
        try:
            async with asyncio.timeout(DEADLINE_S + 5):
                answers = await self._call(case)
        except grpc.aio.AioRpcError as error:
            status, details = error.code().name, error.details() or ""
            if details == WRITE_FAILED and len(case.messages) > 1:
                status = UNWRITTEN
        if case.leaves:
            status = LEFT
        self.statuses[status] += 1
        right = target.statuses | {UNWRITTEN, LEFT}
        assert status in right, f"{status} {details}"
        read = [target.response.FromString(answer) for answer in answers]
        text = details + ("" if "reflection" in target.path else " ".join(map(str, read)))
        assert not LEAK.search(text) and not any(place in text for place in PLACES), text
        for message in read:
            if isinstance(message, photo_tagging_pb2.TagStreamResponse):
                for one in message.answers:
                    assert one.failure.status in FAILURES, one

    async def _call(self, case: Case) -> list[bytes]:
        """The answers; of a stream that does not end by itself the first."""
        channel: Any = self._channels[case.app]
        path, sent = case.target.path, case.messages
        options: Any = {"metadata": self._with(case.app), "timeout": DEADLINE_S}
        if not case.target.streams:
            call: Any = channel.unary_unary(path)(sent[0], **options)
            if case.leaves:
                return await _leave(call)
            return [await call]
        if len(sent) == 1:
            stream: Any = channel.unary_stream(path)(sent[0], **options)
        else:
            stream = channel.stream_stream(path)(_each(sent), **options)
        if case.leaves:
            return await _leave(stream)
        if path.endswith("/Watch"):
            first = await stream.read()
            stream.cancel()
            return [first] if isinstance(first, bytes) else []
        return [answer async for answer in stream]

    def _with(self, app: str) -> tuple[tuple[str, str], ...]:
        return (*self._metadata, (APP_KEY, app))


async def _each(messages: Sequence[bytes]) -> Any:
    for message in messages:
        yield message


async def _leave(call: Any) -> list[bytes]:
    """Cancel a call that has just begun."""
    await asyncio.sleep(0)
    call.cancel()
    return []


FAILURES = {0, *(grpc.StatusCode[name].value[0] for name in HAPPENS)}
PLACES = (str(Path(__file__).parents[2]), sys.prefix, str(Path.home()))


@pytest.fixture(scope="module")
def servers(bundle: Bundle) -> Iterator[Callable[[str | None], dict[str, ModelServer]]]:
    """Starts the servers of all services, by application: ``servers(edge_key)``."""
    started: list[ModelServer] = []

    def start(key: str | None) -> dict[str, ModelServer]:
        digits = load(bundle, ("digits", "7"), limits=LIMITS)
        tagger = digits.tagger()
        tagging, inference = echo.services(echo.EchoArgs(limits=LIMITS))
        policy = RegionPolicy(faces_off=("EU",))
        photos = Photos(tagger, digits.describer(), tagger, {"1": 0.05}, policy, LIMITS, DEADLINE_S)
        every: list[Service] = [photos, PhotoTagging(tagger, LIMITS), inference_of([digits])]
        started.append(ModelServer(every, limits=LIMITS, edge_key=key))
        started.append(ModelServer([tagging, inference], limits=LIMITS, edge_key=key))
        return {"photos": started[-2], "echo": started[-1]}

    yield start
    for server in started:
        server.stop(1)


@pytest.mark.unit
def test_no_case_harms_a_server(servers: Callable[[str | None], dict[str, ModelServer]]) -> None:
    """On the first server's own loop, which a case that blocks would stop."""
    running = servers(None)

    async def fuzz() -> int:
        """Bytes by which the process grows."""
        channels = {name: grpc.aio.insecure_channel(s.address) for name, s in running.items()}
        caller = Caller(channels, running)
        await caller.run(range(WARM_UP))
        process, tasks = psutil.Process(), len(asyncio.all_tasks())
        before = process.memory_info().rss
        await caller.run(range(WARM_UP, CASES))
        grown: int = process.memory_info().rss - before
        assert len(asyncio.all_tasks()) <= tasks + AT_ONCE
        _check_statuses(caller)
        for channel in channels.values():
            await channel.close()
        return grown

    assert running["photos"].run(fuzz()).result(500) < GROWTH_BYTES


def _check_statuses(caller: Caller) -> None:
    """The cases are worth their time: many get past the first check, and each status is met."""
    assert caller.statuses["OK"] > 0.2 * caller.statuses.total()
    assert HAPPENS | {"NOT_FOUND", "UNIMPLEMENTED", LEFT} <= set(caller.statuses)
    assert caller.statuses[UNWRITTEN] < 0.02 * caller.statuses.total()


@pytest.fixture
def guarded(
    servers: Callable[[str | None], dict[str, ModelServer]],
    tmp_path: Path,
    unused_port: Callable[[], int],
) -> Iterator[SimpleNamespace]:
    """An edge with TLS and tokens before the servers: its folder, address, channel and token."""
    certificate, authority = ensure_certificates(tmp_path / "tls", ["127.0.0.1"])
    file, folder, port = tmp_path / "tokens.map", tmp_path / "edge", unused_port()
    secret, _ = tokens.create(file, "fuzzer", ["admin"])
    limits = EdgeLimits(message_bytes=LIMITS.message_bytes)
    edge.start(
        folder, "127.0.0.1", port, tls=EdgeTls(certificate=certificate), token_file=file,
        limits=limits,
    )  # fmt: skip
    running = servers(edge_key(folder))
    write_table(folder, Table(apps=tuple(_entry(name, running[name]) for name in running)))
    assert edge.reload(folder)
    credentials = grpc.ssl_channel_credentials(authority.read_bytes())
    yield SimpleNamespace(
        folder=folder,
        servers=running,
        open=lambda: grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials),
        metadata=(("authorization", f"Bearer {secret}"),),
    )
    edge.stop(folder)


def _entry(name: str, server: ModelServer) -> DeployedApp:
    return DeployedApp(
        name=name, serve_name=f"{name}.1", app="photos", model_uri="models:/m/1", model="m",
        version="1", deployed_unix_s=0.0, addresses=(server.address,),
        services=server.service_names, models=server.model_names,
    )  # fmt: skip


@pytest.mark.e2e
def test_no_case_harms_an_edge(guarded: SimpleNamespace) -> None:
    """With TLS and a token; the edge's processes are the same ones at the end."""
    before = edge.workers(guarded.folder)

    async def fuzz() -> None:
        async with guarded.open() as channel:
            channels = dict.fromkeys(guarded.servers, channel)
            caller = Caller(channels, guarded.servers, guarded.metadata)
            await caller.run(range(EDGE_CASES))

    guarded.servers["photos"].run(fuzz()).result(200)
    assert edge.workers(guarded.folder) == before


@pytest.mark.e2e
def test_a_call_without_a_message_ends_at_the_edge(guarded: SimpleNamespace) -> None:
    """`grpc.aio` would wait for the message of a request that has ended."""

    async def ask(target: Target) -> None:
        async with guarded.open() as channel:
            metadata = (*guarded.metadata, (APP_KEY, "photos"))
            call = channel.stream_stream(target.path)(
                _each(()), metadata=metadata, timeout=DEADLINE_S
            )
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "no message" in (await call.details())

    for target in TARGETS:
        if not target.streams:
            guarded.servers["photos"].run(ask(target)).result(20)
