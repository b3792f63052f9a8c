"""A channel to the edge: plain text, TLS or mTLS, and the token that goes with every call."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from striate.core.addresses import is_loopback
from striate.core.errors import UsageError
from striate.serve.common.limits import Limits
from striate.serve.common.metadata import bearer

KEEPALIVE_MS = 30_000
_HANDSHAKE_S = 2.0


@dataclass(frozen=True)
class ChannelSecurity:
    """How a caller and the edge know each other.

    Attributes:
        tls: encrypt the connection; a file given below says so too.
        ca: PEM file of the authority that the edge's certificate must come from; None trusts the
            machine's own authorities.
        certificate: PEM file of the caller's certificate, where the edge asks for one.
        key: PEM file of its private key.
        token: the bearer token, in the metadata of every call.
    """

    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection is TLS."""
        return self.tls or self.ca is not None or self.certificate is not None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return (bearer(self.token),) if self.token else ()


def open_channel(address: str, security: ChannelSecurity) -> grpc.Channel:
    """A channel to `host:port`; it connects when it is first used.

    Raises:
        UsageError: a file cannot be read, a certificate has no key, or a token would travel in
            plain text to another machine.
    """
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", Limits().message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ]
    if not security.encrypted:
        if security.token and not _is_near(address):
            raise UsageError(
                f"The token would go to {address} in plain text.", "Use TLS, for example by a CA."
            )
        return grpc.insecure_channel(address, options=options)
    if (security.certificate is None) != (security.key is None):
        raise UsageError("A certificate and its private key go together.", "Give both or none.")
    credentials = grpc.ssl_channel_credentials(
        _read(security.ca), _read(security.key), _read(security.certificate)
    )
    return grpc.secure_channel(address, credentials, options=options)


def speaks_tls(address: str) -> bool:
    """Whether a server at `host:port` takes a TLS handshake; whose it is does not matter here."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _HANDSHAKE_S) as plain:
            context.wrap_socket(plain).close()
    except (OSError, ValueError):  # ssl's own errors are OSErrors
        return False
    return True


def _is_near(address: str) -> bool:
    """Whether what is sent to an address, as gRPC takes it, stays on this machine."""
    return address.startswith("unix:") or is_loopback(address.rpartition(":")[0].strip("[]"))


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
