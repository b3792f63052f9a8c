"""The edge's pod: the command that the chart runs, and the answers that callers get from it."""

import datetime
import json
import re
import signal
import socket
import subprocess
import sys
import threading
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

from striate.core.errors import UsageError
from striate.serve.common.metadata import APP_KEY, EDGE_KEY
from striate.serve.edge import control, tokens
from striate.serve.edge.options import EdgeLimits
from striate.serve.edge.pod import PodOptions, prepare, read_options

TLS = {"enabled": True, "secretName": "edge-tls", "clientCaSecretName": "edge-ca"}
TOKENS = {"enabled": True, "secretName": "edge-tokens"}
DEADLINE_S = 20.0


def options_text(chart: Any, values: dict[str, Any]) -> str:
    text: str = chart.find(values, "ConfigMap", "-edge")["data"]["edge.json"]
    return text


def containers(chart: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    deployment = chart.find(values, "Deployment", "-edge")
    found: list[dict[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    return found


def moved(text: str, folder: Path) -> str:
    """The pod's paths, in a folder of the test's; those that it mounts are made."""
    for name in ("etc/edge", "etc/tls", "etc/client-ca", "etc/tokens", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return text.replace("/etc/striate", f"{folder}/etc").replace("/run/striate", f"{folder}/run")


def configuration(chart: Any, values: dict[str, Any], folder: Path) -> str:
    """What the pod's command gives HAProxy."""
    file = folder / "etc" / "edge" / "edge.json"
    text = moved(options_text(chart, values), folder)
    file.write_text(text, encoding="utf-8")
    prepare(read_options(file), folder / "run")
    return (folder / "run" / "haproxy.cfg").read_text(encoding="utf-8")


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """HAProxy's own check; a warning counts as an error."""
    (folder / "run" / "haproxy.cfg").write_text(text, encoding="utf-8")
    command = [control.binary(), "-c", "-dW", "-f", "haproxy.cfg"]
    return subprocess.run(command, cwd=folder / "run", capture_output=True, text=True, check=False)


def write_certificate(folder: Path) -> None:
    """A self-signed certificate under the names that the pod's volumes give it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    moved("", folder)
    (folder / "etc/tls/tls.crt").write_bytes(pem)
    (folder / "etc/client-ca/ca.crt").write_bytes(pem)
    private = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "etc/tls/tls.crt.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *private)
    )


@pytest.mark.unit
def test_haproxy_accepts_the_plain_configuration(chart: Any, tmp_path: Path) -> None:
    checked = check(configuration(chart, {}, tmp_path), tmp_path)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.unit
def test_haproxy_accepts_the_tls_configuration(chart: Any, tmp_path: Path) -> None:
    write_certificate(tmp_path)
    values = {"edge": {"tls": TLS, "tokens": TOKENS}}
    paths = set(re.findall(r"/etc/striate/[^\s\"]+", options_text(chart, values)))
    names = {"tls/tls.crt", "client-ca/ca.crt", "tokens/tokens.map"}
    assert paths == {f"/etc/striate/{name}" for name in names}
    tokens.ensure_file(tmp_path / "etc/tokens/tokens.map")
    text = configuration(chart, values, tmp_path)
    checked = check(text, tmp_path)
    assert checked.returncode == 0, checked.stderr
    (bind,) = re.findall("bind :9000.*", text)
    assert "verify required" in bind and "proto h2" not in bind


@pytest.mark.unit
def test_tokens_are_asked_for_where_they_are_enabled(chart: Any, tmp_path: Path) -> None:
    asking = configuration(chart, {"edge": {"tokens": TOKENS}}, tmp_path)
    assert "sha2" in asking and "del-header authorization" in asking
    plain = configuration(chart, {}, tmp_path)
    assert "sha2" not in plain and "del-header authorization" in plain


@pytest.mark.unit
def test_the_edge_proves_itself_to_replicas_that_ask_for_it(chart: Any, tmp_path: Path) -> None:
    values = {"serve": {"arguments": {"edge_key": "secret"}}}
    assert f"set-header {EDGE_KEY} secret" in configuration(chart, values, tmp_path)
    assert f"del-header {EDGE_KEY}" in configuration(chart, {}, tmp_path)


@pytest.mark.unit
def test_haproxy_would_refuse_a_broken_configuration(chart: Any, tmp_path: Path) -> None:
    """The check itself sees errors."""
    text = configuration(chart, {}, tmp_path).replace("balance", "balnce")
    assert check(text, tmp_path).returncode != 0


@pytest.mark.unit
def test_the_chart_s_bounds_are_those_of_an_edge_on_one_machine(chart: Any) -> None:
    """Calls without a replica are refused at once, so that callers can go elsewhere."""
    options = PodOptions.model_validate_json(options_text(chart, {}))
    assert options.limits == EdgeLimits(held=0)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the document"),
        ('{"port": 9000, "app": "photos"}', "replicas"),
        ('{"port": 9000, "app": "p", "replicas": {"host": "h", "port": 1}, "x": 1}', "at x"),
        (
            '{"port": 9000, "app": "p", "replicas": {"host": "h", "port": 1}, "edge_key": "a b"}',
            "edge_key",
        ),
    ],
    ids=["no JSON", "missing", "unknown", "a key that would end the line"],
)
def test_wrong_options_are_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "edge.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_options(file)


@pytest.mark.unit
@pytest.mark.parametrize("host", ["a b", "h:1 check\nbackend x", ""])
def test_a_host_cannot_write_configuration(host: str, tmp_path: Path) -> None:
    replicas = {"host": host, "port": 9000}
    options = PodOptions.model_validate({"port": 9000, "app": "photos", "replicas": replicas})
    with pytest.raises(UsageError):
        prepare(options, tmp_path)


@pytest.mark.unit
def test_the_volumes_hold_the_files_that_the_options_name(chart: Any) -> None:
    values = {"edge": {"tls": TLS, "tokens": TOKENS}}
    spec = chart.find(values, "Deployment", "-edge")["spec"]["template"]["spec"]
    edge = spec["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in edge["volumeMounts"]}
    files = {
        f"{mounts[volume['name']]}/{entry['path']}"
        for volume in spec["volumes"]
        for entry in volume.get("secret", {}).get("items", [])
    }
    named = set(re.findall(r"/etc/striate/[^\s\"]+", options_text(chart, values)))
    assert named <= files and "/etc/striate/tls/tls.crt.key" in files
    options, folder = edge["command"][-2:]
    assert options == f"{mounts['config']}/edge.json"
    (written,) = [volume for volume in spec["volumes"] if volume["name"] == "run"]
    assert folder == mounts["run"] and "emptyDir" in written


@pytest.mark.unit
def test_the_edge_asks_for_the_headless_service_that_kuberay_keeps(
    chart: Any, tmp_path: Path
) -> None:
    service = chart.find({}, "RayService")["spec"]["serveService"]
    assert service["spec"]["clusterIP"] == "None"
    (port,) = service["spec"]["ports"]
    host = f" {service['metadata']['name']}.vision.svc.cluster.local:{port['port']} "
    (template,) = re.findall("server-template.*", configuration(chart, {}, tmp_path))
    assert host in template and "resolvers" in template


@pytest.mark.unit
def test_changed_options_roll_the_edge(chart: Any) -> None:
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
def names() -> Iterator[str]:
    """A server of DNS that knows one address for every name: where it is asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        stop = threading.Event()
        answering = threading.Thread(target=answer_names, args=(server, stop))
        answering.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        stop.set()
        answering.join()


class Pod:
    """The pod's containers as processes."""

    def __init__(self, chart: Any, names: str, folder: Path) -> None:
        self._chart, self._names, self._folder = chart, names, folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, replica_port: int, **edge: Any) -> int:
        """Run them as the chart says; gives the edge's port."""
        port, status = free_port(), free_port()
        given = {"port": port, "metricsPort": status, **edge}
        values = {"edge": given, "serve": {"port": replica_port}}
        options = json.loads(moved(options_text(self._chart, values), self._folder))
        options["replicas"]["nameservers"] = [self._names]
        (self._folder / "etc/edge/edge.json").write_text(json.dumps(options), encoding="utf-8")
        for container in containers(self._chart, values):
            assert container["command"][0] == "python"
            command = [moved(part, self._folder) for part in container["command"][1:]]
            self.processes.append(subprocess.Popen([sys.executable, *command]))
        wait_for(lambda: opened(f"http://127.0.0.1:{status}/healthz"))
        assert b"haproxy_" in urllib.request.urlopen(f"http://127.0.0.1:{status}/metrics").read()
        return port

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait(timeout=10)


@pytest.fixture
def pod(chart: Any, names: str, tmp_path: Path) -> Iterator[Pod]:
    made = Pod(chart, names, tmp_path)
    yield made
    made.stop()


@pytest.mark.e2e
def test_a_healthy_replica_is_found_and_answers(
    pod: Pod, replica: tuple[health.HealthServicer, int]
) -> None:
    port = pod.start(replica[1])
    wait_for(lambda: call(port)[0] is grpc.StatusCode.OK)
    assert call(port, (APP_KEY, "photos"))[0] is grpc.StatusCode.OK
    code, details = call(port, (APP_KEY, "photoz"))
    assert code is grpc.StatusCode.NOT_FOUND and "photoz" in details


@pytest.mark.e2e
def test_a_replica_that_says_it_is_not_serving_gets_no_calls(
    pod: Pod, replica: tuple[health.HealthServicer, int]
) -> None:
    port = pod.start(replica[1])
    wait_for(lambda: call(port)[0] is grpc.StatusCode.OK)
    replica[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    wait_for(lambda: call(port) == (grpc.StatusCode.UNAVAILABLE, "No replica answers."))


@pytest.mark.e2e
def test_a_changed_secret_is_in_force_without_a_restart(
    pod: Pod, tmp_path: Path, replica: tuple[health.HealthServicer, int]
) -> None:
    """HAProxy and the container beside it, as the pod runs them."""
    replica[0].set("named", health_pb2.HealthCheckResponse.SERVING)
    file = tmp_path / "etc" / "tokens" / "tokens.map"
    first, _ = tokens.create(file, "first", ["infer"])
    port = pod.start(replica[1], tokens=TOKENS)
    wait_for(lambda: ask(port, first)[0] is grpc.StatusCode.OK)
    second, _ = tokens.create(file, "second", ["infer"])
    tokens.revoke(file, "first")
    wait_for(lambda: ask(port, second)[0] is grpc.StatusCode.OK)
    wait_for(lambda: ask(port, first)[0] is grpc.StatusCode.UNAUTHENTICATED)
    assert ask(port, "guess")[0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.e2e
def test_the_signal_of_the_pod_s_hook_lets_calls_finish(
    chart: Any, pod: Pod, replica: tuple[health.HealthServicer, int]
) -> None:
    """The container's first process is HAProxy itself: no new calls, and it ends with the last."""
    (container,) = containers(chart, {})
    assert "kill -USR1 1" in container["lifecycle"]["preStop"]["exec"]["command"][-1]
    port = pod.start(replica[1])
    wait_for(lambda: call(port)[0] is grpc.StatusCode.OK)
    (edge,) = pod.processes
    assert Path(f"/proc/{edge.pid}/exe").resolve() == Path(control.binary()).resolve()
    edge.send_signal(signal.SIGUSR1)
    assert edge.wait(timeout=DEADLINE_S) == 0


@pytest.mark.e2e
def test_without_a_replica_the_edge_says_unavailable(pod: Pod) -> None:
    port = pod.start(free_port())
    wait_for(lambda: call(port) == (grpc.StatusCode.UNAVAILABLE, "No replica answers."))


def answer_names(server: socket.socket, stop: threading.Event) -> None:
    """Answer every question for an address (RFC 1035, section 4) with 127.0.0.1."""
    while not stop.is_set():
        try:
            query, caller = server.recvfrom(4096)
        except TimeoutError:
            continue
        end = query.index(b"\0", 12) + 5
        asked_a = query[end - 4 : end - 2] == b"\0\1"
        head = query[:2] + bytes.fromhex("8180 0001") + bytes([0, asked_a]) + bytes(4)
        record = bytes.fromhex("c00c 0001 0001 00000001 0004") + socket.inet_aton("127.0.0.1")
        server.sendto(head + query[12:end] + (record if asked_a else b""), caller)


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
