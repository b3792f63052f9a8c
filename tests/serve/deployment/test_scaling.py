"""Replicas follow the load: down to none, and from none to an answer."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from striate.core.bundle import Bundle
from striate.core.settings import Settings
from striate.serve.client.client import Client
from striate.serve.deployment.deploy import AppStatus, Deployed, deploy, list_apps, undeploy

pytestmark = pytest.mark.cluster
NAME = "elastic"


@pytest.fixture(scope="module")
def settings(ray_cluster: Any) -> Settings:
    settings: Settings = ray_cluster.settings
    return settings


@pytest.fixture(scope="module")
def elastic(settings: Settings, bundle: Bundle) -> Iterator[Deployed]:
    load: dict[str, Any] = {"replicas": "0:2", "target_in_flight": 2.0, "idle_s": 2.0}
    yield deploy("photos", str(bundle.path), settings, name=NAME, **load)
    undeploy(NAME, settings)


def status(settings: Settings) -> AppStatus:
    (found,) = [entry for entry in list_apps(settings) if entry.app.name == NAME]
    return found


def until(condition: Callable[[], bool], what: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"no sign of {what}"
        time.sleep(0.2)


def test_replicas_follow_the_load_to_none_and_back(
    elastic: Deployed, settings: Settings, traffic: Any, png: Callable[..., bytes]
) -> None:
    with traffic(elastic.address, NAME, callers=6, large=True) as found:
        until(lambda: status(settings).running == 2, "a second replica")
        found.until(calls=20)
    assert not found.failed
    until(lambda: status(settings).wanted == 0, "the end of all replicas")
    assert status(settings).status == "RUNNING"
    with traffic(elastic.address, NAME, callers=2) as found:
        found.until(calls=10)
    assert not found.failed, "a call that comes to no replica is held, not refused"
    with Client(elastic.address, NAME, deadline_s=60) as client:
        assert client.tag(png()).version == elastic.version
