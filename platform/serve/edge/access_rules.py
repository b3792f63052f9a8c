"""The edge's rules on who may call what, and on how much a call may carry.

Which scope a method needs, and which methods stream, is said by the service's declaration
(`striate.serve.common.service_table`). The health of one service and reflection take any valid
token; a service that nobody declares takes the scope `admin`.
"""

from collections.abc import Iterable, Sequence

from striate.serve.common.limits import (
    HEAD_BYTES,
    METADATA_BYTES,
    METADATA_ENTRIES,
    PREFIX_BYTES,
)
from striate.serve.common.metadata import (
    AUTHORIZATION,
    CALLER_KEY,
    EDGE_KEY,
    HEALTH,
    NO_RETRY,
    PUSHBACK,
    REFLECTION,
)
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.common.service_table import ADMIN
from striate.serve.edge.constants import (
    TOKENS_FILE,
    methods,
    refusal,
)
from striate.serve.edge.options import EdgeOptions

ANY_SCOPE = (HEALTH, *REFLECTION)
RETRY_MS = 1000
GRPC_HEADERS = 8
"""The host, content-type, te, user-agent, timeout and three encodings: of gRPC itself."""

_NO_TOKEN = "A valid bearer token is needed."
_NO_SCOPE = "The token does not allow this method, which needs the scope %[var(txn.scope)]."
_NO_MESSAGE = "The call has no message."
_TOO_MANY = "The token's rate of calls is used up."


def stream_paths(specs: Iterable[ServiceSpec]) -> str:
    """Paths whose callers need not send a message at once, and may stay silent for long."""
    standard = (
        f"/{HEALTH}/Watch",
        *(f"/{service}/ServerReflectionInfo" for service in REFLECTION),
    )
    return " ".join((*standard, *(path for spec in specs for path in spec.stream_paths)))


def entry_rules(key: str | None, specs: Iterable[ServiceSpec], *, inner: bool) -> list[str]:
    """Take gRPC alone, with metadata of a sane size.

    The inner port, where there is one, serves whoever shows the edge's key.
    """
    too_long = f"The metadata are over the {METADATA_BYTES} bytes that are allowed."
    too_many = f"There are over {METADATA_ENTRIES} metadata, which is what is allowed."
    inside = ["  acl inside so_name -m str inner"]
    proof = [f"  http-request reject if inside !{{ req.hdr({EDGE_KEY}) -m str {key} }}"]
    return [
        "  acl grpc req.hdr(content-type) -m beg application/grpc",
        f"  acl streams path {stream_paths(specs)}",
        *inside,
        "  http-request reject if { req.ver -m beg 1 }",
        "  http-request return status 415 if !{ method POST } || !grpc",
        refusal(
            "RESOURCE_EXHAUSTED",
            too_long,
            f"if {{ req.hdrs,length -m int gt {METADATA_BYTES} }}",
            {PUSHBACK: NO_RETRY},
        ),
        refusal(
            "RESOURCE_EXHAUSTED",
            too_many,
            f"if {{ req.fhdr_cnt gt {METADATA_ENTRIES + GRPC_HEADERS} }}",
            {PUSHBACK: NO_RETRY},
        ),
        *(proof if inner else []),
    ]


def access_rules(options: EdgeOptions, key: str | None, specs: Sequence[ServiceSpec]) -> list[str]:
    """Let a call pass that shows a valid token of the right scope.

    The health of the edge as a whole, which is that of no service by name, needs none: load
    balancers ask for it. A replica sees the token's name, and never the token.
    """
    if options.token_file is None:
        return _away(key)
    return [
        *_token_rules(options.limits.start_s),
        *_scope_rules(specs),
        *_rate_rules(),
        *_away(key),
        # Once a name that the caller gave is gone.
        f"  http-request set-header {CALLER_KEY} %[var(txn.name)] if live",
    ]


def size_rules(options: EdgeOptions) -> list[str]:
    """Wait for the head of the message, and refuse one over the limit before the rest comes.

    A call that ends without a message is refused, too: `grpc.aio` waits for one as long as the
    caller does, and is not told that none will come.
    """
    limit = options.limits.message_bytes
    too_long = f"if !streams {{ req.body,bytes(1,4),be2dec(,4) -m int gt {limit} }}"
    sentence = f"The message is over the {limit} bytes that are allowed."
    wait = f"time {options.limits.start_s}s at-least {HEAD_BYTES}"
    return [
        f"  http-request wait-for-body {wait} if !streams",
        refusal(
            "INVALID_ARGUMENT", _NO_MESSAGE, f"if !streams {{ req.body_len lt {PREFIX_BYTES} }}"
        ),
        refusal("RESOURCE_EXHAUSTED", sentence, too_long, {PUSHBACK: NO_RETRY}),
    ]


def _token_rules(start_s: int) -> list[str]:
    """The token's entry is `name|,scope,…,|expiry in Unix seconds|calls a second, or 0`."""
    digest = f"req.hdr({AUTHORIZATION}),word(2,' '),sha2(256),hex,lower"
    fields = {"name": 1, "scopes": 2, "expires": 3, "rate": 4}
    taken = [
        f"  http-request set-var(txn.{name}) var(txn.token),field({number},|) if known"
        for name, number in fields.items()
    ]
    return [
        f"  acl check path /{HEALTH}/Check",
        f"  acl bearer req.hdr({AUTHORIZATION}),word(1,' ') -m str -i bearer",
        "  acl known var(txn.token) -m found",
        "  acl live var(txn.expires),sub(txn.now) -m int gt 0",
        f"  http-request set-var(txn.token) {digest},map_str({TOKENS_FILE}) if bearer !inside",
        *taken,
        "  http-request set-var(txn.now) date",
        f"  http-request wait-for-body time {start_s}s at-least 6 if check !inside",
        "  http-request set-var(txn.open) bool(true) if check { req.body,hex -m str 0000000000 }",
        "  acl open var(txn.open) -m bool",
        refusal("UNAUTHENTICATED", _NO_TOKEN, "if !inside !open !live"),
    ]


def _scope_rules(specs: Sequence[ServiceSpec]) -> list[str]:
    """The last rule that sets the scope is the narrowest: a method's behind its service's."""
    scopes = dict.fromkeys(scope for spec in specs for scope in spec.scopes)
    of_services = {scope: [spec.name for spec in specs if spec.scope == scope] for scope in scopes}
    of_methods = [
        (scope, spec.path(method)) for spec in specs for method, scope in spec.method_scopes.items()
    ]
    needed = [
        _need(ADMIN),
        *(_need(scope, f"if {methods(*names)}") for scope, names in of_services.items() if names),
        *(_need(scope, f"if {{ path {path} }}") for scope, path in of_methods),
    ]
    allowed = [
        f"  http-request set-var(txn.allowed) bool(true) if {{ var(txn.scope) -m str {scope} }}"
        f" {{ var(txn.scopes) -m sub ,{scope}, }}"
        for scope in scopes
    ]
    return [
        *needed,
        *allowed,
        "  acl allowed var(txn.allowed) -m bool",
        f"  acl admin var(txn.scopes) -m sub ,{ADMIN},",
        f"  acl any-scope path -m beg {' '.join(f'/{service}/' for service in ANY_SCOPE)}",
        refusal("PERMISSION_DENIED", _NO_SCOPE, "if !inside !open !allowed !admin !any-scope"),
    ]


def _need(scope: str, condition: str = "") -> str:
    return f"  http-request set-var(txn.scope) str({scope}) {condition}".rstrip()


def _rate_rules() -> list[str]:
    """Refused calls are not counted, so that a token gets its rate however hard it tries."""
    over = "{ var(txn.rate) -m int gt 0 } { sc_gpc0_rate(0),sub(txn.rate) -m int ge 0 }"
    return [
        "  stick-table type string len 64 size 100k expire 1m store gpc0,gpc0_rate(1s)",
        "  http-request track-sc0 var(txn.name) if known",
        refusal("RESOURCE_EXHAUSTED", _TOO_MANY, f"if known {over}", {PUSHBACK: str(RETRY_MS)}),
        "  http-request sc-inc-gpc0(0) if known",
    ]


def _away(key: str | None) -> list[str]:
    """A caller cannot pass for the edge or for another caller, and a replica sees no token."""
    shown = f"set-header {EDGE_KEY} {key}" if key else f"del-header {EDGE_KEY}"
    return [
        f"  http-request {shown}",
        f"  http-request del-header {AUTHORIZATION}",
        f"  http-request del-header {CALLER_KEY}",
    ]
