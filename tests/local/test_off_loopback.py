"""`striate up --host ADDRESS`, in a network of its own: every port, without credentials."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from striate.core.files import write_atomic

pytestmark = pytest.mark.e2e
ADDRESS = "10.77.0.1"
KNOCK = Path(__file__).with_name("knock.py")


@pytest.fixture
def network() -> Iterator[str]:
    """The name of a network namespace with loopback and `ADDRESS`."""
    name = f"st-{os.getpid()}"
    if shutil.which("ip") is None:
        pytest.skip("the command ip is not installed")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no network namespace may be made here: {made.stderr.strip()}")
    try:
        for words in ("link set lo up", f"address add {ADDRESS}/24 dev lo"):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: Ray's sockets lie under it."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_no_port_but_the_edges_answers_off_loopback(
    network: str, home: Path, newcomer: Callable[[Path], dict[str, str]]
) -> None:
    tokens = home / "tokens.map"
    write_atomic(tokens, b"", mode=0o600)
    script = str(Path(sys.executable).with_name("striate"))

    def inside(*command: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", network, *command],
            env=newcomer(home), capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        options = ["--host", ADDRESS, "--tls", "--token-file", str(tokens)]
        state = json.loads(inside(script, "up", *options, "--json"))
        host, _, port = state["addresses"]["grpc_address"].rpartition(":")
        assert host == ADDRESS
        authority = state["addresses"]["grpc_ca"]
        found = json.loads(inside(sys.executable, str(KNOCK), ADDRESS, port, authority))
        assert found["listening"] > 5
        assert found["open"] == [int(port)]
        assert not found["plain"].startswith("HTTP/")
        assert found["status"] == "UNAUTHENTICATED"
        assert "ssh -N -L" in inside(script, "up")  # again, where nothing changes
        inside(script, "status")  # what uses loopback finds all of it
    finally:
        inside(script, "down")
