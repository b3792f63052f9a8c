"""The development certificate: made once, kept, renewed near its end."""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from striate.core.errors import PlatformError
from striate.serve.edge import certificates
from striate.serve.edge.certificates import ensure_certificates, names_of

pytestmark = pytest.mark.unit


def test_it_is_for_every_name_of_the_server_and_for_this_user_alone(tmp_path: Path) -> None:
    server, authority = ensure_certificates(tmp_path / "tls", names_of("192.0.2.7"))
    found = x509.load_pem_x509_certificate(server.read_bytes())
    alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in alternatives.get_values_for_type(x509.DNSName)
    addresses = {str(a) for a in alternatives.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "192.0.2.7"}
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.read_bytes()))
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "tls").iterdir()}
    assert modes == {0o600}


def test_it_stays_as_long_as_it_serves(tmp_path: Path) -> None:
    server, authority = ensure_certificates(tmp_path, ["localhost"])
    before = server.read_bytes(), authority.read_bytes()
    ensure_certificates(tmp_path, ["localhost"])
    assert (server.read_bytes(), authority.read_bytes()) == before
    ensure_certificates(tmp_path, ["localhost", "example.org"])
    assert server.read_bytes() != before[0]
    assert authority.read_bytes() == before[1]


def test_it_is_renewed_near_its_end_by_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "SERVER_DAYS", 20)
    server, authority = ensure_certificates(tmp_path, ["localhost"])
    known = authority.read_bytes()
    monkeypatch.setattr(certificates, "SERVER_DAYS", 90)
    old = server.read_bytes()
    ensure_certificates(tmp_path, ["localhost"])
    ends = x509.load_pem_x509_certificate(server.read_bytes()).not_valid_after_utc
    assert server.read_bytes() != old
    assert authority.read_bytes() == known
    assert ends - datetime.datetime.now(datetime.UTC) > datetime.timedelta(days=89)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    server, _ = ensure_certificates(tmp_path, ["localhost"])
    server.write_text("nonsense")
    with pytest.raises(PlatformError, match=r"server\.pem"):
        ensure_certificates(tmp_path, ["localhost"])
