"""What every call passes through: the edge's key, the request's id, its deadline, its status.

Handlers are wrapped once, when the server is made, instead of by interceptors, which cost each call
several coroutines more. Messages are parsed here, so that bytes which are none get
INVALID_ARGUMENT, where gRPC's own parsing would answer UNKNOWN with an exception's text.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from striate.core.errors import RequestError
from striate.serve.common.metadata import CALLER_KEY, EDGE_KEY, ERROR_KEY, NO_CALLER, REQUEST_ID_KEY
from striate.serve.common.request_id import REQUEST_ID, request_id
from striate.serve.common.status import NotThroughTheEdge, status_of
from striate.serve.common.types import ModelName
from striate.serve.observability.observer import NoObserver, Observer
from striate.serve.observability.tracing import Tracing

NO_MODEL = ModelName("", "")
Context = Any  # grpc.aio.ServicerContext of messages as bytes


class Call:
    """One call: its context, id and deadline, and the model that answers it.

    Attributes:
        context: gRPC's own.
        id: the request's id.
        deadline: the caller's, by `time.monotonic`; None where it set none.
        model: told to the observer; a service of several models sets it.
        observer: told of what happens in the call.
        caller: the name of the token that the call came with, by the edge's word; `NO_CALLER` where
            the edge asks for no tokens.
    """

    __slots__ = ("caller", "context", "deadline", "id", "model", "observer")

    def __init__(
        self,
        context: Context,
        identity: str,
        model: ModelName,
        observer: Observer,
        caller: str = NO_CALLER,
    ) -> None:
        self.context = context
        self.id = identity
        self.model = model
        self.observer = observer
        self.caller = caller
        left_s = context.time_remaining()
        self.deadline: float | None = None if left_s is None else time.monotonic() + left_s


@dataclass(frozen=True)
class Unary:
    """A method of one message each way: `answer` takes the parsed request."""

    request: type[Message]
    answer: Callable[[Any, Call], Awaitable[Message]]
    keyless: bool = False


@dataclass(frozen=True)
class StreamMethod:
    """A method of streams: `answer` reads and writes bytes on the call's context by itself."""

    answer: Callable[[Call], Awaitable[None]]
    keyless: bool = False


Method = Unary | StreamMethod
_Work = Callable[[Any, Call], Awaitable[Any]]


class MethodHandlers:
    """Wraps methods into gRPC handlers, and counts the calls that are answered now.

    Args:
        edge_key: calls must carry it in the metadata `striate-edge-key`; None lets all in.
        observer: told of every call.
        tracing: puts a span around every call, health checks aside; None for none.
    """

    def __init__(
        self,
        edge_key: str | None = None,
        observer: Observer | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.in_flight = 0
        self._tracing = tracing
        self._key = edge_key.encode() if edge_key is not None else None
        self._observer = observer or NoObserver()

    def handler(
        self, service: str, name: str, method: Method, model: ModelName = NO_MODEL
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """The gRPC handler of one method; messages are bytes on gRPC's side."""
        streams = isinstance(method, StreamMethod)
        work = _streamed(method) if isinstance(method, StreamMethod) else _parsed(method)
        handle = self._guarded(service, name, method, model, work)
        if self._tracing is not None and not method.keyless:
            handle = self._tracing.around(service, name, handle)
        if streams:
            return grpc.stream_stream_rpc_method_handler(handle)
        return grpc.unary_unary_rpc_method_handler(handle)

    def _guarded(
        self, service: str, name: str, method: Method, model: ModelName, work: _Work
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        keyless = method.keyless

        async def handle(message: Any, context: Context) -> Any:
            started = time.perf_counter()
            code, call = "OK", None
            self.in_flight += not keyless
            try:
                call = self._admitted(context, keyless, model)
                return await work(message, call)
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception as error:
                status, sentence, kind = status_of(error)
                code = status.name
                await context.abort(status, sentence, _trailing(kind))
                raise  # not reached: abort raises
            finally:
                self.in_flight -= not keyless
                if not keyless:
                    took = time.perf_counter() - started
                    of = call.model if call is not None else NO_MODEL
                    self._observer.record_call(service, name, code, took, of.name, of.version)

        return handle

    def _admitted(self, context: Context, keyless: bool, model: ModelName) -> Call:
        given: object = None
        caller = NO_CALLER
        known = keyless or self._key is None
        for key, value in context.invocation_metadata() or ():
            if key == REQUEST_ID_KEY:
                given = value
            elif key == CALLER_KEY:
                caller = value
            elif key == EDGE_KEY and self._key is not None:
                sent = value.encode("utf-8", "replace") if isinstance(value, str) else value
                known |= hmac.compare_digest(sent, self._key)
        identity = request_id(given)
        REQUEST_ID.set(identity)
        context.set_trailing_metadata(((REQUEST_ID_KEY, identity),))
        if not known:
            self._observer.record_refusal("edge-key")
            raise NotThroughTheEdge("This address takes no calls.", "Call the platform's edge.")
        return Call(context, identity, model, self._observer, caller)


def parser(message: type[Message]) -> Callable[[bytes], Any]:
    """A function from bytes to a message that raises `RequestError` where they are none."""
    from_string, name = message.FromString, message.DESCRIPTOR.full_name

    def parse(raw: bytes) -> Any:
        try:
            return from_string(raw)
        except DecodeError:
            raise RequestError(
                f"The bytes are no message {name}.", "Generate the client from the .proto files."
            ) from None

    return parse


def _parsed(method: Unary) -> _Work:
    answer, parse = method.answer, parser(method.request)

    async def work(raw: bytes, call: Call) -> bytes:
        return (await answer(parse(raw), call)).SerializeToString()

    return work


def _streamed(method: StreamMethod) -> _Work:
    answer = method.answer

    async def work(_: Any, call: Call) -> None:
        await answer(call)

    return work


def _trailing(code: str) -> tuple[tuple[str, str], ...]:
    identity = (REQUEST_ID_KEY, REQUEST_ID.get())
    return (identity, (ERROR_KEY, code)) if code else (identity,)
