"""One real question to an application through the edge, before and while it takes traffic.

The question goes to the edge's own entrance for probes, with the edge's key, so that it needs no
token and no certificate. It is a photo where the application tags or analyses photos; any other
application is asked for its health, which a replica answers by the last inference of its own.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from striate.core.errors import PlatformError
from striate.serve.common.metadata import (
    APP_KEY,
    EDGE_KEY,
    TRIAL_KEY,
)
from striate.serve.edge import control
from striate.serve.edge.app_table import DeployedApp
from striate.serve.predictors.probe_image import probe_image
from striate.serve.protos.striate.v1 import (
    photo_tagging_pb2,
    photo_tagging_pb2_grpc,
    photos_pb2,
    photos_pb2_grpc,
)

Metadata = tuple[tuple[str, str], ...]
Ask = Callable[[grpc.Channel, Metadata, float], None]
CALL_S = 10.0
_PAUSE_S = 0.2


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


def ask(channel: grpc.Channel, service: str, metadata: Metadata, timeout_s: float) -> None:
    """Ask one service its question, once.

    Raises:
        grpc.RpcError: it does not answer.
        PlatformError: it says that it does not serve.
    """
    asking = QUESTIONS.get(service)
    if asking is not None:
        asking(channel, metadata, timeout_s)
        return
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    answer = stub.Check(request, metadata=metadata, timeout=timeout_s)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise PlatformError(f"The service {service} says that it does not serve.")


def _tag(channel: grpc.Channel, metadata: Metadata, timeout_s: float) -> None:
    stub = photo_tagging_pb2_grpc.PhotoTaggingStub(channel)  # type: ignore[no-untyped-call]
    request = photo_tagging_pb2.TagRequest(image=probe_image(), top_k=1)
    stub.Tag(request, metadata=metadata, timeout=timeout_s)


def _analyze(channel: grpc.Channel, metadata: Metadata, timeout_s: float) -> None:
    stub = photos_pb2_grpc.PhotosStub(channel)  # type: ignore[no-untyped-call]
    request = photos_pb2.AnalyzeRequest(image=probe_image(), top_k=1)
    stub.Analyze(request, metadata=metadata, timeout=timeout_s)


QUESTIONS: dict[str, Ask] = {
    photo_tagging_pb2.DESCRIPTOR.services_by_name["PhotoTagging"].full_name: _tag,
    photos_pb2.DESCRIPTOR.services_by_name["Photos"].full_name: _analyze,
}


def _until_answered(asking: Callable[[float], None], deadline: float) -> None:
    while True:
        left_s = deadline - time.monotonic()
        try:
            return asking(max(0.001, min(CALL_S, left_s)))
        except (grpc.RpcError, PlatformError) as error:
            if time.monotonic() + _PAUSE_S >= deadline:
                said = error.message if isinstance(error, PlatformError) else error.details()
                raise PlatformError(
                    f"The new version does not answer through the edge: {said}",
                    "See Serve's log.",
                ) from None
        time.sleep(_PAUSE_S)
