"""Import: photos, or faces that were described elsewhere, in bulk on one stream.

Each message is done before the next one is read, so that a caller who is too fast is slowed down by
gRPC's own flow control. What was kept stays when the call is broken off; sent again, it is known.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from striate.core.errors import PayloadTooLarge, RequestError, StriateError, UsageError
from striate.core.retry import Backoff
from striate.serve.common.face_types import SeenPhoto
from striate.serve.identities.enroll import Enrolment
from striate.serve.identities.errors import NoFace
from striate.serve.identities.face_batch import Enrolled
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.import_faces import Imported, import_faces
from striate.serve.identities.import_stream import read_batches
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.server.batcher import QueueFull
from striate.serve.server.handlers import parser
from striate.serve.services.face_context import FaceCall, FaceContext
from striate.serve.services.face_enrolling import check_crop, keep, photo_id_of
from striate.serve.services.face_looking import no_face
from striate.serve.services.face_messages import failure, read_model
from striate.serve.services.face_models import FaceModel

MOST_FAILURES = 100
"""That an answer tells of."""
MOST_PHOTOS = 1000
"""Of one message."""
ROOM_WITHIN_S = 30.0
"""How long a photo waits for room that other callers take, before it counts as failed."""
_PAUSE = Backoff(first_s=0.02, longest_s=1.0, jitter=0.5)
_Result = TypeVar("_Result")
_Looked = asyncio.Future[tuple[FaceModel, SeenPhoto]]
_parse = parser(pb.ImportRequest)


async def import_stream(context: FaceContext, face: FaceCall) -> None:
    """Read and keep until the caller has sent all; then say what became of it."""
    importing = _Import(context, face)
    first = True
    while isinstance(raw := await face.call.context.read(), bytes):
        message = _parse(raw)
        if first:
            context.check_region(message.region)
            first = False
        await importing.take(message)
    await face.call.context.write(importing.summary.SerializeToString())


class _Import:
    """One import under way."""

    def __init__(self, context: FaceContext, face: FaceCall) -> None:
        self.summary = pb.ImportResponse()
        self._context, self._face = context, face
        self._model: ModelFingerprint | None = None

    async def take(self, message: Any) -> None:
        """Keep what a message holds.

        Raises:
            RequestError: it holds both photos and Arrow.
            StriateError: as `import_faces`.
        """
        if message.photos and message.arrow:
            raise RequestError(
                "A message of an import holds photos and Arrow.", "Send one of them."
            )
        if message.HasField("model"):
            self._model = read_model(message.model)
        if message.photos:
            await self._take_photos(message.photos)
        if message.arrow:
            await self._take_arrow(message.arrow)
        self._face.details = {
            "photos": self.summary.photos,
            "enrolled": self.summary.enrolled,
            "known": self.summary.known,
            "refused": self.summary.refused,
        }

    async def _take_photos(self, photos: Sequence[Any]) -> None:
        """Some photos are looked at together, and kept in their order.

        Raises:
            PayloadTooLarge: one message holds too many.
        """
        if len(photos) > MOST_PHOTOS:
            raise PayloadTooLarge(
                f"A message of the import holds {len(photos):,} photos; {MOST_PHOTOS:,} are "
                f"allowed.",
                "Send them in several messages.",
            )
        limits = self._context.limits
        together = min(limits.stream_window, limits.queued)  # else it would be refused for itself
        looked: deque[tuple[Any, _Looked]] = deque()
        try:
            for photo in photos:
                looked.append((photo, asyncio.ensure_future(self._look(photo))))
                if len(looked) == together:
                    await self._keep_photo(*looked.popleft())
            while looked:
                await self._keep_photo(*looked.popleft())
        finally:
            for _, looking in looked:
                looking.cancel()

    async def _look(self, photo: Any) -> tuple[FaceModel, SeenPhoto]:
        model = self._context.models.current
        return model, await self._see(model, photo)

    async def _see(self, model: FaceModel, photo: Any) -> SeenPhoto:
        return await _with_room(lambda: self._context.see(model, photo.image, self._face))

    async def _keep_photo(self, photo: Any, looking: _Looked) -> None:
        """Keep a photo's faces; a photo that cannot be kept fails alone."""
        self.summary.photos += 1
        try:
            photo_id = await _with_room(
                lambda: self._context.run(photo_id_of, photo.photo_id, photo.image)
            )
            done = await self._context.with_model(
                lambda model: self._keep(model, photo, photo_id, looking)
            )
        except NoFace as error:
            self.summary.without_face += 1
            self._fail(photo.photo_id, error)
        except (RequestError, UsageError) as error:
            self.summary.failed += 1
            self._fail(photo.photo_id, error)
        else:
            self._count(done, [photo_id] * len(done.faces))
        finally:
            looking.cancel()

    async def _keep(
        self, model: FaceModel, photo: Any, photo_id: str, looking: _Looked
    ) -> Enrolment:
        """Keep what a model saw; where another one serves meanwhile, that one looks again."""
        looked, seen = await looking
        if looked is not model:
            seen = await self._see(model, photo)
        if not seen.faces:
            raise no_face(at_a_place=False)
        people = [photo.person or None, *[None] * (len(seen.faces) - 1)]  # the surest is theirs
        return await _with_room(
            lambda: self._context.run(
                keep, self._context, self._face, model, photo_id, seen.faces, people
            )
        )

    async def _take_arrow(self, content: bytes) -> None:
        if self._model is None:
            raise RequestError(
                "An import of described faces does not say which model described them.",
                "Send `model` with the first message.",
            )
        kept, settings = self._context.kept, self._context.settings
        parts = import_faces(
            kept.store,
            kept.new_crops,
            self._face.tenant,
            self._model,
            read_batches(content),
            who=self._face.who,
            rules=settings.rules,
            check_crop=check_crop,
        )

        async def following() -> Imported | None:
            return await self._context.run(next, parts, None)

        while (part := await _with_room(following)) is not None:
            self._count(part.part, [""] * len(part.part.faces))

    def _count(self, done: Enrolment, photo_ids: list[str]) -> None:
        summary = self.summary
        for one, photo_id in zip(done.faces, photo_ids, strict=True):
            summary.enrolled += one.outcome == "enrolled"
            summary.known += one.outcome == "known"
            summary.refused += one.outcome == "refused"
            if one.outcome == "refused":
                self._fail(photo_id, _error_of(one))

    def _fail(self, photo_id: str, error: StriateError) -> None:
        if len(self.summary.failures) < MOST_FAILURES:
            self.summary.failures.add(photo_id=photo_id[:200], failure=failure(error))


async def _with_room(work: Callable[[], Awaitable[_Result]]) -> _Result:
    """What some work returns, begun again while others take all room: an import has time.

    Raises:
        QueueFull: there was none for `ROOM_WITHIN_S`.
        Exception: its own.
    """
    until_s, attempt = time.monotonic() + ROOM_WITHIN_S, 0
    while True:
        try:
            return await work()
        except QueueFull:
            attempt += 1
            pause_s = _PAUSE.pause_s(attempt)
            if time.monotonic() + pause_s > until_s:
                raise
        await asyncio.sleep(pause_s)


def _error_of(done: Enrolled) -> StriateError:
    assert done.error is not None, "what is refused says why"
    return done.error
