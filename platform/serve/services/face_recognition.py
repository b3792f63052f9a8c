"""`striate.v1.FaceRecognition`: faces found, described, and known again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from striate.serve.common.limits import Limits
from striate.serve.identities.kept_faces import KeptFaces
from striate.serve.observability.observer import Observer
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.server.handlers import Method
from striate.serve.server.servable import Servable
from striate.serve.services.face_context import FaceContext
from striate.serve.services.face_enrolling import enroll_photo
from striate.serve.services.face_importing import import_stream
from striate.serve.services.face_looking import describe, detect, search, verify
from striate.serve.services.face_models import FaceModels
from striate.serve.services.face_people import (
    choose_cover,
    hide_person,
    list_faces_page,
    list_people_page,
    merge_people,
    move_faces,
    rename_person,
    show_person,
    split_person,
)
from striate.serve.services.face_reindexing import reindex_stream
from striate.serve.services.face_rights import cluster, export, forget
from striate.serve.services.face_settings import FaceSettings
from striate.serve.webhooks.config import Webhooks

SERVICE = pb.DESCRIPTOR.services_by_name["FaceRecognition"].full_name


class FaceRecognition:
    """The service around a deployment's models and a store of people.

    Args:
        models: who finds and describes.
        settings: of the deployment.
        opened: opens the store, the crops, the index and the audit, when the server begins.
        limits: what is accepted.
        webhooks: who is told of what searches saw.
        deployment: tells the application's name, when the server begins.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self,
        models: FaceModels,
        settings: FaceSettings,
        opened: Callable[[], KeptFaces],
        limits: Limits | None = None,
        webhooks: Webhooks | None = None,
        deployment: Callable[[], str] = lambda: "faces",
    ) -> None:
        self._context = FaceContext(models, settings, limits or Limits(), webhooks or Webhooks())
        self._opened, self._deployment = opened, deployment
        self.model = models.current.network

    def methods(self) -> Mapping[str, Method]:
        """Of the .proto file, each with the verb that the audit notes."""
        unary, stream = self._context.unary, self._context.stream
        return {
            "Detect": unary("detect", pb.DetectRequest, detect),
            "Describe": unary("describe", pb.DescribeRequest, describe),
            "Verify": unary("verify", pb.VerifyRequest, verify),
            "Enroll": unary("enroll", pb.EnrollRequest, enroll_photo),
            "Search": unary("search", pb.SearchRequest, search),
            "ListPeople": unary("list people", pb.ListPeopleRequest, list_people_page),
            "GetPerson": unary("show person", pb.GetPersonRequest, show_person),
            "ListFaces": unary("list faces", pb.ListFacesRequest, list_faces_page),
            "RenamePerson": unary("rename", pb.RenamePersonRequest, rename_person),
            "MergePeople": unary("merge", pb.MergePeopleRequest, merge_people),
            "SplitPerson": unary("split", pb.SplitPersonRequest, split_person),
            "MoveFaces": unary("move", pb.MoveFacesRequest, move_faces),
            "HidePerson": unary("hide", pb.HidePersonRequest, hide_person),
            "ChooseCover": unary("cover", pb.ChooseCoverRequest, choose_cover),
            "Cluster": unary("cluster", pb.ClusterRequest, cluster),
            "Forget": unary("forget", pb.ForgetRequest, forget, always=True),
            "Export": stream("export", export),
            "Import": stream("import", import_stream),
            "Reindex": stream("reindex", reindex_stream),
        }

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The models."""
        return self._context.models.servables

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Open the store.

        Raises:
            NotTheStoresModel: it holds codes of another model.
            SettingsError: a webhook's secret cannot be read.
            StoreOutdated, StoreBusy, StoreFull, StoreDamaged, IndexUnavailable: as `KeptFaces`.
        """
        self._context.open(self._opened(), self._deployment(), observer)

    def drain(self) -> None:
        """An import that is under way is sent again by its caller."""

    def close(self) -> None:
        """Close the store."""
        self._context.close()
