"""A typed gRPC service as one declaration: who may call it, what streams, and what to ask it."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from striate.core.errors import UsageError

if TYPE_CHECKING:  # who only reads names and scopes waits for no protobuf
    import grpc
    from google.protobuf.descriptor import ServiceDescriptor
    from google.protobuf.message import Message

SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SCOPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
PHOTO = "<photo>"
"""In a sample request: the bytes of an encoded photo."""


@dataclass(frozen=True)
class ServiceSpec:
    """One typed gRPC service.

    Attributes:
        name: its full gRPC name, for example ``striate.v1.PhotoTagging``.
        scope: what a caller's token must allow, but for the methods of `method_scopes`.
        messages: the generated module of its messages, ``…_pb2``; its stub stands in the module of
            the same name that ends in ``_grpc``.
        streams: methods whose callers need not send a message at once, and may stay silent long.
        samples: fields of a request by unary method, which probes and loads send; `PHOTO` stands
            for a photo. Only methods that change nothing have one. A service without any is
            probed by its health.
        method_scopes: by method, what a caller's token must allow in the place of `scope`. A token
            needs this scope and no other for such a method: one that shall allow the rest too has
            both.

    Raises:
        UsageError: a name that gRPC or the edge's configuration cannot hold.
    """

    name: str
    scope: str
    messages: str
    streams: tuple[str, ...] = ()
    samples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    method_scopes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not SERVICE.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot name a gRPC service.", "Give its package and name."
            )
        for scope in self.scopes:
            if not SCOPE.fullmatch(scope):
                raise UsageError(
                    f"{scope!r} cannot be a scope of {self.name}.",
                    "Use up to 32 lower-case letters, digits and dashes.",
                )
        for method in (*self.streams, *self.samples, *self.method_scopes):
            if not METHOD.fullmatch(method):
                raise UsageError(f"{method!r} cannot name a method of {self.name}.")

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that a method needs, that of the service first."""
        return tuple(dict.fromkeys((self.scope, *self.method_scopes.values())))

    def scope_of(self, method: str) -> str:
        """What a caller's token must allow for a method."""
        return self.method_scopes.get(method, self.scope)

    @property
    def stream_paths(self) -> tuple[str, ...]:
        """Paths of the methods that stream."""
        return tuple(map(self.path, self.streams))

    def path(self, method: str) -> str:
        """What a call of a method carries as its path."""
        return f"/{self.name}/{method}"

    def descriptor(self) -> "ServiceDescriptor":
        """What the .proto file says of the service.

        Raises:
            UsageError: the module is missing, or does not hold the service, or not a method that
                has a scope of its own.
        """
        short = self.name.rpartition(".")[2]
        module = self._module(self.messages)
        found: ServiceDescriptor | None = module.DESCRIPTOR.services_by_name.get(short)
        if found is None or found.full_name != self.name:
            raise UsageError(f"The module {self.messages} holds no service {self.name}.")
        for method, scope in self.method_scopes.items():
            if method not in found.methods_by_name:
                raise UsageError(
                    f"{self.name} has no method {method}, which shall need the scope {scope}."
                )
        return found

    def sample(self, method: str, photo: bytes) -> "Message":
        """The request that a probe or a load sends to a method of `samples`.

        Args:
            method: one of `samples`.
            photo: an encoded photo.

        Raises:
            UsageError: the service has no such method, or its request no such field.
        """
        from google.protobuf.message_factory import GetMessageClass

        found = self.descriptor().methods_by_name.get(method)
        if found is None:
            raise UsageError(f"{self.name} has no method {method}.")
        try:
            return GetMessageClass(found.input_type)(**_filled(self.samples[method], photo))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"The sample request of {self.path(method)} is none: {error}."
            ) from None

    def stub(self, channel: "grpc.Channel") -> Any:
        """The generated stub over a channel.

        Raises:
            UsageError: the module of the stub is missing.
        """
        self.descriptor()
        short = self.name.rpartition(".")[2]
        return getattr(self._module(f"{self.messages}_grpc"), f"{short}Stub")(channel)

    def _module(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise UsageError(
                f"The module {name} of the service {self.name} cannot be imported: {error}."
            ) from None


def _filled(fields: Mapping[str, Any], photo: bytes) -> dict[str, Any]:
    return {name: _value(value, photo) for name, value in fields.items()}


def _value(value: Any, photo: bytes) -> Any:
    if isinstance(value, Mapping):
        return _filled(value, photo)
    if isinstance(value, list | tuple):
        return [_value(one, photo) for one in value]
    return photo if value == PHOTO else value
