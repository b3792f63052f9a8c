"""The edge's configuration as a pure function of what is deployed.

HAProxy speaks HTTP/2 on both sides and never parses a message: it routes by the metadata key
`striate-app`, retries what no replica has seen, and answers in gRPC's own terms when there is
nobody to ask.
"""

import re
from collections.abc import Mapping, Sequence

from striate.core.errors import UsageError

ADMIN_SOCKET = "admin.sock"
APP_KEY = "striate-app"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

# Sockets are relative to the edge's folder, where HAProxy runs: a socket's path is limited to
# 107 bytes. The windows let a photo of some hundred kilobytes pass without a round trip each 64 KB.
_HEAD = f"""\
global
  stats socket unix@{ADMIN_SOCKET} mode 600 level admin expose-fd listeners
  hard-stop-after 60s
  tune.h2.fe.initial-window-size 1048576
  tune.h2.fe.max-concurrent-streams 1024

defaults
  mode http
  timeout connect 1s
  timeout client 10m
  timeout server 60s
  timeout queue 10s
  retries 10
  retry-on conn-failure empty-response
  http-reuse always
  option http-no-delay
  http-error status 502 hdr grpc-status 14 hdr grpc-message "No replica answers."
  http-error status 503 hdr grpc-status 14 hdr grpc-message "No replica answers."
  http-error status 504 hdr grpc-status 4 hdr grpc-message "No replica answered in time."
"""

# A pushback below zero is gRPC's way to say that trying again is no use.
_TAIL = """\
backend no-application
  http-after-response set-header content-type application/grpc
  http-request return status 200 hdr grpc-status 14 hdr grpc-retry-pushback-ms -1 \
hdr grpc-message "No application is deployed. Deploy one with striate deploy."

backend unknown-application
  http-after-response set-header content-type application/grpc
  http-request return status 200 hdr grpc-status 5 \
hdr grpc-message "There is no application named %[req.hdr(striate-app),url_enc]."
"""


def config_text(routes: Mapping[str, Sequence[str]], host: str, port: int) -> str:
    """HAProxy's configuration for these applications.

    Args:
        routes: addresses (`host:port`) by application; the first application is the default.
        host: address that the edge listens on.
        port: port that the edge listens on.

    Raises:
        UsageError: an application's name or an address cannot stand in the configuration.
    """
    for name, addresses in routes.items():
        check_name(name)
        _check_addresses(name, addresses)
    backends = [_backend(name, addresses) for name, addresses in routes.items()]
    return "\n".join([_HEAD, _frontend(list(routes), host, port), *backends, _TAIL])


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


def _check_addresses(name: str, addresses: Sequence[str]) -> None:
    for address in addresses:
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+:\d+", address):
            raise UsageError(f"{address!r} is no address for the application {name}.")


def _frontend(names: Sequence[str], host: str, port: int) -> str:
    asked = f"req.hdr({APP_KEY}) -m"
    rules = [f"  use_backend app-{name} if {{ {asked} str {name} }}" for name in names]
    unknown = f"  use_backend unknown-application if {{ {asked} found }}"
    default = f"app-{names[0]}" if names else "no-application"
    lines = ["frontend grpc", f"  bind {host}:{port} proto h2", *rules]
    return "\n".join([*lines, *([unknown] if names else []), f"  default_backend {default}", ""])


def _backend(name: str, addresses: Sequence[str]) -> str:
    """A lone address is not checked: a call then waits for its replica to come back."""
    check = " check inter 1s fall 2 rise 1" if len(addresses) > 1 else ""
    servers = [f"  server r{i} {address} proto h2{check}" for i, address in enumerate(addresses)]
    return "\n".join(
        [f"backend app-{name}", "  balance leastconn", "  option redispatch 1", *servers, ""]
    )
