"""Where each part of the local platform listens, and by which address others reach it."""

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from striate.cli.platform import status, up
from striate.core import ray_private
from striate.local import addresses, engines, loopback, platform, processes
from striate.local.addresses import PREFERRED, addresses_of, listening_host, others_host, tunnel
from striate.local.security import EdgeSecurity, tls_of
from striate.local.state import PlatformProcess, PlatformState
from striate.local.status import PartStatus, PlatformStatus

pytestmark = pytest.mark.unit
PORTS = {"mlflow": 5001, "dashboard": 8266, "edge": 9001, "ray": 6380}
HOSTS = ["127.0.0.1", "0.0.0.0", "10.77.0.1"]


@pytest.mark.parametrize("host", HOSTS)
def test_only_the_edge_listens_where_it_was_told(host: str) -> None:
    assert {listening_host(part, host) for part in set(PREFERRED) - {"edge"}} == {loopback.HOST}
    assert listening_host("edge", host) == host


@pytest.mark.parametrize("host", HOSTS)
def test_callers_of_this_machine_find_all_but_the_edge_on_loopback(host: str) -> None:
    found = addresses_of(host, PORTS)
    for name in ("ray_dashboard", "tracking_uri"):
        assert urlsplit(found[name]).hostname == loopback.HOST
    assert found["ray_address"] == "[::ffff:127.0.0.1]:6380"
    assert found["grpc_address"] == f"{addresses.reachable(host)}:9001"


def test_every_engine_but_the_edge_is_started_on_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []

    def note(name: str, command: list[str], variables: dict[str, str], *_: Any) -> PlatformProcess:
        started.append((command, variables))
        return PlatformProcess(name=name, pid=1, created_s=0, log="")

    monkeypatch.setattr(processes, "start", note)
    engines.start_mlflow(tmp_path, 5001, {})
    engines.start_ray(tmp_path, 6380, 8266, 4, {})
    engines.start_chip(tmp_path, "127.0.0.1:6380", "anna-talk", 1, {})
    (mlflow, _), (head, _), _ = started
    assert mlflow[mlflow.index("--host") + 1] == loopback.HOST
    assert head[head.index("--dashboard-host") + 1] == loopback.HOST
    for command, variables in started[1:]:
        assert "--node-ip-address" not in command
        assert variables[ray_private.START_HOOK] == loopback.HOOK


def test_an_edge_on_every_interface_is_named_by_the_one_that_leads_outward(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(addresses, "outward_address", lambda: "198.51.100.7")
    assert others_host("0.0.0.0") == "198.51.100.7"
    assert others_host("10.77.0.1") == "10.77.0.1"
    tls = tls_of(EdgeSecurity(tls=True), "0.0.0.0", tmp_path)
    assert tls is not None
    assert ipaddress.ip_address("198.51.100.7") in _names(tls.certificate)


def _names(certificate: Path) -> list[Any]:
    from cryptography import x509

    one = x509.load_pem_x509_certificate(certificate.read_bytes())
    held = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return held.get_values_for_type(x509.IPAddress)


def test_the_tunnel_names_both_ports() -> None:
    said = tunnel(addresses_of("0.0.0.0", PORTS), "198.51.100.7")
    wanted = "ssh -N -L 5001:127.0.0.1:5001 -L 8266:127.0.0.1:8266 USER@198.51.100.7"
    assert wanted in said


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "198.51.100.7:9001"), (None, None)])
def test_up_prints_the_address_that_others_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str | None, address: str | None
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setattr(addresses, "outward_address", lambda: "198.51.100.7")
    kept = host or loopback.HOST
    state = PlatformState(id="one", host=kept, addresses=addresses_of(kept, PORTS))
    monkeypatch.setattr(platform, "up", lambda *_, **__: state)
    options = ["--host", host, "--insecure"] if host else []
    said = CliRunner().invoke(up, options, catch_exceptions=False).output
    assert (address or "127.0.0.1:9001") in said
    assert ("ssh -N -L" in said) is (host is not None)
    assert "0.0.0.0" not in said


@pytest.mark.parametrize(("outward", "told"), [("198.51.100.7", True), ("127.0.0.1", False)])
def test_up_tells_a_ray_program_its_address_where_ray_does_not_take_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outward: str, told: bool
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setattr(addresses, "outward_address", lambda: outward)
    state = PlatformState(id="one", host=loopback.HOST, addresses=addresses_of("127.0.0.1", PORTS))
    monkeypatch.setattr(platform, "up", lambda *_, **__: state)
    said = CliRunner().invoke(up, catch_exceptions=False).output
    assert ("RAY_ADDRESS='[::ffff:127.0.0.1]:6380'" in said) is told


def test_up_and_status_show_rays_address_as_people_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setattr(addresses, "outward_address", lambda: loopback.HOST)
    state = PlatformState(id="one", host=loopback.HOST, addresses=addresses_of("127.0.0.1", PORTS))
    asked: list[platform.PlatformOptions] = []

    def told(home: Path, options: platform.PlatformOptions, **_: Any) -> PlatformState:
        asked.append(options)
        return state

    monkeypatch.setattr(platform, "up", told)
    shown = CliRunner().invoke(up, ["--host", "::ffff:127.0.0.1"], catch_exceptions=False).output
    assert asked[0].host == "127.0.0.1"
    part = PartStatus(
        name="ray", pid=1, since_s=0, running=True, healthy=True,
        address=state.addresses["ray_address"],
    )  # fmt: skip
    found = PlatformStatus(up=True, parts=(part,), addresses=state.addresses)
    monkeypatch.setattr("striate.local.status.status", lambda _: found)
    shown += CliRunner().invoke(status, catch_exceptions=False).output
    assert shown.count("127.0.0.1:6380") == 2
    assert "::ffff" not in shown
