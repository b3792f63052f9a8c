"""The declarations of the typed services, against what their .proto files say."""

import re
from typing import Any

import grpc
import pytest

from striate.core.errors import UnknownName, UsageError
from striate.serve.common.service_spec import PHOTO, ServiceSpec
from striate.serve.common.service_table import (
    SERVICES,
    check_declared,
    find_service,
    service_specs,
    token_scopes,
)
from striate.serve.protos.generate import FOLDER, proto_files

pytestmark = pytest.mark.unit

MESSAGES = "striate.serve.protos.striate.v1.photo_tagging_pb2"


def test_every_service_of_the_proto_files_is_declared() -> None:
    found = set()
    for file in proto_files():
        text = (FOLDER / file).read_text(encoding="utf-8")
        (package,) = re.findall(r"^package ([\w.]+);", text, re.MULTILINE)
        found |= {f"{package}.{name}" for name in re.findall(r"^service (\w+)", text, re.MULTILINE)}
    assert found == set(SERVICES) == set(service_specs())


@pytest.mark.parametrize("spec", SERVICES.values(), ids=list(SERVICES))
def test_a_declaration_is_what_the_proto_file_says(spec: ServiceSpec) -> None:
    methods = spec.descriptor().methods
    streams = {m.name for m in methods if m.client_streaming or m.server_streaming}
    assert streams <= set(spec.streams)
    assert set(spec.samples) <= {method.name for method in methods} - streams
    for method, fields in spec.samples.items():
        asked = spec.sample(method, b"a photo").SerializeToString()
        assert (b"a photo" in asked) == (PHOTO in fields.values()) and asked
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        stub = spec.stub(channel)
        assert all(callable(getattr(stub, method.name)) for method in methods)


def test_scopes_that_tokens_have_stay() -> None:
    assert token_scopes() == ("tag", "faces", "faces-admin", "ask", "language", "speech", "infer",
                              "admin")  # fmt: skip


def test_what_changes_people_needs_a_scope_of_its_own() -> None:
    """Every method of the .proto file is of one kind or the other, so that a new one is decided."""
    spec = SERVICES["striate.v1.FaceRecognition"]
    needed = {method: spec.scope_of(method) for method in spec.descriptor().methods_by_name}
    looking = {"Detect", "Describe", "Verify", "Enroll", "Search", "Cluster"}
    reading = {"ListPeople", "GetPerson", "ListFaces"}
    assert {method for method, scope in needed.items() if scope == "faces"} == looking | reading
    assert {method for method, scope in needed.items() if scope == "admin"} == {"Reindex"}
    assert set(needed.values()) == {"faces", "faces-admin", "admin"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b"},
        {"name": "striate.v1.Tag }"},
        {"scope": ""},
        {"scope": "tag,admin"},
        {"scope": "a|b"},
        {"streams": ("Tag\nbackend",)},
        {"samples": {"Tag/": {}}},
        {"method_scopes": {"Tag/": "tag"}},
        {"method_scopes": {"Tag }": "tag"}},
        {"method_scopes": {"Tag": ""}},
        {"method_scopes": {"Tag": "tag,admin"}},
    ],
    ids=str,
)
def test_a_declaration_cannot_write_configuration(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ServiceSpec(**{"name": "a.B", "scope": "tag", "messages": "a_pb2", **wrong})


def test_a_sample_is_filled_at_any_depth() -> None:
    part = {"id": "1", "photo": {"image": PHOTO}}
    spec = ServiceSpec(
        "striate.v1.PhotoTagging", "tag", MESSAGES, samples={"TagStream": {"photos": [part]}}
    )
    message: Any = spec.sample("TagStream", b"png")
    assert message.photos[0].photo.image == b"png"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"messages": "no_such_module_pb2"}, "no_such_module_pb2"),
        ({"name": "striate.v1.Photos"}, "holds no service"),
        ({"samples": {"Tag": {"picture": PHOTO}}}, "picture"),
        ({"samples": {"Tug": {}}}, "no method Tug"),
        ({"method_scopes": {"Tug": "tug"}}, "no method Tug, which shall need the scope tug"),
    ],
    ids=["module", "service", "field", "method", "scope"],
)
def test_what_the_proto_file_does_not_say_is_named(wrong: dict[str, Any], said: str) -> None:
    fields = {"name": "striate.v1.PhotoTagging", "scope": "tag", "messages": MESSAGES, **wrong}
    spec = ServiceSpec(**fields)
    with pytest.raises(UsageError, match=said):
        spec.sample(next(iter(spec.samples), "Tag"), b"")


def test_a_method_may_need_a_scope_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ServiceSpec("a.B", "read", "a_pb2", method_scopes={"Drop": "own", "Write": "own"})
    assert [spec.scope_of(method) for method in ("Get", "Drop", "Write")] == ["read", "own", "own"]
    assert spec.scopes == ("read", "own")
    monkeypatch.setitem(SERVICES, spec.name, spec)
    assert set(token_scopes()) >= {"read", "own"}


def test_a_scope_for_a_method_that_is_not_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever has the service's own scope could call the method that was meant."""
    name = "striate.v1.PhotoTagging"
    check_declared([*SERVICES, "some.Service"])
    wrong = ServiceSpec(name, "tag", MESSAGES, method_scopes={"TagStreams": "tag-admin"})
    monkeypatch.setitem(SERVICES, name, wrong)
    check_declared(["striate.v1.Photos"])
    with pytest.raises(UsageError, match="TagStreams"):
        check_declared(["striate.v1.Photos", name])


def test_an_unknown_service_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="PhotoTagging"):
        find_service("striate.v1.PhotoTaging")
