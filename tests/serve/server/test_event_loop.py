"""The server's loop takes gRPC's poller, and everybody is still answered."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from striate.serve.server.event_loop import ServerLoop

pytestmark = pytest.mark.unit
METHOD = "/test.Echo/Echo"


class Watched(ServerLoop):
    """Tells what it waits for no more."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[Any] = []

    def remove_reader(self, fd: Any) -> None:  # type: ignore[override]
        self.left.append(fd)
        super().remove_reader(fd)


@contextmanager
def serving(loop: ServerLoop) -> Iterator[str]:
    """A `grpc.aio` server on a loop in a thread of its own; its address."""

    async def echo(request: bytes, context: Any) -> bytes:
        return request

    async def start() -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server()
        handler: Any = grpc.unary_unary_rpc_method_handler(echo)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Echo", {"Echo": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield f"127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def answered(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(METHOD)
        return bool(call(b"hello", timeout=10) == b"hello")


@pytest.mark.parametrize("way", ["from_a_thread", "from_the_other_loop"])
def test_the_other_loop_waits_no_more_and_its_calls_are_answered(way: str) -> None:
    """In a process of its own: whoever takes over takes from every loop, those of tests too."""
    command = [sys.executable, __file__, way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "has not answered" not in done.stderr


def from_a_thread(ours: ServerLoop, other: ServerLoop) -> None:
    ours.take_over()


def from_the_other_loop(ours: ServerLoop, other: ServerLoop) -> None:
    """Serve makes a replica on such a loop, which can do nothing else meanwhile."""

    async def take_over() -> None:
        ours.take_over()

    asyncio.run_coroutine_threadsafe(take_over(), other).result(20)


def check(way: Callable[[ServerLoop, ServerLoop], None]) -> None:
    other, ours = Watched(), Watched()
    with serving(ours) as here, serving(other) as there:
        assert answered(here)
        assert answered(there)
        way(ours, other)
        assert other.left
        assert not ours.left
        for _ in range(20):
            assert answered(there)
            assert answered(here)


if __name__ == "__main__":
    check({each.__name__: each for each in (from_a_thread, from_the_other_loop)}[sys.argv[1]])
