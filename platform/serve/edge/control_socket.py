"""Commands to HAProxy over its control sockets: the master's, and the worker's for its servers."""

import os
import socket
from pathlib import Path

from striate.core.retry import Backoff, retry

MASTER_SOCKET = "master.sock"
_ANSWER_S = 10.0
_BACKOFF = Backoff.constant(0.02)


def command(folder: Path, name: str, text: str, patience_s: float = 5.0) -> str:
    """The answer of the process behind a socket in the edge's folder.

    HAProxy starts itself anew at each load, and is deaf for a moment then.

    Raises:
        OSError: nobody listens, or who listens stays deaf.
    """

    def attempt() -> str:
        if answer := _asked(folder, name, text):
            return answer
        raise TimeoutError("the edge's control socket gives no answer")

    def may_listen_later(error: Exception) -> bool:
        return not isinstance(error, FileNotFoundError)

    return retry(attempt, patience_s, (OSError,), _BACKOFF, worth=may_listen_later)


def _asked(folder: Path, name: str, text: str) -> str:
    """One exchange; the socket is reached through the folder's descriptor.

    Its path may be over the limit of a socket's.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(_ANSWER_S)
            channel.connect(f"/proc/self/fd/{descriptor}/{name}")
            channel.sendall(text.encode() + b"\n")
            channel.shutdown(socket.SHUT_WR)  # the end of the commands: HAProxy answers and closes
            return b"".join(iter(lambda: channel.recv(65536), b"")).decode(errors="replace")
    finally:
        os.close(descriptor)
