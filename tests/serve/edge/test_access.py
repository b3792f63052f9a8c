"""Tokens and TLS at a real edge: who is let in, who is refused, and with which status."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from striate.serve.edge import certificates, control, tokens
from striate.serve.edge import secrets as edge_secrets
from striate.serve.edge.certificates import (
    TLS_FOLDER,
    ensure_certificates,
    issue,
    make_authority,
    names_of,
)
from striate.serve.edge.files import edge_key
from striate.serve.edge.options import EdgeTls

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode
TAG = "/striate.v1.PhotoTagging/Tag"
INFER = "/inference.GRPCInferenceService/ServerLive"
FACES = "/striate.v1.Photos/Analyze"
OTHER = "/some.Service/Method"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
NEEDS = {TAG: "tag", INFER: "infer", FACES: "faces"}
SERVING = b"\x01"


@pytest.fixture(scope="module")
def guarded(
    start_edge: Any, replica: Any, app: Any, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """An edge that asks for tokens, with a token of each kind."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.map"
    scopes = {"tag": ["tag"], "both": ["tag", "infer"], "admin": ["admin"], "faces": ["faces"]}
    secrets = {name: tokens.create(file, name, allowed)[0] for name, allowed in scopes.items()}
    running, one = start_edge(token_file=file), replica("one")
    one.health.set("striate.v1.PhotoTagging", 1)
    services = ("striate.v1.PhotoTagging", "inference.GRPCInferenceService", "striate.v1.Photos")
    running.deploy(app("photos", one.address, services=services))
    return SimpleNamespace(edge=running, file=file, replica=one, **secrets)


def create(guarded: Any, name: str, scopes: list[str], **more: Any) -> str:
    secret, _ = tokens.create(guarded.file, name, scopes, **more)
    assert edge_secrets.sync_tokens(guarded.edge.folder)
    return secret


@pytest.mark.parametrize(
    ("token", "allowed"),
    [
        ("tag", {TAG, REFLECTION}),
        ("both", {TAG, INFER, REFLECTION}),
        ("faces", {FACES, REFLECTION}),
        ("admin", {TAG, INFER, FACES, OTHER, REFLECTION}),
    ],
)
def test_a_token_allows_its_scopes_and_no_others(
    guarded: Any, token: str, allowed: set[str]
) -> None:
    for method in (TAG, INFER, FACES, OTHER, REFLECTION):
        answer = guarded.edge.call(method, token=getattr(guarded, token))
        wanted = Code.OK if method in allowed else Code.PERMISSION_DENIED
        assert answer.code is wanted, (method, answer)
        if wanted is not Code.OK:
            assert f"needs the scope {NEEDS.get(method, 'admin')}." in answer.details


@pytest.mark.parametrize("method", [TAG, INFER, OTHER, REFLECTION, "/grpc.health.v1.Health/Watch"])
@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer striate-guess")],
        [("authorization", "Basic dXNlcjpwYXNz")],
        [("authorization", "Bearer " + "x" * 4000)],
        [("striate-edge-key", "0" * 64)],
    ],
    ids=["none", "no token", "empty", "unknown", "basic", "long", "forged key"],
)
def test_without_a_valid_token_nothing_reaches_a_replica(
    guarded: Any, method: str, metadata: list[tuple[str, str]]
) -> None:
    seen = len(guarded.replica.seen)
    answer = guarded.edge.call(method, metadata=metadata)
    assert answer.code is Code.UNAUTHENTICATED
    assert answer.details == "A valid bearer token is needed."
    assert len(guarded.replica.seen) == seen


FORGED = [("striate-caller", "admin"), ("striate-caller", "tag"), ("striate-caller", "")]


def names_told(replica: Any) -> list[str]:
    """Every name of a caller in the latest call."""
    return [value for key, value in replica.carried if key == "striate-caller"]


@pytest.mark.parametrize("forged", [0, 1, 3])
@pytest.mark.parametrize("method", [TAG, REFLECTION])
def test_a_replica_is_told_the_name_of_the_token_and_no_other(
    guarded: Any, method: str, forged: int
) -> None:
    for name in ("both", "admin", "tag"):
        metadata = FORGED[:forged]
        answer = guarded.edge.call(method, metadata=metadata, token=getattr(guarded, name))
        assert answer.code is Code.OK
        assert names_told(guarded.replica) == [name]


def test_only_the_health_of_the_whole_edge_is_open(guarded: Any) -> None:
    assert guarded.edge.health("").data == SERVING
    assert guarded.edge.health("striate.v1.PhotoTagging").code is Code.UNAUTHENTICATED
    assert guarded.edge.health("striate.v1.PhotoTagging", guarded.faces).data == SERVING


def test_a_token_is_good_from_its_creation_to_its_revocation(guarded: Any) -> None:
    """Both hold from the very next call on, on a connection that is open already."""
    secret = create(guarded, "short", ["tag"])
    assert guarded.edge.call(token=secret).code is Code.OK
    tokens.revoke(guarded.file, "short")
    edge_secrets.sync_tokens(guarded.edge.folder)
    assert guarded.edge.call(token=secret).code is Code.UNAUTHENTICATED
    assert guarded.edge.call(token=guarded.tag).code is Code.OK


def test_a_token_ends_at_its_time(guarded: Any) -> None:
    secret = create(guarded, "brief", ["tag"], lifetime_s=2)
    assert guarded.edge.call(token=secret).code is Code.OK
    end = time.monotonic() + 10
    while (answer := guarded.edge.call(token=secret)).code is Code.OK:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert answer.code is Code.UNAUTHENTICATED


def test_a_rate_is_kept_and_told(guarded: Any) -> None:
    """A caller that goes on trying gets its rate all the same; the others do not notice."""
    secret = create(guarded, "slow", ["tag"], rate=20)
    began = time.monotonic()
    answers = [guarded.edge.call(token=secret) for _ in range(100)]
    took_s = time.monotonic() - began
    passed = sum(answer.code is Code.OK for answer in answers)
    assert 20 <= passed <= 21 + 20 * took_s
    refused = next(answer for answer in answers if answer.code is not Code.OK)
    assert refused.code is Code.RESOURCE_EXHAUSTED
    assert refused.trailing["grpc-retry-pushback-ms"] == "1000"
    assert guarded.edge.call(token=guarded.tag).code is Code.OK
    end = time.monotonic() + 10
    while guarded.edge.call(token=secret).code is not Code.OK:
        assert time.monotonic() < end


def test_tokens_survive_the_edge(guarded: Any) -> None:
    """HAProxy that is started anew, or reloaded, knows those that were made meanwhile."""
    secret = create(guarded, "kept", ["tag"])
    gone = create(guarded, "gone", ["tag"])
    tokens.revoke(guarded.file, "gone")
    edge_secrets.sync_tokens(guarded.edge.folder)
    from striate.serve.edge.app_table import AppTable, read_table, write_table

    table = read_table(guarded.edge.folder)
    extra = table.apps[0].model_copy(update={"name": "more"})
    write_table(guarded.edge.folder, AppTable(apps=(*table.apps, extra)))
    control.reload(guarded.edge.folder)
    assert guarded.edge.call(token=secret).code is Code.OK
    assert guarded.edge.call(token=gone).code is Code.UNAUTHENTICATED


def test_a_probe_shows_the_edges_key_at_the_inner_port(guarded: Any) -> None:
    address = control.probe_address(guarded.edge.folder)
    with grpc.insecure_channel(address) as channel:
        ask: Any = channel.unary_unary(TAG)
        key = (("striate-edge-key", edge_key(guarded.edge.folder)),)
        assert ask(b"", metadata=(*key, *FORGED), timeout=5) == b"one:0"
        assert names_told(guarded.replica) == []
        with pytest.raises(grpc.RpcError):
            ask(b"", metadata=(("authorization", f"Bearer {guarded.admin}"),), timeout=5)


@pytest.fixture(scope="module")
def authority() -> Any:
    return make_authority("callers")


@pytest.fixture(scope="module")
def sealed(
    start_edge: Any, replica: Any, app: Any, authority: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:  # fmt: skip
    """An edge that speaks TLS and asks for callers' certificates."""
    folder = tmp_path_factory.mktemp("tls")
    server, root = ensure_certificates(folder, ["localhost", "127.0.0.1"])
    (folder / "callers.pem").write_bytes(authority.certificate_pem)
    running = start_edge(tls=EdgeTls(certificate=server, client_ca=folder / "callers.pem"))
    one = replica("one")
    running.deploy(app("photos", one.address))
    return SimpleNamespace(edge=running, root=root.read_bytes(), replica=one)


def credentials(sealed: Any, caller: Any = None) -> grpc.ChannelCredentials:
    key, certificate = (caller.key_pem, caller.certificate_pem) if caller else (None, None)
    return grpc.ssl_channel_credentials(sealed.root, key, certificate)


def test_a_caller_with_a_certificate_of_the_authority_is_let_in(
    sealed: Any, authority: Any
) -> None:
    channel = sealed.edge.channel(credentials(sealed, issue(authority, ["app"], client=True)))
    assert sealed.edge.call(channel=channel, metadata=FORGED).code is Code.OK
    assert names_told(sealed.replica) == []  # a name is that of a token


def test_a_certificate_near_its_end_is_renewed_in_the_running_edge(
    unused_port: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(certificates, "SERVER_DAYS", 20)
    server, root = ensure_certificates(tmp_path / TLS_FOLDER, names_of("127.0.0.1"))
    monkeypatch.setattr(certificates, "SERVER_DAYS", 90)
    port = unused_port()
    control.start(tmp_path, "127.0.0.1", port, tls=EdgeTls(certificate=server))
    try:
        before, former = shown(port, root), control.workers(tmp_path)
        assert edge_secrets.renew(tmp_path)
        after = shown(port, root)
        assert before != after
        assert after in server.read_text()
        assert control.workers(tmp_path) == former
        assert not edge_secrets.renew(tmp_path)
    finally:
        control.stop(tmp_path)


def shown(port: int, root: Path) -> str:
    """The certificate that a new connection sees, once it is found valid."""
    context = ssl.create_default_context(cafile=str(root))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
        assert found is not None
        return ssl.DER_cert_to_PEM_cert(found).strip()


def test_other_callers_are_refused(sealed: Any, authority: Any) -> None:
    stranger = issue(make_authority("callers"), ["app"], client=True)  # the name alone is no proof
    expired = issue(authority, ["app"], days=0, client=True)
    seen = len(sealed.replica.seen)
    for caller in (None, stranger, expired):
        channel = sealed.edge.channel(credentials(sealed, caller))
        assert sealed.edge.call(channel=channel, timeout_s=3).code is Code.UNAVAILABLE
    plain = sealed.edge.channel()
    assert sealed.edge.call(channel=plain, timeout_s=3).code is Code.UNAVAILABLE
    assert len(sealed.replica.seen) == seen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(sealed: Any, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", sealed.edge.port), timeout=5) as raw,
        pytest.raises((ssl.SSLError, OSError)),
        context.wrap_socket(raw) as secured,
    ):
        secured.recv(1)
