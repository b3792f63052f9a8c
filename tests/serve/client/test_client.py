"""The client: streams over broken calls, analysis, TLS and tokens."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from torch import Tensor

from striate.core.bundle import Bundle
from striate.core.errors import (
    AccessRefused,
    PayloadTooLarge,
    PlatformError,
    RequestError,
    UnknownName,
    UsageError,
)
from striate.serve.apps.factory import load, start_tagging_server
from striate.serve.client.channel import ChannelSecurity, open_channel, speaks_tls
from striate.serve.client.client import Client, TagResult
from striate.serve.client.errors import rebuild_error, worth_retrying
from striate.serve.common.limits import Limits
from striate.serve.edge.certificates import issue, make_authority
from striate.serve.predictors import load_tagging
from striate.serve.predictors.tagging import TaggingPredictor
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis import Photos

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]


def test_a_stream_gives_what_single_calls_give(server: ModelServer, png: Png) -> None:
    photos = [(f"photo-{n}", png(seed=n)) for n in range(60)]
    with Client(server.address) as client:
        found = dict(client.tag_stream(photos, top_k=3))
        assert set(found) == {name for name, _ in photos}
        for name, image in photos[:10]:
            alone, streamed = client.tag(image, top_k=3), found[name]
            assert isinstance(streamed, TagResult)
            assert [tag.index for tag in streamed.labels] == [tag.index for tag in alone.labels]
        assert not list(client.tag_stream([]))


def test_a_streams_bad_photo_is_an_error_among_the_answers(
    server: ModelServer, png: Png, broken: dict[str, bytes]
) -> None:
    with Client(server.address) as client:
        photos = [("a", png()), ("b", broken["truncated"]), ("c", broken["a bomb"]), ("a", png())]
        found = list(client.tag_stream(photos))
    kinds = {name: type(answer) for name, answer in found}
    assert len(found) == 4  # names may repeat
    assert kinds == {"a": TagResult, "b": RequestError, "c": PayloadTooLarge}


class Failed:
    """What gRPC says of a call."""

    def __init__(self, code: str, details: str, *trailing: tuple[str, str]) -> None:
        self.code = lambda: grpc.StatusCode[code]
        self.details = lambda: details
        self.trailing_metadata = lambda: [SimpleNamespace(key=k, value=v) for k, v in trailing]


RESET = "Stream removed (RST_STREAM (Received RST_STREAM with error code {}))"


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (Failed("UNAVAILABLE", "No replica answers."), True),
        (Failed("CANCELLED", ""), True),
        (Failed("INTERNAL", RESET.format(0)), True),
        (Failed("INTERNAL", RESET.format(1)), False),
        (Failed("INTERNAL", "The server failed on this request (id 7)."), False),
        (Failed("UNAVAILABLE", "", ("grpc-retry-pushback-ms", "-1")), False),
    ],
)
def test_what_nobody_answered_is_repeated_and_a_connection_ended_by_another(
    error: Failed, worth: bool
) -> None:
    assert worth_retrying(error) is worth


def test_no_more_than_the_window_is_taken_ahead(server: ModelServer, png: Png) -> None:
    taken = 0

    def photos() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield str(number), png()

    with Client(server.address) as client:
        for answered, _ in enumerate(client.tag_stream(photos(), in_flight=4), 1):
            assert taken <= answered + 4 + 8  # what one message carries may be answered together


def test_a_broken_call_is_made_again_and_nothing_is_lost_or_doubled(
    bundle: Bundle, png: Png
) -> None:
    first = start_tagging_server(load_tagging(bundle, "cpu"), ("digits", "1"))
    servers = [first]

    def photos() -> Iterator[tuple[str, bytes]]:
        for number in range(200):
            if number in {60, 120}:  # the server ends and another takes its place
                servers[-1].stop(1)
                predictor = load_tagging(bundle, "cpu")
                servers.append(start_tagging_server(predictor, ("digits", "2"), port=first.port))
            yield str(number), png()

    with Client(first.address, deadline_s=20) as client:
        names = [name for name, _ in client.tag_stream(photos(), in_flight=16)]
    assert sorted(names, key=int) == [str(number) for number in range(200)]
    servers[-1].stop(1)


def test_the_callers_own_error_comes_out_of_the_stream(server: ModelServer, png: Png) -> None:
    def photos() -> Iterator[tuple[str, bytes]]:
        yield "a", png()
        raise OSError("the disk is gone")

    with Client(server.address) as client, pytest.raises(OSError, match="disk is gone"):
        list(client.tag_stream(photos()))


def test_a_stream_without_a_server_ends_at_its_deadline(unused_port: Callable[[], int]) -> None:
    with (
        Client(f"127.0.0.1:{unused_port()}", deadline_s=0.5) as client,
        pytest.raises(PlatformError, match="does not answer"),
    ):
        list(client.tag_stream([("a", b"x")]))


class Silent(TaggingPredictor):
    """Answers its probe, and then nothing until it is let go."""

    go = threading.Event()

    def predict(self, batch: Tensor) -> Tensor:
        assert self.go.wait(20)
        return super().predict(batch)


def test_a_server_that_goes_silent_is_given_up(bundle: Bundle, png: Png) -> None:
    Silent.go.set()
    server = start_tagging_server(Silent.load(bundle), ("digits", "1"))
    Silent.go.clear()
    with (
        Client(server.address, deadline_s=0.5) as client,
        pytest.raises(PlatformError, match="No photo was answered in time"),
    ):
        list(client.tag_stream([("a", png())]))
    Silent.go.set()
    server.stop(1)


def test_analysis_comes_as_plain_answers(bundle: Bundle, png: Png) -> None:
    loaded = load(bundle, ("digits", "7"))
    photos = Photos(loaded.tagger(), loaded.describer(), loaded.tagger(), {"3": 0.0})
    server = ModelServer([photos])
    with Client(server.address) as client:
        found = client.analyze(png(), region="US", top_k=2)
        assert (found.tags.status, len(found.tags.labels)) == ("OK", 2)
        assert len(found.faces.labels) == 10
        assert [tag.name for tag in found.content.labels] == ["3"]
        off = client.analyze(png(), region="DE").faces
        assert (off.status, off.labels) == ("OFF", ())
        with pytest.raises(RequestError, match="no region"):
            client.analyze(png(), region="Atlantis")
    server.stop(1)


NEAR = ("127.0.0.1:1", "localhost:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/tmp/none.sock")
FAR = ("203.0.113.7:9000", "127.example.com:1", "localhost.example.com:1", "[::ffff:10.0.0.1]:1")


@pytest.mark.parametrize("address", NEAR)
def test_a_token_may_travel_in_plain_text_on_this_machine(address: str) -> None:
    open_channel(address, ChannelSecurity(token="secret")).close()


@pytest.mark.parametrize("address", FAR)
def test_a_token_does_not_travel_in_plain_text_to_another_machine(address: str) -> None:
    with pytest.raises(UsageError, match="plain text"):
        open_channel(address, ChannelSecurity(token="secret"))


def test_a_method_that_streams_is_no_call(server: ModelServer) -> None:
    with Client(server.address) as client:
        with pytest.raises(UsageError, match=r"PhotoTagging/TagStream streams"):
            client.call("striate.v1.PhotoTagging", "TagStream", None)
        with pytest.raises(UnknownName, match=r"Did you mean Tag"):
            client.call("striate.v1.PhotoTagging", "Tagg", None)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ca\.pem cannot be read"):
        open_channel("127.0.0.1:1", ChannelSecurity(ca=tmp_path / "ca.pem"))
    (tmp_path / "cert.pem").write_text("x")
    with pytest.raises(UsageError, match="go together"):
        open_channel("127.0.0.1:1", ChannelSecurity(certificate=tmp_path / "cert.pem"))


def test_the_token_goes_with_every_call_and_a_refusal_is_said(png: Png) -> None:
    seen: list[str] = []

    class Refusing(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> None:
            metadata = {entry[0]: entry[1] for entry in details.invocation_metadata}
            seen.append(str(metadata.get("authorization")))

    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}", security=ChannelSecurity(token="secret")) as client:
        for call in (lambda: client.tag(png()), lambda: list(client.tag_stream([("a", png())]))):
            with pytest.raises(Exception, match="does not serve this method"):
                call()
    assert set(seen) == {"Bearer secret"}
    server.stop(0)


def test_a_call_around_the_edge_is_refused(bundle: Bundle, png: Png) -> None:
    from striate.serve.apps.factory import tagger
    from striate.serve.services.tagging import PhotoTagging

    service = PhotoTagging(tagger(load_tagging(bundle, "cpu"), ("digits", "7")), Limits())
    server = ModelServer([service], edge_key="key")
    with Client(server.address) as client, pytest.raises(AccessRefused, match="edge"):
        client.tag(png())
    server.stop(1)


def test_a_client_needs_neither_torch_nor_numpy_nor_ray() -> None:
    code = (
        "import striate.serve.client.client, sys;"
        "print([name for name in ('torch', 'numpy', 'ray', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_token_is_told_with_where_it_is_given() -> None:
    refused = SimpleNamespace(
        code=lambda: grpc.StatusCode.UNAUTHENTICATED, details=lambda: "A valid token is needed."
    )
    error = rebuild_error(refused, "127.0.0.1:9000")
    assert isinstance(error, AccessRefused)
    assert "--token" in error.remedy and "STRIATE_TOKEN" in error.remedy


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """A server that speaks TLS alone, with a certificate of nobody."""
    pair = issue(make_authority("authority"), ["localhost"])
    server = grpc.server(futures.ThreadPoolExecutor(1))
    credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.certificate_pem)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield port
    server.stop(None)


def test_plain_text_to_a_port_that_speaks_tls_is_told_at_once(tls_port: int, png: Png) -> None:
    address = f"127.0.0.1:{tls_port}"
    began_s = time.monotonic()
    with Client(address, deadline_s=60) as client:
        for ask in (lambda: client.tag(png()), lambda: list(client.tag_stream([("a", png())]))):
            with pytest.raises(PlatformError, match=f"{address} speaks TLS.*STRIATE_GRPC_CA"):
                ask()
    assert time.monotonic() - began_s < 30


def test_a_port_that_speaks_plain_text_or_nothing_speaks_no_tls(
    server: ModelServer, unused_port: Callable[[], int]
) -> None:
    assert not speaks_tls(server.address)
    assert not speaks_tls(f"127.0.0.1:{unused_port()}")
    assert not speaks_tls("no address")
