"""Reindex: every face described anew by the deployment's next model, which then serves."""

import asyncio
import threading
from collections.abc import AsyncIterator

from striate.core.errors import PlatformError
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.errors import NoNextModel
from striate.serve.identities.reindex import ReindexPlan, plan_reindex, reindex
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_context import FaceCall, FaceContext, read_request
from striate.serve.services.face_messages import model_message
from striate.serve.services.face_models import FaceModel

_END = -1


async def reindex_stream(context: FaceContext, face: FaceCall) -> None:
    """Say what it takes, do it, and tell how far it is."""
    message = await read_request(face, pb.ReindexRequest)
    context.check_region(message.region, always=True)
    following = context.models.following
    if following is None:
        raise NoNextModel(
            "The deployment names no model to describe faces anew.",
            "Deploy it with `next_network` or `next_detector`.",
        )
    store, crops = context.kept.store, context.kept.new_crops
    if crops is None:
        raise NoNextModel(
            "The deployment keeps no crops to describe faces anew from.",
            "Deploy it with `keep_crops`, and enrol faces again.",
        )
    plan = await context.run(plan_reindex, store, following.fingerprint)
    answer = _answer(plan, following)
    await _write(face, answer)
    if message.plan_only:
        return
    face.noted = True
    describing = _described(context, face, following, crops, leave_out=message.leave_out)
    async for done in describing:
        answer.described += done
        await _write(face, answer)
    now = await context.run(context.models.choose, store)
    answer.serves = now.fingerprint == following.fingerprint
    await _write(face, answer)


async def _described(
    context: FaceContext, face: FaceCall, model: FaceModel, crops: CropFolder, *, leave_out: bool
) -> AsyncIterator[int]:
    """Yields how many faces were described, after each batch; a caller who leaves ends it."""
    kept, loop = context.kept, asyncio.get_running_loop()
    told: asyncio.Queue[int] = asyncio.Queue()
    left = threading.Event()

    def progress(done: int) -> None:
        if left.is_set():
            raise PlatformError("The caller has left.", "Call again: it goes on where it was.")
        loop.call_soon_threadsafe(told.put_nowait, done)

    work = asyncio.ensure_future(
        context.reindexes.run(
            reindex,
            kept.store,
            crops,
            model.fingerprint,
            model.network.name,
            model.predictor.describe_kept,
            who=face.who,
            leave_out=leave_out,
            progress=progress,
            prepare=kept.index.prepare,
        )
    )
    work.add_done_callback(lambda _: told.put_nowait(_END))
    try:
        while (done := await told.get()) != _END:
            yield done
        await work
    finally:
        left.set()


def _answer(plan: ReindexPlan, model: FaceModel) -> pb.ReindexResponse:
    return pb.ReindexResponse(
        needed=plan.needed,
        why=plan.why,
        faces=plan.faces,
        waiting=plan.waiting,
        without_crop=plan.without_crop,
        model=model_message(model),
    )


async def _write(face: FaceCall, message: pb.ReindexResponse) -> None:
    await face.call.context.write(message.SerializeToString())
