"""A development certificate: an authority of this platform's own, and a server certificate by it.

Callers trust the authority's certificate (``ca.pem``); its key signs the server's, and callers'
own where the edge asks for them. Every file is readable by this user alone.
"""

import datetime
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from striate.core.errors import PlatformError
from striate.core.files import write_atomic

CA_DAYS = 3650
SERVER_DAYS = 90
RENEW_DAYS = 30
"""A server certificate that ends in less than this is made anew."""
TLS_FOLDER = "tls"
"""Where the files lie in the edge's folder."""
CA_FILE, CA_KEY_FILE, SERVER_FILE = "ca.pem", "ca.key", "server.pem"
_BACK = datetime.timedelta(hours=1)  # clocks of callers may be late


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """Both in one PEM, as HAProxy reads them."""
        return self.certificate_pem + self.key_pem

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM, PKCS 8, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def ensure_certificates(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Make an authority and a server certificate where they are missing or near their end.

    The authority stays as long as it can, so that callers need to learn it once.

    Args:
        folder: where the files lie.
        names: host names and addresses that the server is reached by.

    Returns:
        The server's file (certificate and key), and the authority's certificate.

    Raises:
        PlatformError: a file that is there cannot be read as what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _read(folder / CA_FILE, folder / CA_KEY_FILE)
    if authority is None or _left(authority.certificate).days < SERVER_DAYS:
        authority = make_authority("Striate development authority")
        write_atomic(folder / CA_KEY_FILE, authority.key_pem, mode=0o600)
        write_atomic(folder / CA_FILE, authority.certificate_pem, mode=0o600)
    server = _read(folder / SERVER_FILE, folder / SERVER_FILE)
    if server is None or not _serves(server.certificate, authority, names):
        write_atomic(folder / SERVER_FILE, issue(authority, names).pem, mode=0o600)
    return folder / SERVER_FILE, folder / CA_FILE


def make_authority(name: str) -> KeyPair:
    """A new authority: it signs itself, and what it signs can sign nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_named(name), _named(name), key, CA_DAYS)
    usage = _usage(signs_certificates=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    return KeyPair(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: KeyPair, names: Sequence[str], days: int | None = None, *, client: bool = False
) -> KeyPair:
    """A certificate by an authority: for a server of these names, or for a caller of that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.subject
    role = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = _builder(_named(names[0]), issuer, key, SERVER_DAYS if days is None else days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([role]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(names)), False)
    builder = builder.add_extension(signer, critical=False)
    return KeyPair(builder.sign(authority.key, hashes.SHA256()), key)


def names_of(host: str) -> list[str]:
    """What a server that listens on `host` is reached by."""
    return list(dict.fromkeys(["localhost", "127.0.0.1", host, socket.gethostname()]))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _BACK,
        not_valid_after=now + datetime.timedelta(days=days),
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(certificate: x509.Certificate, authority: KeyPair, names: Sequence[str]) -> bool:
    """Whether a certificate is the authority's, for these names, and not near its end."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # another authority's, or none of ours: cryptography has no common error
        return False
    return set(_alternatives(names)) <= set(held) and _left(certificate).days >= RENEW_DAYS


def _left(certificate: x509.Certificate) -> datetime.timedelta:
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)


def _read(certificate_file: Path, key_file: Path) -> KeyPair | None:
    if not certificate_file.is_file() or not key_file.is_file():
        return None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except ValueError:
        raise PlatformError(
            f"{certificate_file} or {key_file.name} beside it is damaged.", "Remove both."
        ) from None
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return KeyPair(certificate, key)
