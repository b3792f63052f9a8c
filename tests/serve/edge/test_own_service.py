"""A typed service that Striate does not know: its .proto, its class, its app, and one line."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from striate.core.errors import AccessRefused
from striate.serve.apps.app_kinds import ALL_APPS, APPS
from striate.serve.capacity.load_calls import Calls, LoadTarget
from striate.serve.client.client import ChannelSecurity, Client
from striate.serve.common.limits import METADATA_BYTES
from striate.serve.common.metadata import bearer
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.common.service_table import SERVICES, service_specs
from striate.serve.deployment.probe import probe
from striate.serve.edge import control, tokens
from striate.serve.edge.files import edge_key
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode
NAME = "acme.v1.Greeter"
LINE = ServiceSpec(
    NAME,
    "greet",
    "acme.v1.greeter_pb2",
    streams=("Chat",),
    samples={"Greet": {"name": "probe"}},
    method_scopes={"Dismiss": "greet-admin"},
)
PROTO = """
syntax = "proto3";
package acme.v1;

service Greeter {
  rpc Greet(Name) returns (Greeting);
  rpc Chat(stream Name) returns (stream Greeting);
  rpc Dismiss(Name) returns (Greeting);
}

message Name {
  string name = 1;
}

message Greeting {
  string text = 1;
}
"""
SERVICE = '''
"""Answers `acme.v1.Greeter`."""

from grpc.aio import EOF

from acme.v1 import greeter_pb2 as pb
from striate.serve.common.types import ModelName
from striate.serve.server.handlers import StreamMethod, Unary


class Greeter:
    name = "acme.v1.Greeter"
    model = ModelName("greeter", "1")
    models = ()

    def methods(self):
        return {
            "Greet": Unary(pb.Name, self._greet),
            "Chat": StreamMethod(self._chat),
            "Dismiss": Unary(pb.Name, self._dismiss),
        }

    def servables(self):
        return ()

    def open(self, observer, serving):
        pass

    def drain(self):
        pass

    def close(self):
        pass

    async def _greet(self, message, call):
        return pb.Greeting(text=f"Hello, {message.name or call.caller}.")

    async def _chat(self, call):
        """Speaks first: its callers need not. Whoever says anything is told its name."""
        await call.context.write(pb.Greeting(text="Who is there?").SerializeToString())
        if await call.context.read() is not EOF:
            await call.context.write(pb.Greeting(text=call.caller).SerializeToString())

    async def _dismiss(self, message, call):
        return pb.Greeting(text="Goodbye.")
'''
APP = '''
"""The application `greeter`."""

from acme.service import Greeter
from striate.serve.apps.replica import AppKind, ReplicaArgs, application


def services(args):
    return [Greeter()]


def build(args):
    return application("greeter", args, services)


KIND = AppKind(ReplicaArgs, services, build)
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """The package `acme`, compiled and importable, and its two entries in the tables."""
    folder = tmp_path_factory.mktemp("acme")
    files = {"acme/v1/greeter.proto": PROTO, "acme/service.py": SERVICE, "acme/app.py": APP}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    outputs = ["--python_out=.", "--grpc_python_out=."]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, "acme/v1/greeter.proto"]
    subprocess.run(command, cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setitem(APPS, "greeter", import_module("acme.app").KIND)
        patch.setitem(SERVICES, NAME, LINE)
        yield patch
    for module in [name for name in sys.modules if name.split(".")[0] == "acme"]:
        del sys.modules[module]


@pytest.fixture(scope="module")
def greeter(
    package: pytest.MonkeyPatch, start_edge: Any, app: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Its application behind an edge that asks for tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.map"
    allowed = {"greet": ["greet"], "tag": ["tag"], "infer": ["infer", "ask"], "admin": ["admin"],
               "keeper": ["greet-admin"], "both": ["greet", "greet-admin"]}  # fmt: skip
    secrets = {name: tokens.create(file, name, scopes)[0] for name, scopes in allowed.items()}
    edge = start_edge(token_file=file)
    kind = ALL_APPS["greeter"]
    services = kind.services(kind.arguments())
    server = ModelServer(services, edge_key=edge_key(edge.folder))
    entry = app("greeter", server.address, services=server.service_names, declared=(LINE,))
    edge.deploy(entry)
    yield SimpleNamespace(edge=edge, entry=entry, server=server, **secrets)
    server.stop(0)


def client(greeter: Any, token: str) -> Client:
    return Client(greeter.edge.address, "greeter", security=ChannelSecurity(token=token))


def greet(greeter: Any, token: str) -> str:
    request = import_module("acme.v1.greeter_pb2").Name(name="you")
    with client(greeter, token) as calling:
        return str(calling.call(NAME, "Greet", request).text)


@pytest.mark.parametrize("token", ["greet", "admin"])
def test_a_token_of_its_scope_is_let_in(greeter: Any, token: str) -> None:
    assert greet(greeter, getattr(greeter, token)) == "Hello, you."


@pytest.mark.parametrize("token", ["tag", "infer"])
def test_a_token_of_another_scope_is_refused(greeter: Any, token: str) -> None:
    with pytest.raises(AccessRefused, match="does not allow"):
        greet(greeter, getattr(greeter, token))


@pytest.mark.parametrize(
    ("token", "allowed"),
    [
        ("greet", {"Greet"}),
        ("keeper", {"Dismiss"}),
        ("both", {"Greet", "Dismiss"}),
        ("admin", {"Greet", "Dismiss"}),
        ("tag", set()),
    ],
)
def test_a_method_may_need_a_scope_of_its_own(greeter: Any, token: str, allowed: set[str]) -> None:
    for method, scope in (("Greet", "greet"), ("Dismiss", "greet-admin")):
        answer = greeter.edge.call(LINE.path(method), token=getattr(greeter, token))
        wanted = Code.OK if method in allowed else Code.PERMISSION_DENIED
        assert answer.code is wanted, (method, answer)
        if wanted is not Code.OK:
            said = f"The token does not allow this method, which needs the scope {scope}."
            assert answer.details == said


@pytest.mark.parametrize(
    "spelling",
    ["Dismiss?", "Dismiss?x=1", "Dismiss#", "Dismiss/", "/Dismiss", "./Dismiss", "Greet/../Dismiss",
     "%44ismiss", "dismiss", "Dismiss;x", "Dismiss%00", "Dismiss%20"],
)  # fmt: skip
def test_no_other_spelling_of_such_a_method_is_let_through(greeter: Any, spelling: str) -> None:
    """What the edge takes for another method must be another one to the server, too."""
    answer = greeter.edge.call(f"/{NAME}/{spelling}", token=greeter.greet)
    ended = Code.INTERNAL  # by HAProxy, which knows no fragment in a path
    assert answer.code in {Code.PERMISSION_DENIED, Code.UNIMPLEMENTED, ended}, answer
    assert greeter.edge.call(LINE.path("Dismiss"), token=greeter.both).code is Code.OK


FORGED = [("striate-caller", "admin"), ("striate-caller", "x")]


@pytest.mark.parametrize("name", ["greet", "both"])
def test_it_knows_who_calls_whatever_the_caller_says(greeter: Any, name: str) -> None:
    token = getattr(greeter, name)
    answer = greeter.edge.call(LINE.path("Greet"), metadata=FORGED, token=token)
    assert f"Hello, {name}.".encode() in answer.data
    with grpc.insecure_channel(greeter.edge.address) as channel:
        chat: Any = channel.stream_stream(LINE.path("Chat"))
        said = list(chat(iter([b""]), metadata=(*FORGED, bearer(token)), timeout=10))
    assert said[1:] == [
        import_module("acme.v1.greeter_pb2").Greeting(text=name).SerializeToString()
    ]


def test_a_probe_is_nobodys_call(greeter: Any) -> None:
    """Whoever has the edge's key names no caller either, at the edge's inner port."""
    proof = ("striate-edge-key", edge_key(greeter.edge.folder))
    with grpc.insecure_channel(control.probe_address(greeter.edge.folder)) as channel:
        ask: Any = channel.unary_unary(LINE.path("Greet"))
        assert b"Hello, ." in ask(b"", metadata=(proof, *FORGED), timeout=5)


def test_what_the_edge_lets_through_its_replica_takes(greeter: Any) -> None:
    """gRPC counts metadata otherwise than HAProxy, and refuses at random at its own limit."""
    entry = len("x-10: ") + len("\r\n")
    size = (METADATA_BYTES - 1000) // 95 - entry
    most = [(f"x-{place}", "y" * size) for place in range(95)]
    for _ in range(20):
        answer = greeter.edge.call(LINE.path("Greet"), metadata=most, token=greeter.greet)
        assert answer.code is Code.OK, answer


def test_a_probe_and_a_load_send_its_sample(greeter: Any) -> None:
    probe(greeter.edge.folder, greeter.entry, trial=False, timeout_s=5)
    target = LoadTarget(greeter.edge.address, greeter.entry, token=greeter.greet, connections=1)

    async def once() -> object:
        async with Calls(target, [b""]) as call:
            return await call()

    assert b"Hello, probe." in bytes(asyncio.run(once()))  # type: ignore[call-overload]


def test_a_caller_of_its_stream_may_stay_silent(greeter: Any) -> None:
    """The edge waits for the first message of any other call."""
    answered = threading.Event()

    def silent() -> Iterator[bytes]:
        answered.wait(10)
        yield from ()

    with grpc.insecure_channel(greeter.edge.address) as channel:
        chat: Any = channel.stream_stream(LINE.path("Chat"))
        call = chat(silent(), metadata=(bearer(greeter.greet),), timeout=10)
        assert b"Who is there?" in next(call)
        answered.set()
        assert list(call) == []


def test_a_process_that_does_not_know_it_keeps_its_rules(greeter: Any) -> None:
    """Whoever follows the replicas may run without the package: the table holds the declaration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(SERVICES, NAME)
        assert NAME not in service_specs()
        former = control.workers(greeter.edge.folder)
        control.reload(greeter.edge.folder)
        assert control.workers(greeter.edge.folder) == former
    assert greet(greeter, greeter.greet) == "Hello, you."


def test_its_application_is_one_that_serve_can_run(greeter: Any) -> None:
    kind = ALL_APPS["greeter"]
    assert kind.build(kind.arguments()) is not None
    assert Path(str(import_module("acme.app").__file__)).name == "app.py"
