"""Keeps the store in which torch's workers find each other on loopback, where they all are there.

`torch.distributed.TCPStore` asks nobody for anything and listens on every interface, whatever
address it is given. It takes a socket that listens already, but `init_process_group` passes none.
"""

import socket
from importlib import import_module
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from striate.core.addresses import is_loopback


def keep_store_near() -> None:
    """Have this process's `init_process_group` listen at the address of the store alone.

    Only where that address is loopback's: on a cluster, its network is what guards the store.
    """
    vars(import_module("torch.distributed.rendezvous"))["TCPStore"] = open_store


def open_store(**options: Any) -> TCPStore:
    """What `TCPStore` makes of the same options, without a socket on other interfaces."""
    host, port = options["host_name"], options["port"]
    if options.get("is_master") and is_loopback(host):
        listener = socket.create_server((host, port), family=_family(host), backlog=128)
        options["master_listen_fd"] = listener.detach()  # the store closes it
    return TCPStore(**options)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
