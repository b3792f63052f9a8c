"""The edge's configuration as a pure function of what is deployed.

HAProxy speaks HTTP/2 on both sides. It chooses the application by the metadata key `striate-app`,
else by the method's service, else (Open Inference Protocol, health) by the name at the head of
the message; it retries what no replica has seen, holds calls while an application has no living
replica, and answers in gRPC's own terms when there is nobody to ask.
"""

import re
from collections.abc import Sequence

from striate.core.errors import UsageError
from striate.serve.common.metadata import (
    APP_KEY,
    PUSHBACK,
)
from striate.serve.common.service_spec import SERVICE, ServiceSpec
from striate.serve.common.service_table import service_specs
from striate.serve.edge.access_rules import (
    access_rules,
    entry_rules,
    size_rules,
    stream_paths,
)
from striate.serve.edge.constants import (
    ADMIN_SOCKET,
    answer_rules,
    error_rules,
    refusal,
)
from striate.serve.edge.options import EdgeOptions
from striate.serve.edge.routing import ReplicaGroup, Route, route_rules, shares_text

__all__ = [
    "APP_KEY",
    "ReplicaGroup",
    "Route",
    "backends_of",
    "check_name",
    "config_text",
    "shares_text",
]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d+")
# One refused connection marks a replica as down until it answers a check: a call that is tried
# again must not spend its tries there, one right after the other.
SERVER = (
    "proto h2 check check-proto none inter 1s fastinter 250ms downinter 500ms fall 2 rise 1"
    " observe layer4 error-limit 1 on-error mark-down"
)


def config_text(routes: Sequence[Route], options: EdgeOptions, key: str) -> str:
    """HAProxy's configuration for these applications.

    Args:
        routes: the applications; the first one is the default.
        options: how the edge listens.
        key: what the edge shows to replicas, and probes show to the edge.

    Raises:
        UsageError: a name, service or address cannot stand in the configuration.
    """
    for route in routes:
        _check(route)
    specs = list_services(routes)
    frontend = [
        *_frontend(options),
        *answer_rules(),
        *entry_rules(key, specs, inner=options.inner_port is not None),
        *access_rules(options, key, specs),
        *size_rules(options),
        *route_rules(routes),
        "",
    ]
    backends = [line for route in routes for line in _backends(route, options, specs)]
    return "\n".join([*_head(options), *frontend, *backends, *_tail()]) + "\n"


def list_services(routes: Sequence[Route]) -> tuple[ServiceSpec, ...]:
    """Every service whose callers the edge must know the rules for.

    Those of an extension that only the deploying process has are known by their applications, so
    that every process which writes the configuration writes the same.
    """
    deployed = {spec.name: spec for route in routes for spec in route.declared}
    return tuple({**deployed, **service_specs()}.values())


def backends_of(routes: Sequence[Route]) -> dict[str, tuple[str, ...]]:
    """Addresses by backend, as `config_text` places them."""
    found: dict[str, tuple[str, ...]] = {}
    for route in routes:
        found[f"app-{route.name}"] = route.stable.addresses
        found[f"canary-{route.name}"] = route.canary.addresses
    return found


def server_name(address: str) -> str:
    """The name of a replica's server: its address, less the brackets of IPv6."""
    return address.replace("[", "").replace("]", "")


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
    for address in (address for group in route.groups for address in group.addresses):
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"{address!r} is no address for the application {route.name}.")


def _head(options: EdgeOptions) -> list[str]:
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
        "  tune.h2.max-frame-size 16384",
        "  tune.h2.fe.initial-window-size 1048576",
        f"  tune.h2.fe.max-concurrent-streams {limits.streams}",
        f"  tune.h2.fe.glitches-threshold {limits.glitches}",
        "",
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
        *_HEALTH_CHECK,
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


def _backends(route: Route, options: EdgeOptions, specs: Sequence[ServiceSpec]) -> list[str]:
    """The stable version's replicas, held calls among them, and the canary's.

    A call that finds no living replica goes to the server `hold`, fails to connect within the half
    second of ``timeout connect``, and goes to a replica if one has come by then. The supervisor's
    socket there never answers SOCKS4's greeting. Without it nobody listens (tcpmux, a privileged
    port), and HAProxy itself waits that long, except with a call that a dying replica dropped.
    """
    silent = f" socks4 127.0.0.1:{options.hold_port}" if options.hold_port else ""
    hold = f"  server hold 127.0.0.1:1 backup maxconn {options.limits.held}{silent}"
    return [
        f"backend app-{route.name}",
        *_balanced(route, options, specs),
        *map(_server, route.stable.addresses),
        hold,
        "",
        f"backend canary-{route.name}",
        *_balanced(route, options, specs),
        *map(_server, route.canary.addresses),
        "",
    ]


def _balanced(route: Route, options: EdgeOptions, specs: Sequence[ServiceSpec]) -> list[str]:
    streams = f"{{ path {stream_paths(specs)} }}"
    return [
        "  balance leastconn",
        f"  retries {2 * route.hold_s}",
        f"  http-request set-timeout server {options.limits.stream_s}s if {streams}",
        "  option redispatch 1",
    ]


def _server(address: str) -> str:
    return f"  server {server_name(address)} {address} {SERVER}"


def _tail() -> list[str]:
    deploy = "No application is deployed. Deploy one with striate deploy."
    return [
        "backend no-application",
        # A pushback below zero is gRPC's way to say that trying again is no use.
        refusal("UNAVAILABLE", deploy, headers={PUSHBACK: "-1"}),
    ]


# grpc.health.v1.Health/Check in HTTP/2 frames: preface, empty SETTINGS, HEADERS of stream 1 (POST,
# http, path, authority, content-type, te), DATA with an empty message. SERVING comes back as the
# five bytes of gRPC's prefix and the message 08 01, NOT_SERVING as 08 02; once either is there,
# `min-recv` makes its difference from the former conclusive.
_HEADERS = (
    "0000490104000000018386041c2f677270632e6865616c74682e76312e4865616c74682f436865636b01077265706c"
    "6963610f10106170706c69636174696f6e2f677270630002746508747261696c657273"
)
_HEALTH_CHECK = [
    "  option tcp-check",
    "  tcp-check connect",
    "  tcp-check send-binary 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a",
    "  tcp-check send-binary 000000040000000000",
    f"  tcp-check send-binary {_HEADERS}",
    "  tcp-check send-binary 0000050001000000010000000000",
    "  tcp-check expect rbinary 0000000002080[1-3]",
    "  tcp-check expect min-recv 1 binary 00000000020801",
]
