"""Callers that do what no honest one would, in raw frames: the edge ends them and serves others."""

import contextlib
import os
import random
import resource
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

from striate.core.retry import wait_until
from striate.serve.client.errors import worth_retrying
from striate.serve.edge import control
from striate.serve.edge.certificates import ensure_certificates
from striate.serve.edge.files import edge_key
from striate.serve.edge.options import EdgeTls

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode
START_S, CLIENT_S = 1, 2
LIMIT_BYTES = 1_000_000

HEADERS = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/striate.v1.PhotoTagging/Tag"),
    (":authority", "edge"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
)


class Wire:
    """One connection.

    Args:
        port: the edge's, on loopback.
        window: bytes that the edge may send on a stream unasked.
        context: speaks TLS, unless None.
    """

    def __init__(
        self, port: int, window: int = 65535, context: ssl.SSLContext | None = None
    ) -> None:
        self.socket: Any = socket.create_connection(("127.0.0.1", port), timeout=10)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.h2 = H2Connection(H2Configuration(validate_outbound_headers=False))
        self.h2.local_settings = Settings(
            client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what is due."""
        self.socket.sendall(self.h2.data_to_send())

    def ask(
        self, message: bytes = b"", more: Sequence[tuple[str, str]] = (), *, end: bool = True
    ) -> int:
        """Begin a call, and end its request unless told otherwise; returns the stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [*HEADERS, *more])
        framed = b"\0" + len(message).to_bytes(4, "big") + message
        self.h2.send_data(stream, framed, end_stream=end)
        self.flush()
        return stream

    def raw(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        """A frame of any kind (RFC 9113, section 4.1)."""
        return (
            len(payload).to_bytes(3, "big")
            + bytes([kind, flags])
            + stream.to_bytes(4, "big")
            + payload
        )

    def events(self, limit_s: float) -> list[Event]:
        """What the edge sends within that time, up to the end of a stream or of the connection."""
        found: list[Event] = []
        end = time.monotonic() + limit_s
        while (left_s := end - time.monotonic()) > 0:
            self.socket.settimeout(left_s)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                break
            except OSError:
                data = b""
            if not data:
                found.append(ConnectionTerminated())
                break
            found += self.h2.receive_data(data)
            if any(isinstance(e, StreamEnded | StreamReset | ConnectionTerminated) for e in found):
                break
        return found

    def answer(self, limit_s: float = 10.0) -> dict[str, str]:
        """The headers of the next answer; empty when the stream or connection is ended instead."""
        for event in self.events(limit_s):
            if isinstance(event, ResponseReceived):
                return {str(name, "ascii") if isinstance(name, bytes) else name:
                        str(value, "ascii") if isinstance(value, bytes) else value
                        for name, value in event.headers}  # fmt: skip
        return {}

    def closed_within(self, limit_s: float) -> bool:
        """Whether the edge ends the connection in that time."""
        end = time.monotonic() + limit_s
        while (left_s := end - time.monotonic()) > 0:
            self.socket.settimeout(left_s)
            try:
                if not self.socket.recv(65536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def target(start_edge: Any, replica: Any, app: Any) -> Any:
    """An edge with short patience before one replica."""
    running = start_edge(
        start_s=START_S, client_s=CLIENT_S, connections=1500, message_bytes=LIMIT_BYTES,
        glitches=100,
    )  # fmt: skip
    one = replica("one")
    running.deploy(app("photos", one.address))
    return SimpleNamespace(edge=running, replica=one)


@pytest.fixture(autouse=True)
def _unharmed(request: pytest.FixtureRequest) -> Any:
    """After each attack the same process answers others, at once, on old and new connections."""
    if "target" not in request.fixturenames:
        yield
        return
    target = request.getfixturevalue("target")
    before = control.workers(target.edge.folder)
    yield
    for channel in (None, target.edge.channel()):
        answer = target.edge.call(channel=channel, timeout_s=5)
        assert answer.code is Code.OK, answer
    assert control.workers(target.edge.folder) == before


def test_an_honest_caller_is_answered(target: Any) -> None:
    """The frames of the attacks below are right but for what is wrong in them on purpose."""
    wire = Wire(target.edge.port)
    wire.ask(b"hello")
    assert wire.answer()[":status"] == "200"
    wire.close()


def test_a_refusal_is_grpcs_trailers_only(target: Any) -> None:
    """HTTP 200, gRPC's content type and status, and no body (gRPC over HTTP/2, Responses)."""
    wire = Wire(target.edge.port)
    wire.ask(b"hello", [("striate-app", "nobody")])
    events = wire.events(10)
    (headers,) = (e.headers for e in events if isinstance(e, ResponseReceived))
    said = {str(name, "ascii"): str(value, "ascii") for name, value in headers}
    assert (said[":status"], said["content-type"]) == ("200", "application/grpc")
    assert said["grpc-status"] == "5"
    assert not any(isinstance(event, DataReceived | TrailersReceived) for event in events)
    assert "server" not in said
    wire.close()


def test_random_bytes_end_the_connection(target: Any) -> None:
    noise = random.Random(7)
    for size in (1, 9, 24, 100, 5000, 200_000):
        for start in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", target.edge.port), timeout=10) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(start + noise.randbytes(size))
                said = received(raw, START_S + 4)
            assert_no_detail(said)


def test_http_1_is_not_spoken(target: Any) -> None:
    with socket.create_connection(("127.0.0.1", target.edge.port), timeout=10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n")
        assert_no_detail(received(raw, START_S + 4))


@pytest.mark.parametrize(
    "change", [{":method": "GET"}, {"content-type": "text/html"}], ids=["GET", "no gRPC"]
)
def test_what_is_no_grpc_is_told_so(target: Any, change: dict[str, str]) -> None:
    wire = Wire(target.edge.port)
    stream = wire.h2.get_next_available_stream_id()
    wire.h2.send_headers(stream, [(n, change.get(n, v)) for n, v in HEADERS], end_stream=True)
    wire.flush()
    assert wire.answer()[":status"] == "415"
    wire.close()


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01"])
def test_a_half_open_connection_is_ended(target: Any, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", target.edge.port), timeout=10) as raw:
        raw.sendall(said)
        began = time.monotonic()
        received(raw, 10)
        assert time.monotonic() - began < START_S + 5


def test_a_message_that_does_not_come_is_not_waited_for(target: Any) -> None:
    wire = Wire(target.edge.port)
    stream = wire.h2.get_next_available_stream_id()
    wire.h2.send_headers(stream, HEADERS)
    wire.flush()
    answer = wire.answer(START_S + 5)
    assert (answer[":status"], answer["grpc-status"]) == ("200", "4")
    assert answer["grpc-message"] == "The request did not arrive in time."
    wire.close()


def test_a_message_that_stops_halfway_is_not_waited_for(target: Any) -> None:
    wire = Wire(target.edge.port)
    stream = wire.h2.get_next_available_stream_id()
    wire.h2.send_headers(stream, HEADERS)
    wire.h2.send_data(stream, b"\0" + (500_000).to_bytes(4, "big") + bytes(10_000))
    wire.flush()
    events = wire.events(CLIENT_S + 6)
    assert any(isinstance(e, StreamReset | StreamEnded | ConnectionTerminated) for e in events)
    wire.close()


def test_slow_readers_are_let_go(target: Any) -> None:
    """They ask for megabytes and take none; meanwhile others are answered."""
    slow = [Wire(target.edge.port, window=0) for _ in range(20)]
    for wire in slow:
        wire.ask(b"large")
    for _ in range(10):
        assert target.edge.call().took_s < 2
    ended = [wire.events(CLIENT_S + 8) for wire in slow]
    assert all(
        any(isinstance(e, StreamReset | ConnectionTerminated) for e in events) for events in ended
    )
    for wire in slow:
        wire.close()


def test_a_thousand_idle_connections_hurt_nobody(target: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    idle = []
    for _ in range(1000):
        idle.append(Wire(target.edge.port))
        idle[-1].ask()
        assert idle[-1].answer()[":status"] == "200"
    took_s = sorted(target.edge.call().took_s for _ in range(50))
    assert took_s[25] < 0.5
    assert target.edge.call(channel=target.edge.channel()).code is Code.OK
    for wire in idle:
        wire.close()


def test_a_hundred_megabytes_are_refused_before_they_come(target: Any) -> None:
    answer = target.edge.call(message=bytes(100_000_000))
    assert answer.code is Code.RESOURCE_EXHAUSTED
    assert answer.details == f"The message is over the {LIMIT_BYTES} bytes that are allowed."
    wire = Wire(target.edge.port)
    stream = wire.h2.get_next_available_stream_id()
    wire.h2.send_headers(stream, HEADERS)
    wire.h2.send_data(stream, b"\0\xff\xff\xff\xff" + bytes(2000))  # claims four gigabytes
    wire.flush()
    assert wire.answer()["grpc-status"] == "8"
    wire.close()


def test_large_metadata_are_refused_with_a_sentence(target: Any) -> None:
    wire = Wire(target.edge.port)
    wire.ask(b"", [("x", "y" * 20_000)])
    answer = wire.answer()
    assert answer["grpc-status"] == "8"
    assert answer["grpc-message"] == "The metadata are over the 16384 bytes that are allowed."
    wire.close()


def test_what_comes_behind_the_message_are_no_metadata(target: Any) -> None:
    """Trailers of a request (RFC 9113, section 8.1), which gRPC does not know."""
    wire = Wire(target.edge.port)
    stream = wire.ask(b"hello", end=False)
    forged = [("striate-caller", "admin"), ("striate-edge-key", "0" * 64)]
    wire.h2.send_headers(stream, forged, end_stream=True)
    wire.flush()
    assert wire.answer()[":status"] == "200"
    carried = dict(target.replica.carried)
    assert carried["striate-edge-key"] == edge_key(target.edge.folder)
    assert "striate-caller" not in carried
    wire.close()


@pytest.mark.parametrize("count", [93, 94, 100])
def test_as_many_metadata_as_are_promised_pass(target: Any, count: int) -> None:
    more = [(f"x-{place}", "y") for place in range(count)]
    assert target.edge.call(metadata=more).code is Code.OK


@pytest.mark.parametrize("count", [110, 199, 200, 400, 1000, 4000])
def test_more_metadata_are_refused_with_a_sentence_and_harm_no_neighbour(
    target: Any, count: int
) -> None:
    target.replica.go.clear()
    channel = target.edge.channel()
    ask: Any = channel.unary_unary("/striate.v1.PhotoTagging/Tag")
    neighbour = ask.future(b"wait", timeout=30)
    assert target.replica.waiting.acquire(timeout=10)
    more = [(f"x-{place}", "y") for place in range(count)]
    answer = target.edge.call(metadata=more, channel=channel)
    target.replica.go.set()
    assert answer.code is Code.RESOURCE_EXHAUSTED and "metadata" in answer.details
    assert neighbour.result() == b"one:4"


def test_who_shares_a_connection_that_is_ended_may_try_again(target: Any) -> None:
    target.replica.go.clear()
    channel = target.edge.channel()
    ask: Any = channel.unary_unary("/striate.v1.PhotoTagging/Tag")
    neighbour = ask.future(b"wait", timeout=30)
    assert target.replica.waiting.acquire(timeout=10)
    target.edge.call(metadata=[("x", "y" * 150_000)], channel=channel)
    target.replica.go.set()
    assert worth_retrying(neighbour.exception())


def test_huge_headers_end_the_connection(target: Any) -> None:
    wire = Wire(target.edge.port)
    wire.socket.settimeout(0.2)
    with contextlib.suppress(OSError):
        wire.ask(b"", [("x", "y" * 150_000)])
    assert wire.closed_within(START_S + 6)


def test_endless_headers_end_the_connection(target: Any) -> None:
    """A header block that CONTINUATION frames never finish."""
    wire = Wire(target.edge.port)
    block = wire.h2.encoder.encode(HEADERS)
    with contextlib.suppress(OSError):
        wire.socket.sendall(wire.raw(0x1, 0x0, 1, block))
        for _ in range(5000):
            wire.socket.sendall(wire.raw(0x9, 0x0, 1, b"\x00\x01a\x01b" * 500))
    assert wire.closed_within(START_S + 5)


def test_rapid_reset_reaches_few_replicas_calls(target: Any) -> None:
    """Calls that are cancelled as soon as they are made (CVE-2023-44487)."""
    wire = Wire(target.edge.port)
    began, seen = time.monotonic(), len(target.replica.seen)
    with contextlib.suppress(OSError):
        for number in range(20_000):
            stream = 2 * number + 1
            block = wire.h2.encoder.encode(HEADERS)
            reset = wire.raw(0x3, 0x0, stream, struct.pack(">I", 8))
            wire.socket.sendall(wire.raw(0x1, 0x4, stream, block) + reset)
            if number % 2000 == 0:
                assert target.edge.call().took_s < 3
    assert time.monotonic() - began < 60
    assert len(target.replica.seen) - seen < 1000
    wire.close()


@pytest.mark.parametrize(
    ("kind", "flags", "stream", "payload"),
    [
        (0x6, 0x0, 0, bytes(8)),  # PING
        (0x4, 0x0, 0, b"\x00\x03\x00\x00\x00\x64"),  # SETTINGS
        (0x2, 0x0, 1, b"\x00\x00\x00\x03\x10"),  # PRIORITY
        (0x8, 0x0, 0, b"\x00\x00\x00\x01"),  # WINDOW_UPDATE
        (0x0, 0x0, 1, b""),  # DATA without any
        (0xB, 0x0, 0, b"unknown"),
    ],
    ids=["ping", "settings", "priority", "window", "empty data", "unknown"],
)  # fmt: skip
def test_a_flood_of_frames_takes_nobodys_turn(
    target: Any, kind: int, flags: int, stream: int, payload: bytes
) -> None:
    wire = Wire(target.edge.port)
    if kind == 0:
        wire.h2.send_headers(1, HEADERS)
        wire.flush()
    frames = wire.raw(kind, flags, stream, payload) * 100
    with contextlib.suppress(OSError):
        wire.socket.settimeout(0.5)
        for _ in range(300):
            wire.socket.sendall(frames)
    assert target.edge.call(timeout_s=5).took_s < 3
    wire.close()


def test_memory_stays_bounded_under_abuse(target: Any) -> None:
    (worker,) = (psutil.Process(int(pid)) for pid in control.workers(target.edge.folder))
    for _ in range(200):
        with contextlib.suppress(OSError), contextlib.closing(Wire(target.edge.port, 0)) as wire:
            for _ in range(20):
                wire.ask(b"large" + bytes(1000))
    # A slow machine's replica has over a thousand of them before it still, and turns others away.
    assert wait_until(lambda: target.edge.call().code is Code.OK, 60, 0.1)
    assert worker.memory_info().rss < 600 * 2**20


def test_more_connections_than_allowed_wait_and_cost_no_call(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running = start_edge(connections=20, start_s=START_S)
    running.deploy(app("photos", replica("few").address))
    assert running.call().by == "few"
    crowd = [socket.socket() for _ in range(60)]
    for one in crowd:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", running.port))
    assert running.call().by == "few"  # on its own connection
    late = running.call(channel=running.channel(), timeout_s=20)
    assert late.by == "few"  # once the half-open ones are ended
    for one in crowd:
        one.close()


def test_plain_text_at_the_tls_port_is_refused_in_silence(
    start_edge: Any, replica: Any, app: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server, root = ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])
    running = start_edge(tls=EdgeTls(certificate=server), start_s=START_S)
    running.deploy(app("photos", replica("sealed").address))
    for said in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(300)):
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as raw:
            raw.sendall(said)
            assert_no_detail(received(raw, START_S + 4))
    context = ssl.create_default_context(cafile=str(root))
    context.set_alpn_protocols(["http/1.1"])
    with contextlib.suppress(ssl.SSLError, OSError):
        Wire(running.port, context=context).answer(START_S + 4)
    trusted = grpc.ssl_channel_credentials(root.read_bytes())
    address = f"localhost:{running.port}"
    with grpc.secure_channel(address, trusted) as channel:
        ask: Any = channel.unary_unary("/striate.v1.PhotoTagging/Tag")
        assert ask(b"", timeout=5) == b"sealed:0"


def received(raw: socket.socket, limit_s: float) -> bytes:
    """All that comes until the other side ends the connection; fails when it does not."""
    raw.settimeout(limit_s)
    said = b""
    with contextlib.suppress(ConnectionError):
        while data := raw.recv(65536):
            said += data
    return said


def assert_no_detail(said: bytes) -> None:
    """Nothing tells of the server's software, files or addresses."""
    lowered = said.lower()
    for detail in (b"haproxy", b"python", b"/tmp", b"traceback", os.uname().nodename.encode()):
        assert detail not in lowered
