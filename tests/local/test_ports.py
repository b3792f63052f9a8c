"""Two that choose ports at the same moment do not choose the same one."""

import socket
import subprocess
import sys

import pytest

from striate.core.errors import PlatformError
from striate.local import ports

pytestmark = pytest.mark.unit

CHOOSE = """
import sys
from striate.local import ports
print(ports.pick("ray", "127.0.0.1", int(sys.argv[1]), None, set()), flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_chose_a_moment_ago_is_not_chosen_again() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHOOSE, str(port := _free())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as first:  # fmt: skip
        assert first.stdout is not None and first.stdin is not None
        assert int(first.stdout.readline()) == port
        assert ports.pick("ray", "127.0.0.1", port, None, set()) != port
        with pytest.raises(PlatformError, match=f"The port {port} for ray is taken"):
            ports.pick("ray", "127.0.0.1", port, port, set())
        first.stdin.close()
    assert ports.pick("ray", "127.0.0.1", port, None, set()) == port  # it went with its process
    assert ports.pick("ray", "127.0.0.1", port, None, set()) == port  # and is this one's own


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
