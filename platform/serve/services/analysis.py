"""`striate.v1.Photos`: several networks look at one photo at once, and the answer leaves in time.

The photo is decoded once, and prepared for every network in the same thread; then each network's
own batcher has it. What is not ready when the answer must leave is said to be late, and taken back.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.core.arrays import Pixels
from striate.core.errors import StriateError, UsageError, nearest
from striate.data.transforms.image.decode import decode_image
from striate.serve.common.limits import Batching, Limits
from striate.serve.common.types import TagRequest
from striate.serve.observability.observer import Observer
from striate.serve.protos.striate.v1 import photos_pb2 as pb
from striate.serve.server.batcher import Batcher, TooLate
from striate.serve.server.handlers import Call, Method, Unary
from striate.serve.server.servable import Servable
from striate.serve.services import analysis_parts as parts
from striate.serve.services.analysis_faces import FacePart
from striate.serve.services.analysis_parts import Describer, PartOutcome
from striate.serve.services.region_policy import RegionPolicy
from striate.serve.services.tag_messages import check_request
from striate.serve.services.tagging import Tagger

SERVICE = pb.DESCRIPTOR.services_by_name["Photos"].full_name
DEADLINE_S = 2.0
DECODE_THREADS = 2
_WAY_BACK_S = 0.05
_WAY_BACK_SHARE = 0.1
_Model = Servable[TagRequest, Any] | FacePart
_Stored = Tensor | Pixels | Exception


@dataclass(frozen=True)
class _Photo:
    image: bytes
    models: Mapping[str, _Model]


class Photos:
    """The service around up to three models.

    Args:
        tagger: tags every photo.
        faces: describes whole photos, by classes or by a vector, or finds and describes faces; None
            leaves that part off.
        content: scores classes of content to be filtered; None leaves that part off.
        thresholds: least score, by class of `content`, at which a photo is flagged; from 0 to 1.
        policy: where faces are looked at.
        limits: what is accepted.
        deadline_s: the answer leaves within this time of the call's arrival.
        region: where photos come from whose call names no region.

    Raises:
        UsageError: a threshold is for no class of `content`, or out of range, or there is none.
    """

    name = SERVICE
    models: tuple[str, ...] = ()

    def __init__(
        self,
        tagger: Tagger,
        faces: Tagger | Describer | FacePart | None = None,
        content: Tagger | None = None,
        thresholds: Mapping[str, float] | None = None,
        policy: RegionPolicy | None = None,
        limits: Limits | None = None,
        deadline_s: float = DEADLINE_S,
        region: str = "",
    ) -> None:
        self.model = tagger.model
        self._models: dict[str, _Model] = {parts.TAGS: tagger}
        if faces is not None:
            self._models[parts.FACES] = faces
        if content is not None:
            self._models[parts.CONTENT] = content
        self._thresholds = dict(thresholds or {})
        _check_thresholds(self._thresholds, content)
        self._policy = policy or RegionPolicy()
        self._limits = limits or Limits()
        self._deadline_s = deadline_s
        self._region = region
        self._decoder: Batcher[_Photo, dict[str, _Stored]] = Batcher(
            self._decode,
            Batching(max_size=1, threads=DECODE_THREADS),
            self._limits.queued,
            self._limits.queued_bytes,
        )

    def methods(self) -> Mapping[str, Method]:
        """`Analyze`."""
        return {"Analyze": Unary(pb.AnalyzeRequest, self._analyze)}

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """The models."""
        every: list[Servable[Any, Any]] = []
        for model in self._models.values():
            every += model.servables if isinstance(model, FacePart) else [model]
        return every

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Begin to decode, and open the store where people are looked up."""
        for model in self._models.values():
            if isinstance(model, FacePart):
                model.open(observer)
        self._decoder.start()

    def drain(self) -> None:
        """There are no streams."""

    def close(self) -> None:
        """Stop decoding."""
        self._decoder.stop()
        for model in self._models.values():
            if isinstance(model, FacePart):
                model.close()

    async def _analyze(self, message: pb.AnalyzeRequest, call: Call) -> pb.AnalyzeResponse:
        leave_by = _leave_by(time.monotonic(), self._deadline_s, call.deadline)
        request = check_request(message, self._limits)
        off = self._off(message.region or self._region)
        asked = {name: model for name, model in self._models.items() if name not in off}
        outcomes = await self._within(leave_by, asked, request, call)
        _raise_if_nothing(outcomes)
        every = {
            **outcomes,
            **{name: PartOutcome(pb.PART_STATUS_OFF, why) for name, why in off.items()},
        }
        names = {name: model.model for name, model in self._models.items()}
        return pb.AnalyzeResponse(
            tags=parts.tags_message(every[parts.TAGS], self.model),
            faces=parts.faces_message(every[parts.FACES], names.get(parts.FACES)),
            content=parts.content_message(
                every[parts.CONTENT], names.get(parts.CONTENT), self._thresholds
            ),
        )

    def _off(self, region: str) -> dict[str, str]:
        """The parts that are switched off, and why."""
        off: dict[str, str] = {}
        why = self._policy.why_off(region)
        if parts.FACES not in self._models:
            off[parts.FACES] = "The server has no model for faces."
        elif why:
            off[parts.FACES] = why
        if parts.CONTENT not in self._models:
            off[parts.CONTENT] = "The server has no model for content."
        return off

    async def _within(
        self,
        leave_by: float,
        models: Mapping[str, _Model],
        request: TagRequest,
        call: Call,
    ) -> dict[str, PartOutcome]:
        """What each model says of the photo by then.

        Raises:
            StriateError: the photo cannot be decoded, or too many calls wait.
        """
        image = request.image
        assert isinstance(image, bytes)
        decoding = self._decoder.submit(_Photo(image, models), leave_by, 1, len(image))
        try:
            stored = await asyncio.wait_for(decoding, leave_by - time.monotonic())
        except (TimeoutError, TooLate):
            return {name: parts.leave_out() for name in models}
        futures: dict[str, asyncio.Future[Any]] = {}
        outcomes: dict[str, PartOutcome] = {}
        for name, model in models.items():
            try:
                sample = parts.require_sample(stored[name])
                if isinstance(model, FacePart):
                    finding = model.faces_of(np.asarray(sample), call, leave_by)
                    futures[name] = asyncio.ensure_future(finding)
                    continue
                asked = parts.request_for(name, torch.as_tensor(sample), request)
                futures[name] = model.submit(asked, leave_by, 1, parts.nbytes(asked))
            except StriateError as error:
                outcomes[name] = parts.fail_part(error)
        if futures:
            await asyncio.wait(futures.values(), timeout=max(0.0, leave_by - time.monotonic()))
        return outcomes | {name: parts.outcome_of(future) for name, future in futures.items()}

    def _decode(self, photos: Sequence[_Photo]) -> list[dict[str, _Stored] | Exception]:
        """Runs in a thread."""
        return [self._prepared(photo) for photo in photos]

    def _prepared(self, photo: _Photo) -> dict[str, _Stored] | Exception:
        """The stored form of one photo for each model; a model that cannot take it stands alone."""
        stored: dict[str, _Stored] = {}
        try:
            pixels = decode_image(photo.image, max_pixels=self._limits.pixels)
        except StriateError as error:
            return error
        for name, model in photo.models.items():
            if isinstance(model, FacePart):
                stored[name] = pixels
                continue
            predictor: Any = model.predictor
            try:
                stored[name] = predictor.reader.stored(pixels)
            except StriateError as error:
                stored[name] = error
        return stored


def _leave_by(now: float, deadline_s: float, callers: float | None) -> float:
    """When the answer must leave: before the sooner deadline, with time for its own way."""
    left_s = min(deadline_s, callers - now) if callers is not None else deadline_s
    return now + left_s - min(_WAY_BACK_S, _WAY_BACK_SHARE * max(0.0, left_s))


def _raise_if_nothing(outcomes: Mapping[str, PartOutcome]) -> None:
    """Where every part failed, the call does, with the first one's own status."""
    errors = [outcome.error for outcome in outcomes.values()]
    if errors and all(errors):
        assert errors[0] is not None
        raise errors[0]


def _check_thresholds(thresholds: Mapping[str, float], content: Tagger | None) -> None:
    if content is None:
        if thresholds:
            raise UsageError("Thresholds are given without a model for content.")
        return
    labels: Sequence[str] = content.predictor.spec.labels  # type: ignore[union-attr]
    for name, threshold in thresholds.items():
        if name not in labels:
            raise UsageError(f"The model for content has no class {name!r}.", nearest(name, labels))
        if not 0 <= threshold <= 1:
            raise UsageError(f"The threshold of {name} is {threshold:g}; it goes from 0 to 1.")
    if not thresholds:
        raise UsageError("A model for content filters nothing.", "Give a threshold for a class.")
