"""One real question to an application through the edge, before and while it takes traffic.

The question goes to the edge's own entrance for probes, with the edge's key, so that it needs no
token and no certificate. It is the sample request of each service's declaration; a service without
one is asked for its health, which a replica answers by the last inference of its own.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from striate.core.errors import PlatformError
from striate.core.retry import Backoff, retry
from striate.serve.common.metadata import (
    APP_KEY,
    EDGE_KEY,
    TRIAL_KEY,
    CallMetadata,
)
from striate.serve.common.probe_image import probe_image
from striate.serve.common.service_table import service_specs
from striate.serve.edge import control
from striate.serve.edge.app_table import DeployedApp

CALL_S = 10.0
_BACKOFF = Backoff.constant(0.2)


def probe(folder: Path, app: DeployedApp, *, trial: bool, timeout_s: float = 30.0) -> None:
    """Ask an application one question for each of its services, until it has answered all.

    Args:
        folder: the edge's folder.
        app: the version that shall answer.
        trial: whether it is the version on trial of its name.
        timeout_s: how long to try.

    Raises:
        PlatformError: it does not answer.
    """
    metadata = [(APP_KEY, app.name), (EDGE_KEY, control.edge_key(folder))]
    if trial:
        metadata.append((TRIAL_KEY, "1"))
    deadline = time.monotonic() + timeout_s
    with grpc.insecure_channel(control.probe_address(folder)) as channel:
        for service in app.services:
            _until_answered(partial(ask, channel, service, tuple(metadata)), deadline)


def ask(channel: grpc.Channel, service: str, metadata: CallMetadata, timeout_s: float) -> None:
    """Ask one service its questions, once: those that its declaration gives, or for its health.

    Raises:
        grpc.RpcError: it does not answer.
        PlatformError: it says that it does not serve.
    """
    spec = service_specs().get(service)
    if spec is not None and spec.samples:
        stub = spec.stub(channel)
        for method in spec.samples:
            request = spec.sample(method, probe_image())
            getattr(stub, method)(request, metadata=metadata, timeout=timeout_s)
        return
    health: Any = health_pb2_grpc.HealthStub(channel)
    asked = health_pb2.HealthCheckRequest(service=service)
    answer = health.Check(asked, metadata=metadata, timeout=timeout_s)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise PlatformError(f"The service {service} says that it does not serve.")


def _until_answered(asking: Callable[[float], None], deadline: float) -> None:
    def attempt() -> None:
        asking(max(0.001, min(CALL_S, deadline - time.monotonic())))

    try:
        retry(attempt, deadline - time.monotonic(), (grpc.RpcError, PlatformError), _BACKOFF)
    except (grpc.RpcError, PlatformError) as error:
        said = error.message if isinstance(error, PlatformError) else error.details()
        raise PlatformError(
            f"The new version does not answer through the edge: {said}",
            "See Serve's log.",
        ) from None
