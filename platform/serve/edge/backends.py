"""The edge's backends: where the replicas of each application are, and how they are watched."""

from collections.abc import Sequence

from striate.serve.common.service_spec import ServiceSpec
from striate.serve.edge.access_rules import stream_paths
from striate.serve.edge.options import EdgeOptions
from striate.serve.edge.routing import ReplicaGroup, Route

# One refused connection marks a replica as down until it answers a check: a call that is tried
# again must not spend its tries there, one right after the other.
SERVER = (
    "proto h2 check check-proto none inter 1s fastinter 250ms downinter 500ms fall 2 rise 1"
    " observe layer4 error-limit 1 on-error mark-down"
)
RESOLVERS = "dns"


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


def health_check() -> list[str]:
    """Ask each replica for its health, as gRPC does.

    ``grpc.health.v1.Health/Check`` in HTTP/2 frames: preface, empty SETTINGS, HEADERS of stream 1
    (POST, http, path, authority, content-type, te), DATA with an empty message. SERVING comes back
    as the five bytes of gRPC's prefix and the message 08 01, NOT_SERVING as 08 02; once either is
    there, `min-recv` makes its difference from the former conclusive.
    """
    return [
        "  option tcp-check",
        "  tcp-check connect",
        "  tcp-check send-binary 505249202a20485454502f322e300d0a0d0a534d0d0a0d0a",
        "  tcp-check send-binary 000000040000000000",
        f"  tcp-check send-binary {_HEADERS}",
        "  tcp-check send-binary 0000050001000000010000000000",
        "  tcp-check expect rbinary 0000000002080[1-3]",
        "  tcp-check expect min-recv 1 binary 00000000020801",
    ]


_HEADERS = (
    "0000490104000000018386041c2f677270632e6865616c74682e76312e4865616c74682f436865636b01077265706c"
    "6963610f10106170706c69636174696f6e2f677270630002746508747261696c657273"
)


def resolver_rules(routes: Sequence[Route]) -> list[str]:
    """Where replicas are found by DNS: how it is asked.

    Old addresses are kept for a while, so that a gap between two clusters drops nothing.
    """
    found = [group.dns for route in routes for group in route.groups if group.dns]
    if not found:
        return []
    asked = dict.fromkeys(server for dns in found for server in dns.nameservers)
    servers = [f"  nameserver dns{place} {server}" for place, server in enumerate(asked)]
    return [
        f"resolvers {RESOLVERS}",
        *(servers or ["  parse-resolv-conf"]),
        "  accepted_payload_size 8192",
        "  resolve_retries 3",
        "  timeout resolve 1s",
        "  timeout retry 1s",
        "  hold valid 1s",
        "  hold nx 10s",
        "  hold obsolete 10s",
        "  hold other 30s",
        "  hold refused 30s",
        "  hold timeout 30s",
        "",
    ]


def backend_rules(route: Route, options: EdgeOptions, specs: Sequence[ServiceSpec]) -> list[str]:
    """The stable version's replicas, held calls among them, and the canary's.

    A call that finds no living replica goes to the server `hold`, fails to connect within the half
    second of ``timeout connect``, and goes to a replica if one has come by then. The supervisor's
    socket there never answers SOCKS4's greeting. Without it nobody listens (tcpmux, a privileged
    port), and HAProxy itself waits that long, except with a call that a dying replica dropped.
    """
    silent = f" socks4 127.0.0.1:{options.hold_port}" if options.hold_port else ""
    held = options.limits.held
    hold = f"  server hold 127.0.0.1:1 backup maxconn {held}{silent}"
    return [
        f"backend app-{route.name}",
        *_balanced(route, options, specs),
        *_servers(route.stable),
        *([hold] if held else []),
        "",
        f"backend canary-{route.name}",
        *_balanced(route, options, specs),
        *_servers(route.canary),
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


def _servers(group: ReplicaGroup) -> list[str]:
    known = [_server(address) for address in group.addresses]
    if (dns := group.dns) is None:
        return known
    place = f"{dns.most} {dns.host}:{dns.port}"
    return [
        *known,
        f"  server-template replica {place} {SERVER} resolvers {RESOLVERS} init-addr none",
    ]


def _server(address: str) -> str:
    return f"  server {server_name(address)} {address} {SERVER}"
