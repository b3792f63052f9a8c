"""Workers of one machine find each other without a socket on any other interface."""

import ipaddress
import json
import os
import socket
import subprocess
import sys

import pytest

from striate.local.engines import environment

pytestmark = pytest.mark.unit

# Both ranks as Ray Train starts them; each prints where it listens, and the sum over both.
WORKER = """
import json, psutil, torch, torch.distributed as dist
from striate.train.distributed.near_store import keep_store_near
keep_store_near()
dist.init_process_group("gloo", init_method="env://")
total = torch.ones(1)
dist.all_reduce(total)
heard = [c.laddr.ip for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"]
dist.barrier()
print(json.dumps({"total": float(total), "heard": heard}))
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_workers_meet_on_loopback_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": "2"}
    home = tmp_path_factory.mktemp("home")
    variables = environment(os.environ, home, "mark")  # as the local platform's processes have it
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={**variables, **meeting, "RANK": str(rank)}, stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]
    assert [one["total"] for one in said] == [2.0, 2.0]
    heard = [ipaddress.ip_address(ip) for one in said for ip in one["heard"]]
    assert len(heard) >= 3  # the store, and each rank for its peers
    assert all(ip.is_loopback for ip in heard)
