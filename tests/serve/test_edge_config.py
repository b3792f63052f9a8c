"""The edge's configuration as a function of what is deployed."""

import subprocess
from pathlib import Path

import pytest

from striate.core.errors import UsageError
from striate.serve.edge import binary
from striate.serve.edge_config import config_text

pytestmark = pytest.mark.unit

ROUTES = {"photos": ("10.0.0.1:9100", "10.0.0.2:9100"), "digits.v2": ("127.0.0.1:9200",)}


def test_routes_by_name_and_falls_back_to_the_first() -> None:
    text = config_text(ROUTES, "127.0.0.1", 9000)
    assert "bind 127.0.0.1:9000 proto h2" in text
    assert "use_backend app-digits.v2 if { req.hdr(striate-app) -m str digits.v2 }" in text
    assert "use_backend unknown-application if { req.hdr(striate-app) -m found }" in text
    assert "default_backend app-photos" in text
    assert text.count("proto h2 check") == 2


def test_without_applications_everything_is_unavailable() -> None:
    text = config_text({}, "127.0.0.1", 9000)
    assert "default_backend no-application" in text
    assert "grpc-status 14" in text


@pytest.mark.parametrize("routes", [{}, ROUTES])
def test_haproxy_accepts_it(routes: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(config_text(routes, "127.0.0.1", 9000))
    result = subprocess.run([binary(), "-c", "-f", file.name], cwd=tmp_path, capture_output=True)
    assert result.returncode == 0, result.stderr
    assert b"WARNING" not in result.stderr


@pytest.mark.parametrize("name", ["", "Ä", "a b", "a\n", "x\nbackend y", "-a", "a" * 64])
def test_a_name_cannot_write_configuration(name: str) -> None:
    with pytest.raises(UsageError):
        config_text({name: ("127.0.0.1:1",)}, "127.0.0.1", 9000)


@pytest.mark.parametrize("address", ["", "host", "host:port", "h:1 check\n"])
def test_an_address_cannot_write_configuration(address: str) -> None:
    with pytest.raises(UsageError):
        config_text({"photos": (address,)}, "127.0.0.1", 9000)
