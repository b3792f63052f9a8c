"""How the local platform's gRPC edge is secured: TLS, callers' certificates, tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from striate.core.addresses import is_loopback
from striate.core.errors import UsageError
from striate.core.files import write_atomic
from striate.local.addresses import others_host

if TYPE_CHECKING:
    from striate.serve.edge.options import EdgeTls

GIVEN_FILE = "given.pem"


class EdgeSecurity(BaseModel):
    """What `striate up` was asked for.

    Attributes:
        tls: whether the edge speaks TLS.
        certificate: PEM file of the server's certificate and chain; None makes a development
            certificate.
        key: PEM file of its private key; None when `certificate` holds it too.
        client_ca: PEM file of the authority that callers' certificates must come from, or None.
        token_file: file of the tokens that callers need, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    token_file: Path | None = None

    @property
    def authority(self) -> str | None:
        """The file of the development authority in the edge's folder, where that is in use."""
        from striate.serve.edge.certificates import CA_FILE, TLS_FOLDER

        return f"{TLS_FOLDER}/{CA_FILE}" if self.tls and self.certificate is None else None


def check(security: EdgeSecurity, host: str | None, insecure: bool) -> None:
    """Refuse what would leave the edge open to a network, or that cannot be meant.

    Raises:
        UsageError: TLS or tokens are missing off loopback, or options contradict one another.
    """
    if security.client_ca and not security.tls:
        raise UsageError("--client-ca needs TLS.", "Add --tls.")
    if security.key and not security.certificate:
        raise UsageError("--tls-key needs its certificate.", "Add --tls-cert.")
    missing = [
        option
        for option, given in (("--tls", security.tls), ("--token-file", security.token_file))
        if not given
    ]
    if host is not None and not is_loopback(host) and missing and not insecure:
        raise UsageError(
            f"On {host} the gRPC edge must speak TLS and ask for tokens.",
            f"Add {' and '.join(missing)}, or type --insecure to open it to that network.",
        )


def tls_of(security: EdgeSecurity, host: str, folder: Path) -> "EdgeTls | None":
    """What the edge needs for TLS; a development certificate is made, or renewed near its end.

    Args:
        security: what was asked for.
        host: interface that the edge listens on.
        folder: the edge's folder.

    Raises:
        PlatformError: a development certificate that is there is damaged.
    """
    from striate.serve.edge.certificates import TLS_FOLDER, ensure_certificates, names_of
    from striate.serve.edge.options import EdgeTls

    if not security.tls:
        return None
    if security.certificate is None:
        certificate, _ = ensure_certificates(folder / TLS_FOLDER, names_of(others_host(host)))
    else:  # HAProxy reads certificate and key from one file
        parts = [security.certificate, *([security.key] if security.key else [])]
        certificate = folder / TLS_FOLDER / GIVEN_FILE
        write_atomic(certificate, b"\n".join(part.read_bytes() for part in parts), mode=0o600)
    return EdgeTls(certificate=certificate, client_ca=security.client_ca)
