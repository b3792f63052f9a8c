"""How an edge listens: address, TLS, tokens, and the bounds that it holds callers to."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.core.numbers import Amount, Count, Port
from striate.serve.common.limits import Limits

_LONGEST_S = 2_000_000
"""HAProxy counts milliseconds in 31 bits."""


class EdgeLimits(BaseModel):
    """Bounds that keep one caller from harming the others.

    Attributes:
        message_bytes: largest message; a longer first one is refused before it has arrived.
        connections: most connections at a time; one more waits to be accepted.
        streams: most calls at a time on one connection (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113,
            section 6.5.2).
        glitches: protocol oddities (needless frames, resets, empty headers) after which a
            connection is closed.
        start_s: how long a connection may take to send its first call, half-open ones included,
            and a call to send the head of its message.
        client_s: how long a call may wait for its caller to read or write.
        server_s: how long a call may wait for its replica.
        stream_s: the same for calls that are streams.
        idle_s: how long a connection without calls is kept.
        drain_s: how long calls in flight may take when the edge ends.
        held: most calls that wait for an application without a living replica; with 0 they are
            refused at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_bytes: Count = Limits().message_bytes
    connections: int = Field(default=4096, ge=1, le=1_000_000)
    streams: Count = 256
    glitches: Count = 1000
    start_s: int = Field(default=10, ge=1, le=_LONGEST_S)
    client_s: int = Field(default=120, ge=1, le=_LONGEST_S)
    server_s: int = Field(default=60, ge=1, le=_LONGEST_S)
    stream_s: int = Field(default=3600, ge=1, le=_LONGEST_S)
    idle_s: int = Field(default=600, ge=1, le=_LONGEST_S)
    drain_s: int = Field(default=60, ge=0, le=_LONGEST_S)
    held: Amount = 1024


class EdgeTls(BaseModel):
    """TLS towards callers.

    Attributes:
        certificate: PEM file with the certificate, its chain, and its private key.
        client_ca: PEM file with the authority that callers' certificates must come from; None
            asks for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path
    client_ca: Path | None = None


class EdgeOptions(BaseModel):
    """How an edge listens.

    Attributes:
        host: interface for callers.
        port: port for callers.
        inner_port: port on loopback for probes that present the edge's key; None for none.
        hold_port: port on loopback whose connections are never accepted, where calls wait for a
            replica; None where nobody keeps one: such calls are refused, and try again.
        listening: descriptors of the sockets behind `port` and `inner_port` that HAProxy inherits;
            None lets it open them.
        tls: None speaks plain text.
        token_file: the file that `striate.serve.edge.tokens` keeps; None asks for no token.
        limits: bounds.
        metrics_port: where Prometheus reads metrics, and ``/healthz`` tells that the edge runs;
            None for nowhere.
        log_stdout: whether warnings go to HAProxy's standard output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Port
    inner_port: Port | None = None
    hold_port: Port | None = None
    listening: tuple[Amount, Amount] | None = None
    tls: EdgeTls | None = None
    token_file: Path | None = None
    limits: EdgeLimits = EdgeLimits()
    metrics_port: Port | None = None
    log_stdout: bool = False


class EdgeState(EdgeOptions):
    """A started edge.

    Attributes:
        pid: the process that keeps HAProxy running.
    """

    pid: Amount
