"""The edge's configuration: HAProxy accepts it, and callers get gRPC's own answers from it."""

import datetime
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from striate.serve.common.metadata import (
    APP_KEY,
    EDGE_KEY,
)
from striate.serve.edge import control, tokens
from striate.serve.edge.access_rules import access_rules, entry_rules, size_rules
from striate.serve.edge.config import list_services
from striate.serve.edge.constants import (
    answer_rules,
    error_rules,
)
from striate.serve.edge.options import EdgeOptions

TLS = {"enabled": True, "secretName": "edge-tls", "clientCaSecretName": "edge-ca"}
TOKENS = "/etc/striate/tokens/tokens.map"
DEADLINE_S = 15.0
Start = Callable[[int], int]


def configuration(chart: Any, values: dict[str, Any]) -> str:
    text: str = chart.find(values, "ConfigMap", "-edge")["data"]["haproxy.cfg"]
    return text


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """HAProxy's own verdict; a warning counts as an error."""
    path = folder / "haproxy.cfg"
    path.write_text(text, encoding="utf-8")
    command = [control.binary(), "-c", "-dW", "-f", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_certificate(folder: Path) -> None:
    """A self-signed certificate under the names that the pod's volumes give it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    (folder / "ca.crt").write_bytes(pem)
    private = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "tls.crt.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))


@pytest.mark.unit
def test_haproxy_accepts_the_plain_configuration(chart: Any, tmp_path: Path) -> None:
    verdict = check(configuration(chart, {}), tmp_path)
    assert verdict.returncode == 0, verdict.stderr


@pytest.mark.unit
def test_haproxy_accepts_the_tls_configuration(chart: Any, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    text = configuration(chart, {"edge": {"tls": TLS}})
    paths = set(re.findall(r"/etc/striate/\S+", text))
    assert paths == {"/etc/striate/tls/tls.crt", "/etc/striate/client-ca/ca.crt"}
    for path in paths:
        text = text.replace(path, str(tmp_path / Path(path).name))
    verdict = check(text, tmp_path)
    assert verdict.returncode == 0, verdict.stderr
    assert "verify required" in text and "proto h2" not in text.split("use_backend")[0]


@pytest.mark.unit
def test_the_rules_are_those_of_an_edge_on_one_machine(chart: Any) -> None:
    """Word for word, and in the same order: what is tested there holds here."""
    values = {"edge": {"tokens": {"enabled": True, "secretName": "tokens"}}}
    text = configuration(chart, values).replace(TOKENS, "tokens.map")
    lines = text.splitlines()
    options = EdgeOptions(port=9000, token_file=Path("tokens.map"))
    specs = list_services(())
    wanted = [
        *error_rules(),
        *answer_rules(),
        *entry_rules("", specs, inner=False),
        *(rule for rule in access_rules(options, "", specs) if EDGE_KEY not in rule),
        *size_rules(options),
    ]
    places = [lines.index(rule) for rule in wanted]
    assert places == sorted(places)
    plain = configuration(chart, {})
    assert "sha2" not in plain and "del-header authorization" in plain


@pytest.mark.unit
def test_the_edge_proves_itself_to_replicas_that_ask_for_it(chart: Any) -> None:
    keyed = configuration(chart, {"serve": {"arguments": {"edge_key": "secret"}}})
    assert f"set-header {EDGE_KEY} secret" in keyed
    assert f"del-header {EDGE_KEY}" in configuration(chart, {})


@pytest.mark.unit
def test_haproxy_would_refuse_a_broken_configuration(chart: Any, tmp_path: Path) -> None:
    """The check itself sees errors."""
    assert check(configuration(chart, {}).replace("balance", "balnce"), tmp_path).returncode != 0


@pytest.mark.unit
def test_the_volumes_hold_the_files_that_the_configuration_names(chart: Any) -> None:
    values = {"edge": {"tls": TLS}}
    spec = chart.find(values, "Deployment", "-edge")["spec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    files = {
        f"{mounts[volume['name']]}/{entry['path']}"
        for volume in spec["volumes"]
        for entry in volume.get("secret", {}).get("items", [])
    }
    named = set(re.findall(r"/etc/striate/\S+", configuration(chart, values)))
    assert named <= files and "/etc/striate/tls/tls.crt.key" in files


@pytest.mark.unit
def test_the_edge_asks_for_the_headless_service_that_kuberay_keeps(chart: Any) -> None:
    service = chart.find({}, "RayService")["spec"]["serveService"]
    assert service["spec"]["clusterIP"] == "None"
    (port,) = service["spec"]["ports"]
    host = f"{service['metadata']['name']}.vision.svc.cluster.local:{port['port']} "
    assert host in configuration(chart, {})


@pytest.mark.unit
def test_a_changed_configuration_rolls_the_edge(chart: Any) -> None:
    def digest(values: dict[str, Any]) -> str:
        template = chart.find(values, "Deployment", "-edge")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert digest({}) == digest({"edge": {"replicas": 5}})
    assert digest({}) != digest({"edge": {"maxConnections": 10}})


@pytest.fixture
def replica() -> Iterator[tuple[health.HealthServicer, int]]:
    """A gRPC server with nothing but its health."""
    server = grpc.server(ThreadPoolExecutor(4))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(0).wait()


@pytest.fixture
def start(chart: Any, tmp_path: Path) -> Iterator[Start]:
    """Run HAProxy as the pod does, with one known replica instead of DNS; gives its port."""
    running: list[subprocess.Popen[bytes]] = []

    def run(replica_port: int) -> int:
        port, status = free_port(), free_port()
        text = configuration(chart, {"edge": {"port": port, "metricsPort": status}})
        text = with_replica(text, replica_port)
        path = tmp_path / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        running.append(subprocess.Popen([control.binary(), "-db", "-f", str(path)]))
        wait_for(lambda: opened(f"http://127.0.0.1:{status}/healthz"))
        assert b"haproxy_" in urllib.request.urlopen(f"http://127.0.0.1:{status}/metrics").read()
        return port

    yield run
    for process in running:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.e2e
def test_a_healthy_replica_is_found_and_answers(
    start: Start, replica: tuple[health.HealthServicer, int]
) -> None:
    port = start(replica[1])
    wait_for(lambda: call(port)[0] is grpc.StatusCode.OK)
    assert call(port, (APP_KEY, "photos"))[0] is grpc.StatusCode.OK
    code, details = call(port, (APP_KEY, "photoz"))
    assert code is grpc.StatusCode.NOT_FOUND and "photoz" in details


@pytest.mark.e2e
def test_a_replica_that_says_it_is_not_serving_gets_no_calls(
    start: Start, replica: tuple[health.HealthServicer, int]
) -> None:
    port = start(replica[1])
    wait_for(lambda: call(port)[0] is grpc.StatusCode.OK)
    replica[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    wait_for(lambda: call(port) == (grpc.StatusCode.UNAVAILABLE, "No replica answers."))


@pytest.mark.e2e
def test_a_changed_secret_is_in_force_without_a_restart(
    chart: Any, tmp_path: Path, replica: tuple[health.HealthServicer, int]
) -> None:
    """HAProxy and the container beside it, as the pod runs them."""
    replica[0].set("named", health_pb2.HealthCheckResponse.SERVING)
    file, port, status = tmp_path / "tokens.map", free_port(), free_port()
    first, _ = tokens.create(file, "first", ["infer"])
    values = {"tokens": {"enabled": True, "secretName": "t"}, "port": port, "metricsPort": status}
    text = with_replica(configuration(chart, {"edge": values}), replica[1])
    (tmp_path / "haproxy.cfg").write_text(
        text.replace(TOKENS, str(file)).replace("/run/striate", str(tmp_path)), encoding="utf-8"
    )
    containers = chart.find({"edge": values}, "Deployment", "-edge")["spec"]["template"]["spec"][
        "containers"
    ]
    command = [part.replace(TOKENS, str(file)) for part in containers[1]["command"]]
    command = [part.replace("/run/striate", str(tmp_path)) for part in command]
    started = [
        subprocess.Popen([control.binary(), "-db", "-f", str(tmp_path / "haproxy.cfg")]),
        subprocess.Popen([sys.executable, *command[1:]]),
    ]
    try:
        wait_for(lambda: opened(f"http://127.0.0.1:{status}/healthz"))
        wait_for(lambda: ask(port, first)[0] is grpc.StatusCode.OK)
        second, _ = tokens.create(file, "second", ["infer"])
        tokens.revoke(file, "first")
        wait_for(lambda: ask(port, second)[0] is grpc.StatusCode.OK)
        wait_for(lambda: ask(port, first)[0] is grpc.StatusCode.UNAUTHENTICATED)
        assert ask(port, "guess")[0] is grpc.StatusCode.UNAUTHENTICATED
    finally:
        for process in started:
            process.terminate()
            process.wait(timeout=10)


@pytest.mark.e2e
def test_without_a_replica_the_edge_says_unavailable(start: Start) -> None:
    port = start(free_port())
    wait_for(lambda: call(port) == (grpc.StatusCode.UNAVAILABLE, "No replica answers."))


def with_replica(text: str, port: int) -> str:
    """The configuration with one known replica instead of DNS."""
    server = rf"server replica 127.0.0.1:{port} \1"
    return re.sub(r"server-template replica \d+ \S+ (.*) resolvers.*", server, text)


def ask(port: int, token: str) -> tuple[grpc.StatusCode, str]:
    """The status and details of a call with a token: the health of a service by its name."""
    return call(port, ("authorization", f"Bearer {token}"), service="named")


def call(port: int, *metadata: tuple[str, str], service: str = "") -> tuple[grpc.StatusCode, str]:
    """The status and details of one call through the edge."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check_health = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            check_health(request, timeout=5, metadata=metadata)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until it holds; fails after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


def opened(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
