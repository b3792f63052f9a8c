"""The edge as a process: what callers get, reloads under load, its end."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from striate.core.bundle import Bundle
from striate.core.errors import PlatformError, UnknownName
from striate.serve import edge
from striate.serve.client import Client
from striate.serve.loading import tagging_server
from striate.serve.predictors import load_tagging
from striate.serve.services.tagging import SERVICE
from striate.serve.table import DeployedApp, Table, read_table, write_table

pytestmark = pytest.mark.cluster
Png = Callable[..., bytes]


def entry(name: str, *addresses: str) -> DeployedApp:
    return DeployedApp(
        name=name,
        app="photos",
        serve_name=f"{name}.1",
        addresses=addresses,
        model_uri="models:/m/1",
        model="m",
        version="1",
        deployed_unix_s=0.0,
    )


@pytest.fixture
def folder(tmp_path: Path, unused_port: Callable[[], int]) -> Iterator[Path]:
    """A running edge's folder; its path is longer than a socket's may be."""
    folder = tmp_path / ("long" * 25) / "edge"
    edge.start(folder, "127.0.0.1", unused_port())
    yield folder
    edge.stop(folder)


@pytest.fixture
def address(folder: Path) -> str:
    state = edge.read_state(folder)
    assert state is not None
    return f"127.0.0.1:{state.port}"


def test_with_nothing_deployed_a_call_is_unavailable_at_once(address: str, png: Png) -> None:
    started = time.monotonic()
    with (
        Client(address, deadline_s=30) as client,
        pytest.raises(PlatformError, match="No application is deployed"),
    ):
        client.tag(png())
    assert time.monotonic() - started < 15  # no retries until the deadline


def test_calls_go_to_the_application_they_name(
    folder: Path, address: str, bundle: Bundle, png: Png
) -> None:
    servers = {
        name: tagging_server(load_tagging(bundle, "cpu"), (name, "1"))
        for name in ("first", "second")
    }
    apps = tuple(entry(name, server.address) for name, server in servers.items())
    write_table(folder, Table(apps=apps))
    assert edge.reload(folder)
    for app, expected in ((None, "first"), ("first", "first"), ("second", "second")):
        with Client(address, app=app) as client:
            assert client.tag(png()).model == expected
    with Client(address, app="third") as client, pytest.raises(UnknownName, match="third"):
        client.tag(png())
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(request)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    for server in servers.values():
        server.stop(1)


def test_large_pictures_pass(folder: Path, address: str, bundle: Bundle, png: Png) -> None:
    server = tagging_server(load_tagging(bundle, "cpu"), ("digits", "1"))
    write_table(folder, Table(apps=(entry("photos", server.address),)))
    edge.reload(folder)
    picture = png(2500, 2000)
    assert len(picture) > 4_000_000
    with Client(address) as client:
        assert client.tag(picture).labels
    server.stop(1)


def test_no_call_fails_while_routes_change_and_servers_end(
    folder: Path, address: str, bundle: Bundle, png: Png
) -> None:
    servers = [tagging_server(load_tagging(bundle, "cpu"), ("digits", "0"))]
    write_table(folder, Table(apps=(entry("photos", servers[0].address),)))
    edge.reload(folder)
    end, seen, failed = threading.Event(), set[str](), list[Exception]()

    def callers() -> None:
        with Client(address) as client:
            while not end.is_set():
                try:
                    seen.add(client.tag(png()).version)
                except Exception as error:
                    failed.append(error)

    threads = [threading.Thread(target=callers) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 6):
        servers.append(tagging_server(load_tagging(bundle, "cpu"), ("digits", str(version))))
        write_table(folder, Table(apps=(entry("photos", servers[-1].address),)))
        edge.reload(folder)
        servers[-2].stop(10)
        deadline = time.monotonic() + 10
        while str(version) not in seen and time.monotonic() < deadline:
            time.sleep(0.01)
    end.set()
    for thread in threads:
        thread.join()
    servers[-1].stop(1)
    assert not failed
    assert seen >= {str(version) for version in range(1, 6)}


def test_one_of_two_servers_may_die(folder: Path, address: str, bundle: Bundle, png: Png) -> None:
    servers = [tagging_server(load_tagging(bundle, "cpu"), ("digits", str(n))) for n in range(2)]
    write_table(folder, Table(apps=(entry("photos", *(server.address for server in servers)),)))
    edge.reload(folder)
    with Client(address) as client:
        client.tag(png())
        servers[0].stop(0)
        assert {client.tag(png()).version for _ in range(20)} == {"1"}
    servers[1].stop(1)


def test_a_refused_configuration_leaves_the_old_one(folder: Path, address: str, png: Png) -> None:
    path = folder / "table.json"
    write_table(folder, Table(apps=(entry("photos", "no.such.host.invalid:1"),)))
    with pytest.raises(PlatformError, match="refuses"):
        edge.reload(folder)
    path.unlink()
    with Client(address) as client, pytest.raises(PlatformError, match="No application"):
        client.tag(png())
    assert edge.reload(folder)


def test_a_taken_port_is_said(folder: Path, tmp_path: Path) -> None:
    state = edge.read_state(folder)
    assert state is not None
    with pytest.raises(PlatformError, match=str(state.port)):
        edge.start(tmp_path / "other", "127.0.0.1", state.port)


def test_it_forgets_applications_of_a_cluster_that_is_gone(
    tmp_path: Path, unused_port: Callable[[], int]
) -> None:
    write_table(tmp_path, Table(apps=(entry("photos", f"127.0.0.1:{unused_port()}"),)))
    edge.start(tmp_path, "127.0.0.1", unused_port())
    assert read_table(tmp_path) == Table()
    edge.stop(tmp_path)


def test_stop_ends_every_process_of_it(folder: Path) -> None:
    state = edge.read_state(folder)
    assert state is not None
    processes = [psutil.Process(state.pid), *psutil.Process(state.pid).children(recursive=True)]
    assert len(processes) >= 2
    edge.stop(folder)
    assert not edge.running(folder)
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive), gone
    edge.stop(folder)  # a second time does nothing
