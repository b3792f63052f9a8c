"""Reflection: the descriptors of the services, for grpcurl and its like, in both versions.

The two versions have the same messages (grpc/grpc-proto, ``grpc/reflection/v1/reflection.proto``),
and gRPC's package for Python has the older one alone.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from grpc.aio import EOF
from grpc_reflection.v1alpha import reflection, reflection_pb2

from striate.serve.common.metadata import REFLECTION
from striate.serve.server.handlers import Call, Method, StreamMethod, parser

V1, V1ALPHA = REFLECTION
_V1_FILE = "grpc/reflection/v1/reflection.proto"
_parse = parser(reflection_pb2.ServerReflectionRequest)


class Reflection:
    """`grpc.reflection.v1.ServerReflection`, and `v1alpha`, of the named services."""

    def __init__(self, services: Sequence[str]) -> None:
        _describe_v1()
        self._answers = reflection.aio.ReflectionServicer([*services, *REFLECTION])

    def methods(self) -> Mapping[str, Method]:
        """The one method, by either name of the service."""
        return {"ServerReflectionInfo": StreamMethod(self._info)}

    async def _info(self, call: Call) -> None:
        responses: Any = self._answers.ServerReflectionInfo(_requests(call), None)
        async for response in responses:
            await call.context.write(response.SerializeToString())


async def _requests(call: Call) -> AsyncIterator[Any]:
    while (raw := await call.context.read()) is not EOF:
        yield _parse(raw)


def _describe_v1() -> None:
    """Let the process know the newer version: the older one's descriptors under its name."""
    pool = Default()
    try:
        pool.FindFileByName(_V1_FILE)
    except KeyError:
        pool.AddSerializedFile(_renamed().SerializeToString())


def _renamed() -> FileDescriptorProto:
    older, newer = (name.rpartition(".")[0] for name in (V1ALPHA, V1))
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = _V1_FILE, newer
    file.ClearField("options")  # it says that the older one is deprecated
    fields = (field for message in file.message_type for field in message.field)
    for field in (field for field in fields if field.type_name):
        field.type_name = field.type_name.replace(f".{older}.", f".{newer}.")
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(f".{older}.", f".{newer}.")
        method.output_type = method.output_type.replace(f".{older}.", f".{newer}.")
    return file
