"""The table of the typed gRPC services: everything that has to know them derives from it.

The edge takes scopes and streams from here, the deployment's probe and the load generator their
requests, the client its stubs, `striate token` the scopes to choose from. A service is added by
its .proto, the file that answers it, an application that runs it, and one line in `SERVICES`.
"""

from collections.abc import Mapping

from striate.core.extensions import extended
from striate.serve.common.metadata import INFERENCE
from striate.serve.common.service_spec import PHOTO, ServiceSpec

ADMIN = "admin"
"""The scope that allows every service."""
RESERVED_SCOPES = ("ask",)
"""Scopes that tokens may have though no service needs them yet: question answering will."""

_PROTOS = "striate.serve.protos"
SERVICES: dict[str, ServiceSpec] = {
    spec.name: spec
    for spec in (
        ServiceSpec(
            "striate.v1.PhotoTagging",
            scope="tag",
            messages=f"{_PROTOS}.striate.v1.photo_tagging_pb2",
            streams=("TagStream",),
            samples={"Tag": {"image": PHOTO}},
        ),
        ServiceSpec(
            "striate.v1.Photos",
            scope="faces",
            messages=f"{_PROTOS}.striate.v1.photos_pb2",
            samples={"Analyze": {"image": PHOTO}},
        ),
        ServiceSpec(
            INFERENCE,
            scope="infer",
            messages=f"{_PROTOS}.inference.inference_pb2",
            streams=("ModelStreamInfer",),
        ),
    )
}
"""Striate's own, by name. Probes and loads ask the first of an application's that has samples."""
ALL_SERVICES = extended("services", SERVICES, of=ServiceSpec)
"""With those that extensions add."""


def service_specs() -> Mapping[str, ServiceSpec]:
    """Every declared service by its gRPC name; asked for anew, so that none is missed.

    An extension may list one under any name, and cannot change the scope of one of Striate's own.
    """
    usable = {spec.name: spec for spec in ALL_SERVICES.usable().values()}
    return {**usable, **SERVICES}


def find_service(name: str) -> ServiceSpec:
    """The declaration of a service.

    Raises:
        UnknownName: there is none.
        ExtensionError: the extension that declares it cannot be used.
    """
    known = service_specs()
    return known[name] if name in known else ALL_SERVICES.find(name)


def token_scopes() -> tuple[str, ...]:
    """What a token may allow: the scopes of the services, those reserved, and `ADMIN`."""
    needed = (spec.scope for spec in service_specs().values())
    return tuple(dict.fromkeys((*needed, *RESERVED_SCOPES, ADMIN)))
