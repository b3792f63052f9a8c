"""Why a cluster does not take a process, in one sentence."""

import logging
import socket
from typing import Any

import pytest
import ray

from striate.core import cluster
from striate.core.cluster import connect
from striate.core.errors import PlatformError

pytestmark = pytest.mark.unit


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where something listens that is no cluster; this process has no connection to one."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("ray.exceptions.AuthenticationError: InvalidAuthToken", "RAY_AUTH_MODE=token"),
        ("no such node", "striate up"),
    ],
)
def test_a_refusal_names_its_remedy(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str, says: str
) -> None:
    def refuse(**_: Any) -> None:
        try:
            raise RuntimeError(reason)
        except RuntimeError as error:
            raise ConnectionError("Failed to connect to Ray cluster") from error

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(PlatformError, match="does not take this process") as refused:
        connect(address)
    assert says in str(refused.value)


def test_ray_says_nothing_of_its_own_in_another_thread(
    monkeypatch: pytest.MonkeyPatch, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`ray.init` warns, before it heeds its `logging_level`, that it sets no handler of SIGTERM."""

    def warn(**_: Any) -> None:
        logging.getLogger("ray._private.worker").warning("SIGTERM handler is not set")

    monkeypatch.setattr(ray, "init", warn)
    logging.getLogger("ray").setLevel(logging.INFO)  # as importing Ray does
    connect(address)
    assert not caplog.records


def test_a_cluster_that_is_gone_is_told_at_once(address: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        gone = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(PlatformError, match="does not answer"):
            connect(gone)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_ray_is_led_to_a_cluster_that_keeps_to_loopback_however_it_is_named(
    monkeypatch: pytest.MonkeyPatch, address: str, host: str
) -> None:
    """Ray takes the plain address for the machine's outward one, where nothing listens."""
    monkeypatch.setattr(cluster, "outward_address", lambda: "127.0.0.77")
    asked: list[str] = []
    monkeypatch.setattr(ray, "init", lambda address, **_: asked.append(address))
    port = address.rpartition(":")[2]
    connect(f"{host}:{port}")
    assert asked == [f"[::ffff:127.0.0.1]:{port}"]


def test_ray_is_given_an_address_as_it_is_where_its_own_reading_of_it_leads_there(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(cluster, "outward_address", lambda: "127.0.0.1")
    asked: list[str] = []
    monkeypatch.setattr(ray, "init", lambda address, **_: asked.append(address))
    connect(address)
    assert asked == [address]


def test_a_message_names_the_address_as_people_read_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        port = free.getsockname()[1]
        with pytest.raises(PlatformError, match=rf"at 127\.0\.0\.1:{port} does not answer"):
            connect(f"[::ffff:127.0.0.1]:{port}")
