"""What every method of `striate.v1.FaceRecognition` passes through: whose call, where, noted.

A method gets a `FaceCall` and answers a message. Before it the region's policy is asked; after it,
whatever came of it, a line of the audit is on the disk, unless what the method did noted itself in
its own transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import grpc
from google.protobuf.message import Message

from striate.core.errors import PlatformError, RequestError, StriateError
from striate.serve.common.face_types import FaceBox, FaceRequest, SeenPhoto
from striate.serve.common.limits import Limits
from striate.serve.identities.audit import AuditLine
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.kept_faces import KeptFaces
from striate.serve.observability.observer import Observer
from striate.serve.server.handlers import Call, Method, StreamMethod, Unary, parser
from striate.serve.services.face_models import FaceModel, FaceModels
from striate.serve.services.face_settings import FaceSettings
from striate.serve.services.one_at_a_time import OneAtATime
from striate.serve.services.region_policy import FacesOff
from striate.serve.services.tag_messages import check_image
from striate.serve.services.work_threads import WorkThreads
from striate.serve.webhooks.config import Webhooks
from striate.serve.webhooks.sender import WebhookSender
from striate.serve.webhooks.sightings import Sighting

_CANCELLED = grpc.StatusCode.CANCELLED.value[0]
Params = ParamSpec("Params")
Result = TypeVar("Result")
Details = dict[str, int | list[int]]


@dataclass
class FaceCall:
    """One call.

    Attributes:
        call: gRPC's side of it.
        who: the name of the caller's token; empty for none.
        tenant: whose people it works with.
        details: what the audit notes of it: numbers and counts.
        person_id: of whom.
        noted: what it did has noted itself.
    """

    call: Call
    who: str
    tenant: str
    details: Details = field(default_factory=dict)
    person_id: int | None = None
    noted: bool = False


Answer = Callable[["FaceContext", Any, FaceCall], Awaitable[Message]]
Stream = Callable[["FaceContext", FaceCall], Awaitable[None]]


class FaceContext:
    """What the methods share.

    Args:
        models: who finds and describes.
        settings: of the deployment.
        limits: what is accepted.
        webhooks: who is told of what searches saw.
    """

    def __init__(
        self, models: FaceModels, settings: FaceSettings, limits: Limits, webhooks: Webhooks
    ) -> None:
        self.models, self.settings, self.limits = models, settings, limits
        self._webhooks = webhooks
        self._sender: WebhookSender | None = None
        self._kept: KeptFaces | None = None
        self._threads = WorkThreads("faces", limits.queued)
        self.clusters, self.reindexes = OneAtATime("Cluster"), OneAtATime("Reindex")

    @property
    def kept(self) -> KeptFaces:
        """The store, the crops, the index and the audit.

        Raises:
            PlatformError: the server does not run.
        """
        if self._kept is None:
            raise PlatformError("The server is ending.", "Try again in a moment.")
        return self._kept

    def open(self, kept: KeptFaces, deployment: str, observer: Observer) -> None:
        """Begin with an opened store, which is closed again where this fails.

        Args:
            kept: the opened store and what goes with it.
            deployment: the application's name, as webhooks tell it.
            observer: told of what became of their events.

        Raises:
            NotTheStoresModel: it holds codes of another model.
            SettingsError: a webhook's secret cannot be read.
        """
        try:
            self.models.choose(kept.store)
            self._sender = WebhookSender(
                kept.store, self._webhooks, deployment, observer.record_event
            )
        except Exception:
            kept.close()
            raise
        self._kept = kept

    def close(self) -> None:
        """End the threads, tell webhooks what they wait for, and let the store go."""
        self._threads.close()
        self.clusters.close()
        self.reindexes.close()
        if self._sender is not None:
            self._sender.close()
        if self._kept is not None:
            self._kept.close()

    async def tell(self, sightings: Sequence[Sighting]) -> None:
        """Hand over what a search saw; this waits only where the deployment asks for it."""
        if self._sender is not None:
            told = self._sender.tell(sightings)
            if self._webhooks.wait:
                await asyncio.wrap_future(told)

    async def run(
        self, work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """As `WorkThreads.run`: what a function that waits for the store or the index returns."""
        return await self._threads.run(work, *args, **kwargs)

    async def see(
        self,
        model: FaceModel,
        image: bytes,
        face: FaceCall,
        *,
        describe: bool = True,
        only: FaceBox | None = None,
    ) -> SeenPhoto:
        """The faces of a photo.

        Raises:
            RequestError, PayloadTooLarge: it is none, too large, or too many wait.
            TooLate: the caller's deadline passed.
        """
        check_image(image, self.limits)
        request = FaceRequest(image, describe, only)
        return await model.servable.ask(request, face.call.deadline, 1, len(image))

    async def with_model(self, work: Callable[[FaceModel], Awaitable[Result]]) -> Result:
        """Let the model that serves work; where another one serves meanwhile, let that one.

        Raises:
            OtherModel: what the caller sent is of another model.
            NotTheStoresModel: the store serves one that this deployment does not have.
        """
        model = self.models.current
        try:
            return await work(model)
        except OtherModel:
            now = await self.run(self.models.choose, self.kept.store)
            if now is model:
                raise
        return await work(now)

    def unary(self, verb: str, request: type[Message], answer: Answer, **how: bool) -> Method:
        """A method of one message each way; further arguments as `check_region`."""

        async def handle(message: Any, call: Call) -> Message:
            async def work(face: FaceCall) -> Message:
                self.check_region(message.region, **how)
                return await answer(self, message, face)

            return await self.noted(verb, call, work)

        return Unary(request, handle)

    def stream(self, verb: str, answer: Stream) -> Method:
        """A method of streams; it asks the region's policy by itself."""

        async def handle(call: Call) -> None:
            await self.noted(verb, call, lambda face: answer(self, face))

        return StreamMethod(handle)

    def check_region(self, region: str, *, always: bool = False) -> None:
        """Ask the region's policy.

        Args:
            region: as the caller says; empty takes the deployment's.
            always: what is asked is anybody's right, wherever they are; a region is still a code.

        Raises:
            RequestError: the region is no code.
            FacesOff: faces are not looked at there.
        """
        why = self.settings.policy.why_off(region or self.settings.region)
        if why and not always:
            raise FacesOff(why, "Send the region of the photo's owner.")

    async def noted(
        self, verb: str, call: Call, work: Callable[[FaceCall], Awaitable[Result]]
    ) -> Result:
        """What the work returns, once its line of the audit is written."""
        call.model = self.models.current.network
        face = FaceCall(call, call.caller, self.settings.tenant_of(call.caller))
        try:
            result = await work(face)
        except asyncio.CancelledError:
            self._note(verb, face, _CANCELLED)
            raise
        except Exception as error:
            await self._note_failure(verb, face, error)
            raise
        if not face.noted:
            await asyncio.wrap_future(self._note(verb, face, 0))
        return result

    async def _note_failure(self, verb: str, face: FaceCall, error: Exception) -> None:
        """The caller is told of the first error, whatever becomes of the line."""
        name = error.grpc_status if isinstance(error, StriateError) else "INTERNAL"
        line = self._note(verb, face, grpc.StatusCode[name].value[0])
        await asyncio.wait([asyncio.wrap_future(line)])

    def _note(self, verb: str, face: FaceCall, status: int) -> Any:
        details = {**face.details, **({"status": status} if status else {})}
        line = AuditLine(face.who, verb, face.tenant, face.person_id, details)
        return self.kept.audit.note(line)


async def read_request(face: FaceCall, kind: type[Message]) -> Any:
    """The one message of a method that answers a stream.

    Raises:
        RequestError: there is none, or it is none of that kind.
    """
    raw = await face.call.context.read()
    if not isinstance(raw, bytes):
        raise RequestError(f"The call holds no {kind.DESCRIPTOR.full_name}.", "Send one.")
    return parser(kind)(raw)
