"""The application `photos`: tagging behind gRPC, one Serve deployment.

`build` is importable as ``striate.serve.apps.photos:build`` in a Serve configuration or a
RayService; its arguments are the fields of `PhotosArgs`. The replica serves gRPC itself, so that
no proxy of Serve's stands between a caller and the model; Serve starts, checks, restarts, scales
and drains it.
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from striate.core.bundle import Bundle
from striate.core.registry import ModelVersion, fetch
from striate.core.settings import Settings
from striate.serve.limits import Batching, Limits
from striate.serve.loading import probe_image, tagger
from striate.serve.predictors import load_tagging
from striate.serve.server import ModelServer
from striate.serve.services.base import Service
from striate.serve.services.tagging import PhotoTagging

__all__ = ["PhotosArgs", "build", "named", "probe_image", "services"]

logger = logging.getLogger(__name__)

DEPLOYMENT = "photos"


class PhotosArgs(BaseModel):
    """What `build` takes.

    Attributes:
        model: a model's URI as `striate.core.registry.fetch` takes it, or a bundle's folder; read
            by every replica.
        port: where every replica listens; those of one node share it.
        host: address that replicas listen on; None for their node's own, as Ray knows it.
        device: ``cpu``, ``cuda``, or the name of an emulated chip.
        program: folder of the model's program for that chip.
        replicas: how many.
        actor_options: Ray's options for a replica (resources, label selector).
        tracking_uri: MLflow's; None takes the replica's settings.
        home: folder of the bundle cache; None takes the replica's settings.
        batching: how requests become batches.
        limits: what is accepted.
        drain_s: how long calls in flight may take when a replica ends.
        check_period_s: how often Serve asks for a real inference.
        check_timeout_s: how long that inference may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    port: int = Field(default=9100, ge=0, le=65535)
    host: str | None = None
    device: str = "cpu"
    program: Path | None = None
    replicas: int = Field(default=1, ge=1)
    actor_options: dict[str, Any] = Field(default_factory=lambda: {"num_cpus": 0.25})
    tracking_uri: str | None = None
    home: Path | None = None
    batching: Batching = Batching()
    limits: Limits = Limits()
    drain_s: float = Field(default=20.0, ge=0)
    check_period_s: float = Field(default=5.0, gt=0)
    check_timeout_s: float = Field(default=10.0, gt=0)


class Photos:
    """A replica: a gRPC server around the predictor, owned by Serve."""

    def __init__(self, args: PhotosArgs) -> None:
        self._args = args
        host = args.host or ray.util.get_node_ip_address()
        self._server = ModelServer(services(args), host, args.port, args.limits)
        logger.info("Serving %s on %s.", args.model, self._server.address)

    def where(self) -> dict[str, str]:
        """The replica, and the `host:port` that it listens on."""
        replica = serve.get_replica_context().replica_id.unique_id
        return {"replica": replica, "address": self._server.address}

    async def check_health(self) -> None:
        """Run a tiny real inference; Serve replaces a replica that fails or hangs here."""
        probed = asyncio.wrap_future(self._server.run(self._server.probe()))
        await asyncio.wait_for(probed, self._args.check_timeout_s)

    def __del__(self) -> None:
        """Serve calls this when the replica is to end: calls in flight finish first."""
        server = getattr(self, "_server", None)
        if server is not None:
            server.stop(self._args.drain_s)


def services(args: PhotosArgs) -> list[Service]:
    """What a replica serves.

    Raises:
        StriateError: as `striate.core.registry.fetch` and `load_tagging`.
    """
    bundle, version = fetch(args.model, _settings(args))
    predictor = load_tagging(bundle, args.device, args.limits.pixels, args.program)
    model = tagger(predictor, named(bundle, version), args.limits, args.batching)
    return [PhotoTagging(model, args.limits)]


def build(args: PhotosArgs) -> serve.Application:
    """The Serve application."""
    deployment = serve.deployment(
        Photos,
        name=DEPLOYMENT,
        num_replicas=args.replicas,
        ray_actor_options=args.actor_options,
        max_constructor_retry_count=2,
        health_check_period_s=args.check_period_s,
        health_check_timeout_s=args.check_timeout_s + 5,
        graceful_shutdown_timeout_s=args.drain_s + 10,
        graceful_shutdown_wait_loop_s=0.1,
    )
    return deployment.bind(args)


def named(bundle: Bundle, version: ModelVersion | None) -> tuple[str, str]:
    """The model's name and version that answers carry.

    A bundle outside the registry is named after its architecture, with its digest as version.
    """
    if version is not None:
        return version.name, str(version.version)
    return bundle.spec.architecture.name, bundle.digest


def _settings(args: PhotosArgs) -> Settings:
    given = {"home": args.home, "tracking_uri": args.tracking_uri}
    changes = {field: value for field, value in given.items() if value is not None}
    return Settings.load().model_copy(update=changes)
