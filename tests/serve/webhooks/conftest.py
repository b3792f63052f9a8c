"""Receivers that are real HTTP servers, and stores whose events they are told of."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks.config import Webhook, Webhooks
from striate.serve.webhooks.signature import make_secret

HANG = "hang"
ENDLESS = "endless"
PATIENCE_S = 30


@dataclass(frozen=True)
class Posted:
    """What a receiver was sent."""

    path: str
    headers: dict[str, str]
    body: bytes


class HookReceiver:
    """An HTTP server that answers as it is told to, and then 204.

    Args:
        answers: one a request: a status, alone or with headers, ``HANG``, or ``ENDLESS`` of body.
    """

    def __init__(self, *answers: Any) -> None:
        self.posted: queue.Queue[Posted] = queue.Queue()
        self.released = threading.Event()
        todo = list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = todo.pop(0) if todo else 204
                outer.posted.put(Posted(self.path, headers, body))
                if answer == HANG:
                    outer.released.wait(PATIENCE_S)
                    answer = 204
                if answer == ENDLESS:
                    self._go_on()
                    return
                status, extra = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in {**extra, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def _go_on(self) -> None:
                self.send_response(200)
                self.end_headers()
                try:
                    while not outer.released.wait(0.01):
                        self.wfile.write(b"x" * 1000)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/faces"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def next(self) -> Posted:
        """The next request, waited for."""
        return self.posted.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def listen() -> Iterator[Callable[..., HookReceiver]]:
    """Starts a receiver: ``listen(500, 204)`` answers so."""
    started: list[HookReceiver] = []

    def start(*answers: Any) -> HookReceiver:
        started.append(HookReceiver(*answers))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IdentityStore]:
    """An empty store in SQLite."""
    opened = IdentityStore.open(str(tmp_path / "faces.db"))
    yield opened
    opened.close()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A reference to a new secret."""
    file = tmp_path / "hook.secret"
    file.write_text(make_secret() + "\n")
    return f"file:{file}"


@pytest.fixture
def configure(secret: str) -> Callable[..., Webhooks]:
    """Makes a configuration of receivers that tries again at once: ``configure(receiver)``."""

    def make(*receivers: HookReceiver, **fields: Any) -> Webhooks:
        hooks = tuple(
            Webhook(name=f"hook-{number}", url=receiver.url, secret=secret)
            for number, receiver in enumerate(receivers)
        )
        return Webhooks(**{"hooks": hooks, "first_s": 0.001, "longest_s": 0.002, **fields})

    return make
