"""Faults under steady traffic, done for real, and changes that no caller may notice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from striate.core.bundle import Bundle
from striate.core.settings import Settings
from striate.local import loopback
from striate.serve.deployment import ray_serve
from striate.serve.deployment.deploy import Deployed, deploy, rollback, undeploy
from striate.serve.edge import control
from striate.serve.edge.app_table import edge_folder, read_table
from striate.serve.edge.files import read_state

pytestmark = pytest.mark.cluster
NAME = "steady"
CALLS = 10_000
SITE = "site"


@pytest.fixture(scope="module")
def settings(ray_cluster: Any) -> Settings:
    settings: Settings = ray_cluster.settings
    return settings


@pytest.fixture(scope="module")
def steady(settings: Settings, bundle: Bundle) -> Iterator[Deployed]:
    """An application that has one replica for one caller, and two for several."""
    load: dict[str, Any] = {"replicas": "1:2", "target_in_flight": 1.5, "idle_s": 3.0}
    yield deploy("photos", str(bundle.path), settings, name=NAME, check_period_s=1.0, **load)
    undeploy(NAME, settings)


def places(settings: Settings, name: str = NAME) -> list[str]:
    app = read_table(edge_folder(settings.home)).find(name)
    assert app is not None
    return list(ray_serve.replica_addresses(app.serve_name).values())


def until(condition: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"no sign of {what}"
        time.sleep(0.1)


def test_no_call_is_lost_by_an_update_a_rollback_and_a_scale_down(
    steady: Deployed, settings: Settings, tmp_path: Path, write_bundle: Any, traffic: Any
) -> None:
    """None of the callers tries a call again."""
    new = write_bundle(tmp_path / "new", seed=1)
    with traffic(steady.address, NAME, callers=1) as one:
        with traffic(steady.address, NAME, callers=5) as many:
            with traffic(steady.address, NAME, callers=3, large=True) as heavy:
                until(lambda: len(places(settings)) == 2, "a second replica")
            load: dict[str, Any] = {"replicas": "1:2", "target_in_flight": 1.5, "idle_s": 3.0}
            deploy("photos", str(new.path), settings, name=NAME, check_period_s=1.0, **load)
            many.until(calls=200)
            assert rollback(NAME, settings).version == steady.version
            with traffic(steady.address, NAME, callers=3, large=True) as more:
                until(lambda: len(places(settings)) == 2, "a second replica again")
            many.until(calls=max(200, CALLS - many.calls - one.calls))
        until(lambda: len(places(settings)) == 1, "the end of the second replica")
        one.until(calls=100)
    assert one.failed == many.failed == heavy.failed == more.failed == []
    assert one.calls + many.calls >= CALLS
    assert {steady.version, new.digest} == set(many.versions)
    assert many.versions[-1] == one.versions[-1] == steady.version


def test_a_killed_replica_costs_at_most_the_calls_in_flight(
    steady: Deployed, settings: Settings, traffic: Any, listeners: Any
) -> None:
    with (
        traffic(steady.address, NAME, callers=3) as bare,
        traffic(steady.address, NAME, callers=2, retry=True) as retrying,
        traffic(steady.address, NAME, callers=3, retry=True, large=True) as heavy,
    ):
        until(lambda: len(places(settings)) == 2, "a second replica")
        killed, kept = listeners(places(settings))
        os.kill(killed, signal.SIGKILL)
        retrying.until(calls=100)
        until(lambda: len({*listeners(places(settings))} - {killed, kept}) > 0, "another replica")
        retrying.until(calls=100)
        bare.until(calls=100)
    assert not retrying.failed and not heavy.failed
    assert len(bare.failed) <= 3, bare.failed


@pytest.mark.parametrize("victim", ["worker", "master"])
def test_a_killed_edge_costs_at_most_the_calls_in_flight(
    steady: Deployed, settings: Settings, traffic: Any, victim: str
) -> None:
    state = read_state(edge_folder(settings.home))
    assert state is not None
    (master,) = [
        child
        for child in psutil.Process(state.pid).children()
        if child.cmdline()[0] == control.binary()
    ]
    (worker,) = master.children()
    with (
        traffic(steady.address, NAME, callers=3, reconnect=True) as bare,
        traffic(steady.address, NAME, callers=3, retry=True) as retrying,
    ):
        bare.until(calls=20)
        os.kill({"master": master, "worker": worker}[victim].pid, signal.SIGKILL)
        retrying.until(calls=200)
        bare.until(calls=200)
    assert not retrying.failed
    assert len(bare.failed) <= 3, bare.failed
    assert gone(worker)


def test_a_killed_node_costs_at_most_the_calls_in_flight(
    ray_cluster: Any, settings: Settings, bundle: Bundle, traffic: Any
) -> None:
    """One replica on each of two further nodes; one node dies with all of its processes."""
    with node(ray_cluster), node(ray_cluster) as lost:
        deployed = deploy(
            "photos", str(bundle.path), settings, name="sites", replicas=2, check_period_s=1.0,
            actor_options={"num_cpus": 0, "resources": {SITE: 1}},
        )  # fmt: skip
        try:
            with (
                traffic(deployed.address, "sites", callers=3) as bare,
                traffic(deployed.address, "sites", callers=2, retry=True) as retrying,
            ):
                bare.until(calls=50)
                kill(lost)
                retrying.until(calls=200)
                bare.until(calls=200)
            assert not retrying.failed
            assert len(bare.failed) <= 3, bare.failed
        finally:
            undeploy("sites", settings)


@contextmanager
def node(platform: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A further Ray node of the platform, with room for one replica."""
    import ray

    def sites() -> set[str]:
        return {node["NodeID"] for node in ray.nodes() if SITE in node["Resources"]}

    before = sites()
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1",
        "--address", platform.settings.ray_address, "--resources", json.dumps({SITE: 1}),
        "--object-store-memory", "80000000", "--dashboard-agent-listen-port", "0",
        "--min-worker-port", "0", "--max-worker-port", "0",
    ]  # fmt: skip
    environment = {
        **platform.environment, "RAY_AUTH_MODE": "token", "RAY_START_HOOK": loopback.HOOK,
        "RAY_worker_niceness": "0",  # as nodes of the platform have it
    }  # fmt: skip
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: bool(sites() - before), "a further node")
        yield process
    finally:
        kill(process)


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; who has nobody to wait for it stays a zombie for a while."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and to all that it started."""
    family = [psutil.Process(process.pid)] if process.poll() is None else []
    family = [each for parent in family for each in (parent, *parent.children(recursive=True))]
    for member in family:
        with_no_mercy(member)
    process.wait()


def with_no_mercy(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
