"""The edge's configuration as a function of what is deployed."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import UsageError
from striate.serve.common.limits import METADATA_ENTRIES
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.edge.backends import backends_of
from striate.serve.edge.config import config_text
from striate.serve.edge.control import binary
from striate.serve.edge.options import EdgeOptions
from striate.serve.edge.routing import ReplicaGroup, Route, shares_text

pytestmark = pytest.mark.unit

OPTIONS = EdgeOptions(port=9000, inner_port=9001)
KEY = "0" * 64
ROUTES = (
    Route(
        "photos",
        services=("striate.v1.PhotoTagging", "inference.GRPCInferenceService"),
        models=("tagger", 'odd "$name" \\'),
        groups=(
            ReplicaGroup(("10.0.0.1:9100", "[fe80::1]:9100"), 9),
            ReplicaGroup(("10.0.0.3:9100",), 1),
        ),
    ),
    Route("digits.v2", groups=(ReplicaGroup(("127.0.0.1:9200",)),)),
)


def text(routes: tuple[Route, ...], options: EdgeOptions = OPTIONS) -> str:
    return config_text(routes, options, KEY)


def test_replicas_stand_in_the_backend_of_their_version() -> None:
    assert backends_of(ROUTES) == {
        "app-photos": ("10.0.0.1:9100", "[fe80::1]:9100"),
        "canary-photos": ("10.0.0.3:9100",),
        "app-digits.v2": ("127.0.0.1:9200",),
        "canary-digits.v2": (),
    }
    assert shares_text(ROUTES) == "photos 1000\ndigits.v2 0\n"


def test_without_applications_everything_is_unavailable() -> None:
    assert "default_backend no-application" in text(())


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("routes", [(), ROUTES])
def test_haproxy_accepts_it(routes: tuple[Route, ...], tokens: bool, tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"token_file": Path("tokens.map") if tokens else None})
    (tmp_path / "shares.map").write_text(shares_text(routes))
    (tmp_path / "tokens.map").touch()
    checked = haproxy(text(routes, options), tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert b"WARNING" not in checked.stderr


def test_haproxy_accepts_scopes_of_a_thousand_methods(tmp_path: Path) -> None:
    """Its lines hold 64 words and 2048 bytes."""
    methods = {f"Method{number}": f"scope{number % 3}" for number in range(1000)}
    spec = ServiceSpec("a.v1.B", "b", "a_pb2", method_scopes=methods)
    options = OPTIONS.model_copy(update={"token_file": Path("tokens.map")})
    written = text((Route("b", services=(spec.name,), declared=(spec,)),), options)
    assert written.index("str(b) if") < written.index("str(scope2) if { path /a.v1.B/Method2 }")
    (tmp_path / "shares.map").touch()
    (tmp_path / "tokens.map").touch()
    checked = haproxy(written, tmp_path)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("tokens", [True, False])
def test_no_caller_names_itself(tokens: bool) -> None:
    options = OPTIONS.model_copy(update={"token_file": Path("tokens.map") if tokens else None})
    lines = text(ROUTES, options).splitlines()
    touching = [line.strip() for line in lines if "striate-caller" in line]
    given = "http-request set-header striate-caller %[var(txn.name)] if live"
    assert touching == ["http-request del-header striate-caller", *([given] if tokens else [])]


def haproxy(config: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    """HAProxy's own check of a configuration."""
    file = folder / "haproxy.cfg"
    file.write_text(config)
    return subprocess.run([binary(), "-c", "-f", file.name], cwd=folder, capture_output=True)


@pytest.mark.parametrize("name", ["", "Ä", "a b", "a\n", "x\nbackend y", "-a", "a" * 64])
def test_a_name_cannot_write_configuration(name: str) -> None:
    with pytest.raises(UsageError):
        text((Route(name),))


@pytest.mark.parametrize("address", ["", "host", "host:port", "h:1 check\n", "[::1", "a b:1"])
def test_an_address_cannot_write_configuration(address: str) -> None:
    with pytest.raises(UsageError):
        text((Route("photos", groups=(ReplicaGroup((address,)),)),))


@pytest.mark.parametrize("service", ["", "a b", "a/b", "a.", "}", "a\nb"])
def test_a_service_cannot_write_configuration(service: str) -> None:
    with pytest.raises(UsageError):
        text((Route("photos", services=(service,)),))


@given(st.text(max_size=40))
def test_a_model_cannot_write_configuration(model: str) -> None:
    """A name of any characters is one quoted word of one line, or is refused."""
    route = Route("photos", services=("inference.GRPCInferenceService",), models=(model,))
    try:
        lines = text((route,)).splitlines()
    except UsageError:
        assert not model or not model.isprintable()
        return
    assert len(lines) == len(
        text((Route("photos", services=route.services, models=("m",)),)).splitlines()
    )


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_shares_are_those_of_the_weights(stable: int, canary: int) -> None:
    route = Route("a", groups=(ReplicaGroup(weight=stable), ReplicaGroup(weight=canary)))
    whole = stable + canary
    assert route.share == (round(10_000 * canary / whole) if whole else 0)


def test_haproxys_own_limit_of_headers_is_above_the_rules() -> None:
    """Over its own, it ends the connection and every call on it."""
    text = config_text(ROUTES, OPTIONS, KEY)
    (most,) = re.findall(r"tune\.http\.maxhdr (\d+)", text)
    (allowed,) = re.findall(r"req\.fhdr_cnt gt (\d+)", text)
    (octets,) = re.findall(r"req\.hdrs,length -m int gt (\d+)", text)
    shortest = len("x: \r\n")
    assert METADATA_ENTRIES < int(allowed) < int(octets) // shortest < int(most)
