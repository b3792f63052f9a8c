"""The edge's configuration as a pure function of what is deployed.

HAProxy speaks HTTP/2 on both sides. It chooses the application by the metadata key `striate-app`,
else by the method's service, else (Open Inference Protocol, health) by the name at the head of
the message; it retries what no replica has seen, holds calls while an application has no living
replica, and answers in gRPC's own terms when there is nobody to ask.
"""

import re
from collections.abc import Sequence

from striate.core.errors import UsageError
from striate.serve.common.metadata import NO_RETRY, PUSHBACK
from striate.serve.common.service_spec import SERVICE, ServiceSpec
from striate.serve.common.service_table import SERVICES
from striate.serve.edge.access_rules import access_rules, entry_rules, size_rules
from striate.serve.edge.backends import backend_rules, health_check, resolver_rules
from striate.serve.edge.constants import (
    ADMIN_SOCKET,
    answer_rules,
    backlog_rules,
    error_rules,
    refusal,
)
from striate.serve.edge.options import EdgeOptions
from striate.serve.edge.routing import Route, route_rules

MOST_HEADERS = 8192
"""What HAProxy itself takes of a call. Beyond, it ends the connection and all calls on it, so that
this is more than a caller within the bytes of the rule on metadata can send."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d+")


def config_text(routes: Sequence[Route], options: EdgeOptions, key: str | None) -> str:
    """HAProxy's configuration for these applications.

    Args:
        routes: the applications; the first one is the default.
        options: how the edge listens.
        key: what the edge shows to replicas, and probes show to the edge; None where replicas
            ask for none.

    Raises:
        UsageError: a name, service or address cannot stand in the configuration.
    """
    for route in routes:
        _check(route)
    specs = list_services(routes)
    frontend = [
        *_frontend(options),
        *answer_rules(),
        *backlog_rules(),
        *entry_rules(key, specs, inner=options.inner_port is not None),
        *access_rules(options, key, specs),
        *size_rules(options),
        *route_rules(routes),
        "",
    ]
    backends = [line for route in routes for line in backend_rules(route, options, specs)]
    head = [*_global(options), *_defaults(options), *resolver_rules(routes)]
    return "\n".join([*head, *frontend, *_status(options), *backends, *_tail()]) + "\n"


def list_services(routes: Sequence[Route]) -> tuple[ServiceSpec, ...]:
    """Every service that the edge must know the rules for: Striate's own, and those deployed.

    Those of an extension are known by their applications alone, so that every process which writes
    the configuration writes the same, whether it has the extension or not.
    """
    deployed = {spec.name: spec for route in routes for spec in route.declared}
    return tuple({**deployed, **SERVICES}.values())


def check_name(name: str) -> None:
    """Accept a name that can stand in a route.

    Raises:
        UsageError: it is empty, too long, or has other characters.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name an application.",
            "Use up to 63 lower-case letters, digits, dots and dashes.",
        )


def _check(route: Route) -> None:
    check_name(route.name)
    for service in route.services:
        if not SERVICE.fullmatch(service):
            raise UsageError(f"{service!r} cannot name a gRPC service of {route.name}.")
    for model in route.models:
        if not model or not model.isprintable():
            raise UsageError(f"{model!r} cannot name a model of {route.name}.")
    dns = [f"{group.dns.host}:{group.dns.port}" for group in route.groups if group.dns]
    for address in (*dns, *(a for group in route.groups for a in group.addresses)):
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"{address!r} is no address for the application {route.name}.")


def _global(options: EdgeOptions) -> list[str]:
    """Sockets are relative to the edge's folder: a socket's path is limited to 107 bytes.

    The buffer holds a whole photo of some 65 KB: a call whose replica is slow to read then does
    not keep the other calls of its connection waiting, and may be retried. A photo of some
    hundred kilobytes passes the window without a round trip each 64 KB. Callers' connections share
    none to a replica (`http-reuse safe`): one that is slow to read would hold up the others there.
    """
    limits = options.limits
    return [
        "global",
        f"  stats socket unix@{ADMIN_SOCKET} mode 600 level admin expose-fd listeners",
        f"  hard-stop-after {limits.drain_s}s",
        f"  maxconn {limits.connections}",
        "  tune.bufsize 98304",
        f"  tune.http.maxhdr {MOST_HEADERS}",
        "  tune.h2.max-frame-size 16384",
        "  tune.h2.fe.initial-window-size 1048576",
        f"  tune.h2.fe.max-concurrent-streams {limits.streams}",
        f"  tune.h2.fe.glitches-threshold {limits.glitches}",
        *(["  log stdout format raw local0 warning"] if options.log_stdout else []),
        "",
    ]


def _defaults(options: EdgeOptions) -> list[str]:
    limits = options.limits
    return [
        "defaults",
        "  mode http",
        "  timeout connect 500ms",
        f"  timeout http-request {limits.start_s}s",
        f"  timeout http-keep-alive {limits.idle_s}s",
        f"  timeout client {limits.client_s}s",
        f"  timeout server {limits.server_s}s",
        "  timeout queue 10s",
        "  timeout check 3s",
        "  retry-on conn-failure empty-response",
        "  http-reuse safe",
        "  option http-no-delay",
        "  option clitcpka",
        "  option srvtcpka",
        *(["  log global"] if options.log_stdout else []),
        *health_check(),
        *error_rules(),
        "",
    ]


def _frontend(options: EdgeOptions) -> list[str]:
    secured = ""  # HTTP/2 by its preface; one that says nothing at all is ended by `http-request`
    if tls := options.tls:
        asked = f" ca-file {tls.client_ca} verify required" if tls.client_ca else ""
        secured = f" ssl crt {tls.certificate} alpn h2 ssl-min-ver TLSv1.2{asked}"
    outer, inner = f"{options.host}:{options.port}", f"127.0.0.1:{options.inner_port}"
    if options.listening:
        outer, inner = (f"fd@{descriptor}" for descriptor in options.listening)
    return [
        "frontend grpc",
        "  backlog 4096",
        f"  bind {outer}{secured} name outer",
        *([f"  bind {inner} name inner"] if options.inner_port else []),
    ]


def _status(options: EdgeOptions) -> list[str]:
    """Metrics for Prometheus, and the edge's own health for Kubernetes."""
    if options.metrics_port is None:
        return []
    return [
        "frontend status",
        f"  bind {options.host}:{options.metrics_port}",
        "  monitor-uri /healthz",
        "  http-request use-service prometheus-exporter if { path /metrics }",
        "  http-request return status 404",
        "",
    ]


def _tail() -> list[str]:
    deploy = "No application is deployed. Deploy one with striate deploy."
    return [
        "backend no-application",
        # A pushback below zero is gRPC's way to say that trying again is no use.
        refusal("UNAVAILABLE", deploy, headers={PUSHBACK: NO_RETRY}),
    ]
