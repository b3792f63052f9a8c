"""`grpc.health.v1.Health`: whether each service can be called now, asked once or watched.

It says what is so: a service is NOT_SERVING until its models have answered a real question, when
they fail one, and from the moment that the server is to end.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from grpc_health.v1 import health_pb2 as pb

from striate.core.errors import UnknownName
from striate.serve.server.handlers import Call, Method, StreamMethod, Unary, parser

SERVICE = pb.DESCRIPTOR.services_by_name["Health"].full_name
WHOLE = ""
"""The name under which the whole server is asked for."""
_parse = parser(pb.HealthCheckRequest)


class Health:
    """The health of each service by its full name; the empty name is the whole server's."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {}
        self._changed: asyncio.Future[None] | None = None

    def set(self, service: str, serving: bool) -> None:
        """State a service's health, on the server's loop; watchers are told of a change."""
        if self._serving.get(service) is serving:
            return
        self._serving[service] = serving
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
        self._changed = None

    def serving(self, service: str) -> bool:
        """Whether the service can be called now."""
        return self._serving.get(service, False)

    def methods(self) -> Mapping[str, Method]:
        """`Check` and `Watch`; neither asks for the edge's key, so that load balancers may."""
        check = Unary(pb.HealthCheckRequest, self._check, keyless=True)
        return {"Check": check, "Watch": StreamMethod(self._watch, keyless=True)}

    async def _check(self, request: pb.HealthCheckRequest, call: Call) -> pb.HealthCheckResponse:
        if request.service not in self._serving:
            raise UnknownName("There is no such service on this server.")
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def _watch(self, call: Call) -> None:
        """Send the status now and whenever it changes, until the caller leaves."""
        raw = await call.context.read()
        request = _parse(raw if isinstance(raw, bytes) else b"")
        last = None
        while True:
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            changed, status = self._changed, self._status(request.service)
            if status != last:
                await call.context.write(pb.HealthCheckResponse(status=status).SerializeToString())
                last = status
            await asyncio.shield(changed)

    def _status(self, service: str) -> Any:
        if service not in self._serving:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        if self._serving[service]:
            return pb.HealthCheckResponse.SERVING
        return pb.HealthCheckResponse.NOT_SERVING
