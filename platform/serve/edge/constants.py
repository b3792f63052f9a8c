"""What the edge's configuration is made of: names of files, words, and answers in gRPC's terms."""

from collections.abc import Mapping

import grpc

ADMIN_SOCKET = "admin.sock"
SHARES_FILE = "shares.map"
TOKENS_FILE = "tokens.map"
LIVING_FILE = "replicas.json"
DRAINING_FILE = "draining.json"


# HAProxy's own errors in gRPC's terms.
_ERRORS = {
    400: ("INTERNAL", "The request is malformed."),
    408: ("DEADLINE_EXCEEDED", "The request did not arrive in time."),
    500: ("INTERNAL", "The edge failed on this request."),
    502: ("UNAVAILABLE", "No replica answers."),
    503: ("UNAVAILABLE", "No replica answers."),
    504: ("DEADLINE_EXCEEDED", "No replica answered in time."),
}


def refusal(
    status: str, sentence: str, condition: str = "", headers: Mapping[str, str] | None = None
) -> str:
    """A rule that answers a call with a gRPC status; `sentence` may hold HAProxy's expressions."""
    more = "".join(f" hdr {name} {value}" for name, value in (headers or {}).items())
    answer = f'hdr grpc-status {_number(status)} hdr grpc-message "{sentence}"'
    return f"  http-request return status 200 {answer}{more} {condition}".rstrip()


def error_rules() -> list[str]:
    """Answers to what HAProxy itself finds wrong."""
    return [
        f"  http-error status {code} hdr grpc-status {_number(status)}"
        f' hdr grpc-message "{sentence}"'
        for code, (status, sentence) in _ERRORS.items()
    ]


def answer_rules() -> list[str]:
    """Make the edge's own answers gRPC's Trailers-Only: HTTP 200, its content type, no body."""
    own = "{ res.hdr(grpc-status) -m found } !{ res.hdr(content-type) -m found }"
    return [
        f"  http-after-response set-status 200 if {own}",
        f"  http-after-response set-header content-type application/grpc if {own}",
    ]


def backlog_rules() -> list[str]:
    """Tell a caller whom a replica turned away for its backlog that the call may be repeated.

    gRPC's servers answer calls above some thousand that no handler has taken yet with CANCELLED and
    no more words, as if the caller had cancelled: an honest one behind a flood of others' calls.
    """
    status, sentence = "UNAVAILABLE", "The replica has too many calls to take this one."
    no_words = "{ res.hdr(grpc-status) -m str 1 } { res.hdr(grpc-message) -m str CANCELLED }"
    turned_away = "{ var(txn.turned_away) -m bool }"
    return [
        f"  http-response set-var(txn.turned_away) bool(true) if {no_words}",
        f"  http-response set-header grpc-status {_number(status)} if {turned_away}",
        f"  http-response set-header grpc-message {quote(sentence)} if {turned_away}",
    ]


def methods(*services: str) -> str:
    """The condition that a call goes to one of these services."""
    return f"{{ path -m beg {' '.join(f'/{service}/' for service in services)} }}"


def quote(text: str) -> str:
    """`text` as one word of HAProxy's configuration."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _number(status: str) -> int:
    value: int = grpc.StatusCode[status].value[0]
    return value
