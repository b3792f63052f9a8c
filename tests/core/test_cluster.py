"""Why a cluster does not take a process, in one sentence."""

import logging
import socket
from typing import Any

import pytest
import ray

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
