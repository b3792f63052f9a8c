"""Which application answers a call, as a caller sees it; several run at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from striate.serve.edge import runtime_api
from striate.serve.edge.control_socket import command
from striate.serve.edge.files import edge_key

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode
INFER = "inference.GRPCInferenceService"
FACES = "striate.v1.Photos"
SERVING = b"\x01"


def field(number: int, value: bytes) -> bytes:
    """One length-delimited field in the wire format of protocol buffers."""
    size, left = b"", len(value)
    while left > 127:
        size, left = size + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + size + bytes([left]) + value


@pytest.fixture(scope="module")
def world(start_edge: Any, replica: Any, app: Any) -> Any:
    """An edge before three applications; two answer the Open Inference Protocol."""
    running = start_edge()
    tagger, faces, other = replica("tagger"), replica("faces"), replica("other")
    for one, service in ((tagger, "striate.v1.PhotoTagging"), (faces, FACES), (other, INFER)):
        one.health.set(service, 1)
    running.deploy(
        app("tagger", tagger.address, services=("striate.v1.PhotoTagging", INFER), models=("a",)),
        app("faces", faces.address, services=(FACES,)),
        app("other", other.address, services=(INFER,), models=("b", "two words")),
    )
    return SimpleNamespace(edge=running, tagger=tagger, faces=faces, other=other)


@pytest.mark.parametrize(
    ("method", "by"),
    [
        ("/striate.v1.PhotoTagging/Tag", "tagger"),
        ("/striate.v1.Photos/Analyze", "faces"),
        ("/unknown.Service/Method", "tagger"),
    ],
)
def test_the_methods_path_chooses(world: Any, method: str, by: str) -> None:
    assert world.edge.call(method, b"x").by == by


@pytest.mark.parametrize(
    ("said", "code", "sentence"),
    [
        (b"abort 1 CANCELLED", Code.UNAVAILABLE, "The replica has too many calls"),
        (b"abort 1 The user closed it.", Code.CANCELLED, "The user closed it."),
        (b"abort 5 CANCELLED", Code.NOT_FOUND, "CANCELLED"),
    ],
)
def test_who_is_turned_away_for_a_backlog_is_told_to_call_again(
    world: Any, said: bytes, code: Code, sentence: str
) -> None:
    """gRPC's server alone says CANCELLED without a sentence, above its pending calls' limit."""
    answer = world.edge.call(message=said)
    assert answer.code is code
    assert sentence in answer.details


def test_the_key_overrides_the_path(world: Any) -> None:
    assert world.edge.call(metadata=[("striate-app", "faces")]).by == "faces"


def test_an_unknown_application_is_not_found(world: Any) -> None:
    answer = world.edge.call(metadata=[("striate-app", 'no "such" %[app]')])
    assert answer.code is Code.NOT_FOUND
    assert answer.details == 'There is no application named no "such" %[app].'


def test_whether_an_unknown_model_is_ready_is_asked_of_a_replica(world: Any) -> None:
    """It answers false, as Triton does; what else is asked of the model is not found."""
    message = field(1, b"nobody") + field(7, b"\0" * 50)
    assert world.edge.call(f"/{INFER}/ModelReady", message).by == "tagger"
    for method in ("ModelInfer", "ModelMetadata"):
        assert world.edge.call(f"/{INFER}/{method}", message).code is Code.NOT_FOUND


@pytest.mark.parametrize("method", ["ModelInfer", "ModelReady", "ModelMetadata"])
@pytest.mark.parametrize(
    ("model", "by"), [("a", "tagger"), ("b", "other"), ("two words", "other"), ("b@7", "other")]
)
def test_a_model_is_found_by_its_name(world: Any, method: str, model: str, by: str) -> None:
    message = field(1, model.encode()) + field(2, b"7") + field(7, b"\0" * 50)
    assert world.edge.call(f"/{INFER}/{method}", message).by == by


def test_a_large_request_is_routed_by_its_head(world: Any) -> None:
    message = field(1, b"b") + field(7, b"\0" * 3_000_000)
    assert world.edge.call(f"/{INFER}/ModelInfer", message).by == "other"


def test_an_unknown_model_is_not_found(world: Any) -> None:
    answer = world.edge.call(f"/{INFER}/ModelInfer", field(1, "grün".encode()) + field(7, b"x"))
    assert answer.code is Code.NOT_FOUND
    assert answer.details == "There is no model named grün."


@pytest.mark.parametrize(
    "message", [field(7, b"\0" * 500_000) + field(1, b"b"), b"\xff" * 40, b""],
    ids=["name behind the tensor", "no message", "empty"],
)  # fmt: skip
def test_a_message_without_a_name_at_its_head_is_refused(world: Any, message: bytes) -> None:
    answer = world.edge.call(f"/{INFER}/ModelInfer", message)
    assert answer.code is Code.INVALID_ARGUMENT
    assert "striate-app" in answer.details
    named = world.edge.call(f"/{INFER}/ModelInfer", message, [("striate-app", "other")])
    assert named.by == "other"


def test_a_compressed_message_is_refused_with_the_remedy(world: Any) -> None:
    message = field(1, b"b") + field(7, b"\0" * 50_000)
    sent = {"compression": grpc.Compression.Gzip}
    answer = world.edge.call(f"/{INFER}/ModelInfer", message, **sent)
    assert answer.code is Code.UNIMPLEMENTED
    assert "compressed" in answer.details
    key = [("striate-app", "other")]
    assert world.edge.call(f"/{INFER}/ModelInfer", message, key, **sent).by == "other"
    assert world.edge.call("/striate.v1.PhotoTagging/Tag", message, **sent).by == "tagger"


def test_the_server_itself_is_answered_for_by_any_that_lives(world: Any) -> None:
    for method in ("ServerLive", "ServerReady", "ServerMetadata"):
        assert world.edge.call(f"/{INFER}/{method}").by in {"tagger", "other"}


def test_health_of_each_service_is_that_of_its_application(world: Any) -> None:
    for service in ("", "striate.v1.PhotoTagging", FACES):
        assert world.edge.health(service).data == SERVING
    assert world.edge.health("no.such.Service").code is Code.NOT_FOUND


def test_what_any_application_answers_goes_to_one_that_lives(
    start_edge: Any, replica: Any, app: Any, unused_port: Callable[[], int]
) -> None:
    running, alive = start_edge(), replica("alive")
    alive.health.set("", 1)
    running.deploy(
        app("dead", f"127.0.0.1:{unused_port()}", services=(INFER,)),
        app("alive", alive.address, services=("striate.v1.PhotoTagging", INFER)),
    )
    until(lambda: _states(running)["app-dead"] == {"DOWN"})
    assert running.health("").data == SERVING
    assert running.call(f"/{INFER}/ServerLive").by == "alive"
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    assert running.call(reflection).by == "alive"


def test_callers_cannot_pass_for_the_edge_and_replicas_see_no_token(world: Any) -> None:
    world.edge.call(metadata=[("striate-edge-key", "forged"), ("authorization", "Bearer x")])
    _, metadata = world.tagger.seen[-1]
    assert metadata["striate-edge-key"] == edge_key(world.edge.folder)
    assert "authorization" not in metadata


def test_a_canary_takes_its_share_which_changes_without_a_reload(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, old, new = start_edge(), replica("old"), replica("new")

    def shares(percent: float, calls: int) -> Counter[str]:
        trial = app("photos", new.address, serve_name="photos.2")
        stable = app("photos", old.address)
        running.deploy(stable.trying(trial, percent) if percent else stable)
        return Counter(running.call().by for _ in range(calls))

    assert shares(0, 20) == {"old": 20}
    former = workers(running)
    tried = shares(25, 400)
    assert 60 <= tried["new"] <= 145  # five standard deviations about 100
    assert shares(100, 20) == {"new": 20}
    new.stop()
    until(lambda: _states(running)["canary-photos"] == {"DOWN"})
    assert shares(50, 20) == {"old": 20}
    assert shares(0, 5) == {"old": 5}
    assert workers(running) == former


def test_calls_wait_for_an_application_without_a_replica(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, late = start_edge(), replica("late")
    running.deploy(app("photos"))
    answers: list[Any] = []
    callers = [
        threading.Thread(target=lambda: answers.append(running.call(message=b"x" * 60_000)))
        for _ in range(5)
    ]
    running.channel()
    for caller in callers:
        caller.start()
    until(lambda: runtime_api.count_queued(running.folder) == {"photos": 5})
    running.deploy(app("photos", late.address))
    for caller in callers:
        caller.join()
    assert {answer.by for answer in answers} == {"late"}


def workers(running: Any) -> set[str]:
    """Process ids of HAProxy's workers; a reload makes another one."""
    rows = command(running.folder, "master.sock", "show proc").splitlines()
    return {row.split()[0] for row in rows if " worker " in row}


def _states(running: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for server in runtime_api.servers(running.folder):
        found.setdefault(server.backend, set()).add(server.status.split()[0])
    return found


def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait for it; fails after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
