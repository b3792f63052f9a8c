"""The Ray Serve shell around every application: one gRPC server in each replica, owned by Serve.

Serve starts, places, checks, restarts, scales and ends replicas; a caller never meets it. An
application adds its own arguments to `ReplicaArgs` and says which services a replica answers;
`application` makes a Serve deployment of both.
"""

import asyncio
import logging
import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray
from pydantic import BaseModel, ConfigDict, Field, field_validator
from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
from ray.serve.exceptions import RayServeException

from striate.core import ray_private
from striate.core.addresses import is_loopback
from striate.core.numbers import FreeArguments, NonNegative, Port, Positive
from striate.core.retry import wait_until
from striate.core.settings import Settings
from striate.serve.apps.autoscaling import IN_FLIGHT, LATENCY_S
from striate.serve.apps.liveness import LivenessCheck
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.service_table import check_declared
from striate.serve.observability import logging as logs
from striate.serve.observability import tracing
from striate.serve.observability.call_stats import Counter
from striate.serve.observability.metrics import Endpoint, MetricsObserver
from striate.serve.observability.observer import Observers
from striate.serve.server.server import ModelServer
from striate.serve.server.service import Service

logger = logging.getLogger(__name__)

REPLICAS = re.compile(r"(?P<least>[0-9]{1,9})(?::(?P<most>[0-9]{1,9}))?")
MOST_REPLICAS = 100_000
QUIET_S = 1.5
"""A replica that is to end answers on until no call has come for this long: the edge has learnt by
then that it goes (it looks several times in that time) and sends its calls elsewhere."""
_REPORT_S = 1.0
_SERVE_NUMBER = re.compile(r"\.\d+$")  # of the deployment, behind the application's name
_LOOK_BACK_S = 3.0
_UPSCALE_DELAY_S = 1.0


class ReplicaArgs(BaseModel):
    """What every application's `build` takes, beside its own fields.

    Attributes:
        port: where every replica listens; 0 lets each choose a free one, which the edge asks for.
            Replicas of one node share a port that is given.
        host: address that replicas listen on; None for their node's own, as Ray knows it.
        replicas: how many: a number, or ``MIN:MAX``, between which Serve follows the load. A MIN
            of 0 lets the last replica go when nobody calls.
        target_in_flight: calls for each replica that following the load aims at.
        latency_ms: what the 99th percentile in the replicas should stay under; None follows the
            number of calls alone.
        idle_s: how long the load must ask for fewer replicas before one goes.
        actor_options: Ray's options for a replica (resources, label selector).
        tracking_uri: MLflow's; None takes the replica's settings.
        home: folder of the bundle cache; None takes the replica's settings.
        batching: how requests become batches.
        limits: what is accepted.
        metrics_port: where metrics are read, or the first port that is tried; 0 takes any free
            one.
        edge_key: what the edge proves itself with; None accepts calls from anybody.
        drain_s: how long calls in flight may take when a replica ends.
        check_period_s: how often Serve asks for a real inference.
        check_timeout_s: how long that inference may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Port = 9100
    host: str | None = None
    replicas: int | str = 1
    target_in_flight: Positive = 8.0
    latency_ms: Positive | None = None
    idle_s: NonNegative = 60.0
    actor_options: FreeArguments = Field(default_factory=lambda: {"num_cpus": 0.25})
    tracking_uri: str | None = None
    home: Path | None = None
    batching: Batching = Batching()
    limits: Limits = Limits()
    metrics_port: Port = 0
    edge_key: str | None = None
    drain_s: NonNegative = 20.0
    check_period_s: Positive = 5.0
    check_timeout_s: Positive = 10.0

    @field_validator("replicas")
    @classmethod
    def _range(cls, replicas: int | str) -> int | str:
        least, most = replica_range(replicas)
        return least if least == most else f"{least}:{most}"

    @property
    def settings(self) -> Settings:
        """The settings that a replica goes by."""
        given = {"home": self.home, "tracking_uri": self.tracking_uri}
        changes = {field: value for field, value in given.items() if value is not None}
        return Settings.load().model_copy(update=changes)


Args = TypeVar("Args", bound=ReplicaArgs)
Services = Callable[[Args], Sequence[Service]]
"""Makes the services that a replica answers, models loaded."""


@dataclass(frozen=True)
class AppKind(Generic[Args]):
    """A kind of application.

    Attributes:
        arguments: what its `build` takes.
        services: what a replica of it answers.
        build: the Serve application; a function that a Serve configuration can name.
    """

    arguments: type[Args]
    services: Services[Args]
    build: Callable[[Args], serve.Application]


def replica_range(replicas: int | str) -> tuple[int, int]:
    """The least and the most replicas of ``N`` or ``MIN:MAX``.

    Raises:
        ValueError: it is neither, or no replica may ever run.

    >>> replica_range("0:4"), replica_range(2)
    ((0, 4), (2, 2))
    """
    found = REPLICAS.fullmatch(str(replicas))
    if found is None:
        raise ValueError("must be a number or MIN:MAX, for example 1:8")
    least = int(found["least"])
    most = int(found["most"] or least)
    if most > MOST_REPLICAS:
        raise ValueError(f"must ask for {MOST_REPLICAS:,} replicas at most")
    if most < max(1, least):
        raise ValueError("must allow for at least one replica, and MIN for no more than MAX")
    return least, most


def app_name() -> str:
    """The name of the application that this process is a replica of; empty for no replica."""
    try:
        return _SERVE_NUMBER.sub("", serve.get_replica_context().app_name)
    except RayServeException:
        return ""


class Replica:
    """A replica: a gRPC server around an application's services.

    Args:
        args: the application's arguments.
        services: makes the services that this replica answers.
    """

    def __init__(self, args: Args, services: Services[Args]) -> None:
        self._args: ReplicaArgs = args
        self._counter = Counter()
        app = app_name()
        logs.configure({"app": app})
        node = ray.util.get_node_ip_address()
        if is_loopback(node):
            ray_private.bind_replica(node)
        host = args.host or node
        observers = Observers(self._counter)
        answering = services(args)
        check_declared(service.name for service in answering)
        self._server = ModelServer(
            answering,
            host,
            args.port,
            args.limits,
            args.edge_key,
            observers,
            tracing.from_environment(app),
        )
        self._liveness = LivenessCheck(
            self._probe, lambda: self._counter.answered_well, args.check_timeout_s
        )
        self._server.run(self._warm_up()).result()
        self._server.own_process()
        metrics = self._metrics(app)
        observers.add(metrics)  # from here on: batches of the warm-up tell nothing of later ones
        self._endpoint = Endpoint(metrics, host, args.metrics_port)
        logger.info("Listening on %s.", self._server.address)

    def describe(self) -> dict[str, Any]:
        """The replica, the `host:port` that it listens on, and what it answers there."""
        return {
            "replica": serve.get_replica_context().replica_id.unique_id,
            "address": self._server.address,
            "metrics": self._endpoint.address,
            "services": self._server.service_names,
            "models": self._server.model_names,
        }

    def count_calls(self) -> dict[str, Any]:
        """The replica, and what it counted of its calls (the fields of `CallStats`)."""
        replica = serve.get_replica_context().replica_id.unique_id
        return {"replica": replica, "stats": self._counter.count().model_dump()}

    def record_autoscaling_stats(self) -> dict[str, float]:
        """The load, which Serve's controller gives to the policy; asked for every second."""
        in_flight = max(self._server.in_flight, self._server.queued)
        return {IN_FLIGHT: in_flight, LATENCY_S: self._counter.recent().percentile_s(0.99)}

    async def check_health(self) -> None:
        """Run a tiny real inference; Serve replaces a replica that fails or hangs here."""
        await self._liveness.check()

    def __del__(self) -> None:
        """Serve calls this when the replica is to end: no call may notice."""
        server = getattr(self, "_server", None)
        if server is None or not hasattr(self, "_liveness"):
            return
        ends_s = time.monotonic() + self._args.drain_s
        if self._liveness.passed:  # else it has never been in the edge's list
            server.drain()
            self._answer_on(ends_s)
        server.stop(max(0.0, ends_s - time.monotonic()))
        endpoint = getattr(self, "_endpoint", None)
        if endpoint is not None:
            endpoint.close()

    def _metrics(self, app: str) -> MetricsObserver:
        server = self._server
        return MetricsObserver(app, lambda: server.in_flight, lambda: server.queued)

    async def _probe(self) -> None:
        await asyncio.wrap_future(self._server.run(self._server.probe()))

    async def _warm_up(self) -> None:
        """Ask one question, then so many at once that each size of batch has been computed."""
        size = 1
        while size < self._args.batching.max_size:
            await asyncio.gather(*(self._server.probe() for _ in range(size)))
            size *= 2
        await asyncio.gather(*(self._server.probe() for _ in range(self._args.batching.max_size)))

    def _answer_on(self, until_s: float) -> None:
        """Return once no call has begun for `QUIET_S`."""
        begun, since_s = -1, time.monotonic()

        def is_quiet() -> bool:
            nonlocal begun, since_s
            now_s = time.monotonic()
            so_far = self._counter.count().calls + self._server.in_flight
            if so_far != begun:
                begun, since_s = so_far, now_s
            return now_s - since_s >= QUIET_S

        wait_until(is_quiet, until_s - time.monotonic(), 0.05)


def application(name: str, args: Args, services: Services[Args]) -> serve.Application:
    """The Serve application of one deployment.

    Args:
        name: the deployment's name.
        args: the application's arguments.
        services: makes a replica's services from them; a function that can be imported.
    """
    least, most = replica_range(args.replicas)
    deployment = serve.deployment(
        Replica,
        name=name,
        num_replicas=most if least == most else None,
        autoscaling_config=None if least == most else _autoscaling(args, least, most),
        ray_actor_options=args.actor_options,
        max_constructor_retry_count=2,
        health_check_period_s=args.check_period_s,
        health_check_timeout_s=args.check_timeout_s + 5,
        graceful_shutdown_timeout_s=args.drain_s + 10,
        graceful_shutdown_wait_loop_s=0.1,
    )
    return deployment.bind(args, services)


def _autoscaling(args: ReplicaArgs, least: int, most: int) -> AutoscalingConfig:
    """At least one replica starts even where none may stay: it must answer a probe."""
    objective_s = args.latency_ms / 1000 if args.latency_ms else None
    policy = AutoscalingPolicy(
        policy_function="striate.serve.apps.autoscaling:LatencyPolicy",
        policy_kwargs={"target_in_flight": args.target_in_flight, "objective_s": objective_s},
    )
    with warnings.catch_warnings():
        # Serve would rather have the reports' interval from a variable of the replica's process,
        # which a deployment cannot set without a runtime environment of its own.
        warnings.simplefilter("ignore", DeprecationWarning)
        return AutoscalingConfig(
            min_replicas=least,
            initial_replicas=max(1, least),
            max_replicas=most,
            metrics_interval_s=_REPORT_S,
            look_back_period_s=_LOOK_BACK_S,
            upscale_delay_s=_UPSCALE_DELAY_S,
            downscale_delay_s=args.idle_s,
            policy=policy,
        )
