"""The table of the typed gRPC services: everything that has to know them derives from it.

The edge takes scopes and streams from here, the deployment's probe and the load generator their
requests, the client its stubs, `striate token` the scopes to choose from. A service is added by
its .proto, the file that answers it, an application that runs it, and one line in `SERVICES`.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter

from striate.core.extensions import Extended
from striate.serve.common.metadata import INFERENCE
from striate.serve.common.service_spec import PHOTO, ServiceSpec

ADMIN = "admin"
"""The scope that allows every service."""

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
            "striate.v1.FaceRecognition",
            scope="faces",
            messages=f"{_PROTOS}.striate.v1.face_recognition_pb2",
            streams=("Export", "Import", "Reindex"),
            method_scopes={
                **dict.fromkeys(
                    (
                        "RenamePerson",
                        "MergePeople",
                        "SplitPerson",
                        "MoveFaces",
                        "HidePerson",
                        "ChooseCover",
                        "Forget",
                        "Export",
                        "Import",
                    ),
                    "faces-admin",
                ),
                "Reindex": ADMIN,
            },
        ),
        ServiceSpec(
            "striate.v1.QuestionAnswering",
            scope="ask",
            messages=f"{_PROTOS}.striate.v1.question_answering_pb2",
            samples={"Ask": {"question": "What is the capital of France?"}},
        ),
        ServiceSpec(
            "striate.v1.Language",
            scope="language",
            messages=f"{_PROTOS}.striate.v1.language_pb2",
            streams=("TranslateStream",),
        ),
        ServiceSpec(
            "striate.v1.Speech",
            scope="speech",
            messages=f"{_PROTOS}.striate.v1.speech_pb2",
            streams=("Recognize",),
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
ALL_SERVICES = Extended("services", SERVICES, of=ServiceSpec, named=attrgetter("name"))
"""With those that extensions add."""


def service_specs() -> Mapping[str, ServiceSpec]:
    """Every declared service by its gRPC name; asked for anew, so that none is missed.

    An extension lists one under its own name, and cannot change the scope of one of Striate's.
    """
    return {**ALL_SERVICES.usable(), **SERVICES}


def find_service(name: str) -> ServiceSpec:
    """The declaration of a service.

    Raises:
        UnknownName: there is none.
        ExtensionError: the extension that declares it cannot be used.
    """
    return SERVICES[name] if name in SERVICES else ALL_SERVICES.find(name)


def check_declared(names: Iterable[str]) -> None:
    """Hold the declarations of those services that have one against their .proto files.

    Raises:
        UsageError: one says what its file does not. A scope for a method that is not there would
            leave the method that was meant to whoever has the service's own.
    """
    known = service_specs()
    for name in names:
        if name in known:
            known[name].descriptor()


def token_scopes() -> tuple[str, ...]:
    """What a token may allow: the scopes of the services, and `ADMIN`."""
    needed = (scope for spec in service_specs().values() for scope in spec.scopes)
    own = dict.fromkeys(needed)
    return (*(scope for scope in own if scope != ADMIN), ADMIN)
