"""The part of an analysis that finds faces: each described, and looked up where people are kept."""

from collections.abc import Callable, Sequence

import numpy as np

from striate.core.arrays import Pixels
from striate.serve.common.face_types import FaceRequest, SeenFace, SeenPhoto
from striate.serve.common.limits import Limits
from striate.serve.common.types import ModelName
from striate.serve.identities.kept_faces import KeptFaces
from striate.serve.identities.search import Found
from striate.serve.observability.observer import Observer
from striate.serve.protos.striate.v1 import photos_pb2 as pb
from striate.serve.server.handlers import Call
from striate.serve.services.face_context import FaceCall, FaceContext
from striate.serve.services.face_looking import look_up, note_found, sightings
from striate.serve.services.face_messages import described, detected, found_message, model_message
from striate.serve.services.face_models import FaceModel, FaceModels
from striate.serve.services.face_settings import FaceSettings, most_apart
from striate.serve.webhooks.config import Webhooks


class FacePart:
    """Finds the faces of photos that are decoded already.

    Args:
        models: who finds and describes.
        settings: of the deployment.
        opened: opens the store of people, when the server begins; None looks for nobody.
        limits: what is accepted.
        webhooks: who is told of what was seen.
        deployment: tells the application's name, when the server begins.
    """

    def __init__(
        self,
        models: FaceModels,
        settings: FaceSettings,
        opened: Callable[[], KeptFaces] | None = None,
        limits: Limits | None = None,
        webhooks: Webhooks | None = None,
        deployment: Callable[[], str] = lambda: "analyze",
    ) -> None:
        self._context = FaceContext(models, settings, limits or Limits(), webhooks or Webhooks())
        self._opened, self._deployment = opened, deployment
        self.servables = models.servables

    @property
    def model(self) -> ModelName:
        """Who describes now."""
        return self._context.models.current.network

    def open(self, observer: Observer) -> None:
        """Open the store, where people are looked up.

        Args:
            observer: told of what became of events for webhooks.

        Raises:
            StriateError: as `FaceRecognition.open`.
        """
        if self._opened is not None:
            self._context.open(self._opened(), self._deployment(), observer)

    def close(self) -> None:
        """Close the store."""
        self._context.close()

    async def faces_of(self, photo: Pixels, call: Call, leave_by: float) -> list[pb.AnalyzedFace]:
        """The faces of a photo, the surest first; where they are looked up, the audit notes it.

        Args:
            photo: (height, width, channels) uint8, upright.
            call: the call that it came with.
            leave_by: it is no use after that, by `time.monotonic`.

        Raises:
            StriateError: as a search.
        """
        if self._opened is None:
            model = self._context.models.current
            return self._messages(model, await _seen(model, photo, leave_by), None)

        async def found(face: FaceCall) -> list[pb.AnalyzedFace]:
            return await self._found(photo, face, leave_by)

        return await self._context.noted("analyze", call, found)

    async def _found(self, photo: Pixels, face: FaceCall, leave_by: float) -> list[pb.AnalyzedFace]:
        context = self._context
        most = most_apart(context.settings.threshold)

        async def work(model: FaceModel) -> tuple[FaceModel, SeenPhoto, list[Found]]:
            seen = await _seen(model, photo, leave_by)
            codes = (
                np.stack([_code(one) for one in seen.faces]) if seen.faces else np.empty((0, 32))
            )
            found = await context.run(look_up, context, face.tenant, model, codes, 1, most)
            return model, seen, found

        model, seen, found = await context.with_model(work)
        await context.tell(sightings(face.tenant, "", found))
        note_found(face, found)
        return self._messages(model, seen, found)

    def _messages(
        self, model: FaceModel, seen: SeenPhoto, found: Sequence[Found] | None
    ) -> list[pb.AnalyzedFace]:
        origin, limits = model_message(model), self._context.settings.quality
        return [
            pb.AnalyzedFace(
                face=detected(one, limits),
                descriptor=described(one, origin),
                found=found_message(found[place], None) if found is not None else None,
            )
            for place, one in enumerate(seen.faces)
        ]


async def _seen(model: FaceModel, photo: Pixels, leave_by: float) -> SeenPhoto:
    return await model.servable.ask(FaceRequest(photo), leave_by, 1, photo.nbytes)


def _code(face: SeenFace) -> np.ndarray:
    assert face.code is not None
    return face.code
