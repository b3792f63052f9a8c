"""TLS and tokens of the local platform's gRPC edge, from the command line on."""

import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2

from striate.cli.token import token
from striate.core.errors import PlatformError, StriateError, UsageError
from striate.local import engines, ports
from striate.local.security import EdgeSecurity, check, tls_of
from striate.serve.edge import control
from striate.serve.edge.app_table import edge_folder
from striate.serve.edge.certificates import issue, make_authority

HEALTH = "/grpc.health.v1.Health/Check"


@pytest.mark.unit
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_off_loopback_both_are_required_unless_typed(host: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.map"
    for partly in (EdgeSecurity(), EdgeSecurity(tls=True), EdgeSecurity(token_file=tokens)):
        with pytest.raises(UsageError, match="--insecure"):
            check(partly, host, insecure=False)
        check(partly, host, insecure=True)
    check(EdgeSecurity(tls=True, token_file=tokens), host, insecure=False)


@pytest.mark.unit
@pytest.mark.parametrize("host", [None, "127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_on_loopback_neither_is(host: str | None) -> None:
    check(EdgeSecurity(), host, insecure=False)


@pytest.mark.unit
def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tls"):
        check(EdgeSecurity(client_ca=tmp_path), None, insecure=False)
    with pytest.raises(UsageError, match="--tls-cert"):
        check(EdgeSecurity(tls=True, key=tmp_path), None, insecure=False)


@pytest.mark.unit
def test_an_interface_of_another_machine_is_named() -> None:
    with pytest.raises(PlatformError, match=r"192\.0\.2\.1"):
        ports.pick("edge", "192.0.2.1", 9000, None, set())


@pytest.mark.unit
def test_a_given_certificate_is_put_together_with_its_key(tmp_path: Path) -> None:
    pair = issue(make_authority("authority"), ["edge.example.org"])
    certificate, key = tmp_path / "edge.crt", tmp_path / "edge.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    security = EdgeSecurity(tls=True, certificate=certificate, key=key)
    tls = tls_of(security, "192.0.2.1", tmp_path / "edge")
    assert tls is not None
    content = tls.certificate.read_bytes()
    assert pair.certificate_pem in content and pair.key_pem in content
    assert stat.S_IMODE(tls.certificate.stat().st_mode) == 0o600
    assert security.authority is None


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a", "--scope", "tag", "--expires", "soon"], "30d"),
        (["create", "a", "--scope", "tag", "--rate", "fast"], "100/s"),
        (["create", "a", "--scope", "tags"], "tag"),
        (["create", "a b", "--scope", "tag"], "cannot name a token"),
        (["revoke", "a"], "no token named 'a'"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    file = ["--token-file", str(tmp_path / "tokens.map")]
    done = CliRunner().invoke(token, [*arguments, *file])
    assert isinstance(done.exception, StriateError)
    assert said in str(done.exception)


@pytest.mark.unit
@pytest.mark.parametrize("option", ["--token-file", "--file"])
def test_the_token_file_has_the_name_that_up_gives_it(option: str, tmp_path: Path) -> None:
    """And the one that it had before."""
    file = tmp_path / "tokens.map"
    arguments = ["create", "a", "--scope", "tag", option, str(file)]
    CliRunner().invoke(token, arguments, catch_exceptions=False)
    assert "a" in file.read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    yield tmp_path
    control.stop(edge_folder(tmp_path))


@pytest.mark.e2e
def test_the_platforms_edge_speaks_tls_and_goes_by_tokens_at_once(home: Path) -> None:
    file = home / "tokens.map"
    security = EdgeSecurity(tls=True, token_file=file)
    variables = engines.environment(os.environ, home, "mark")
    port = _free_port()
    part = engines.start_edge(home, "127.0.0.1", port, security, variables)
    assert part.port == port
    authority = edge_folder(home) / str(security.authority)
    trusted = grpc.ssl_channel_credentials(authority.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{port}", trusted) as channel:
        assert _asked(channel, None) is grpc.StatusCode.UNAUTHENTICATED
        made = _striate("create", "app", "--scope", "tag", "--rate", "50/s", "--expires", "1h")
        # Nothing is deployed: whoever is let in is told so.
        assert _asked(channel, made["token"]) is grpc.StatusCode.UNAVAILABLE
        (listed,) = _striate("ls")
        assert (listed["name"], listed["rate"], listed["expired"]) == ("app", 50, False)
        began = time.monotonic()
        _striate("revoke", "app")
        assert _asked(channel, made["token"]) is grpc.StatusCode.UNAUTHENTICATED
        assert time.monotonic() - began < 5  # milliseconds, on a machine that does nothing else
    assert _striate("ls") == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _striate(*arguments: str) -> Any:
    done = CliRunner().invoke(token, [*arguments, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def _asked(channel: grpc.Channel, secret: str | None) -> grpc.StatusCode:
    """The status of a call that needs some token: the health of one service."""
    ask: Any = channel.unary_unary(HEALTH)
    message = health_pb2.HealthCheckRequest(service="named").SerializeToString()
    metadata = [("authorization", f"Bearer {secret}")] if secret else []
    try:
        ask(message, metadata=metadata, timeout=10)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK
