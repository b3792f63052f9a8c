"""Reflection: the descriptors of the services, for grpcurl and its like."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from grpc.aio import EOF
from grpc_reflection.v1alpha import reflection, reflection_pb2

from striate.serve.server.handlers import Call, Method, StreamMethod, parser

SERVICE = reflection.SERVICE_NAME
_parse = parser(reflection_pb2.ServerReflectionRequest)


class Reflection:
    """`grpc.reflection.v1alpha.ServerReflection` of the named services."""

    def __init__(self, services: Sequence[str]) -> None:
        self._answers = reflection.aio.ReflectionServicer([*services, SERVICE])

    def methods(self) -> Mapping[str, Method]:
        """The one method."""
        return {"ServerReflectionInfo": StreamMethod(self._info)}

    async def _info(self, call: Call) -> None:
        responses: Any = self._answers.ServerReflectionInfo(_requests(call), None)
        async for response in responses:
            await call.context.write(response.SerializeToString())


async def _requests(call: Call) -> AsyncIterator[Any]:
    while (raw := await call.context.read()) is not EOF:
        yield _parse(raw)
