"""One call of a load: to whatever service an application answers, as its callers make it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from PIL import Image

from striate.core.bundle import DEFAULT_SIZE
from striate.core.errors import PlatformError, UsageError
from striate.serve.capacity.load_generator import SendCall
from striate.serve.common.metadata import APP_KEY, INFERENCE, bearer
from striate.serve.common.service_table import find_service, service_specs
from striate.serve.common.tensors import DATATYPES
from striate.serve.edge.app_table import DeployedApp
from striate.serve.protos.inference import inference_pb2 as infer_pb

_WIDTH, _HEIGHT, _QUALITY = 500, 375, 88
_BF16_ONE = 0x3F80  # no type of numpy's: it stands as its bits


@dataclass(frozen=True)
class LoadTarget:
    """Whom a load calls, and how.

    Attributes:
        address: `host:port` of the edge.
        app: the application.
        deadline_s: of each call.
        ca: PEM file of the authority of the edge's certificate; None speaks plain text.
        token: shown to the edge, or None.
        connections: over which the calls are spread.
    """

    address: str
    app: DeployedApp
    deadline_s: float = 10.0
    ca: Path | None = None
    token: str | None = None
    connections: int = 4

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        named = ((APP_KEY, self.app.name),)
        return (*named, bearer(self.token)) if self.token else named


class Calls:
    """Connections to a target, and the call that a load makes over them. Use it on one loop.

    Args:
        target: whom to call.
        photos: encoded images, sent in turn.

    Raises:
        UsageError: the application answers no service that a load knows.
    """

    def __init__(self, target: LoadTarget, photos: Sequence[bytes]) -> None:
        self._target = target
        self._photos = photos
        self._channels = [_channel(target) for _ in range(target.connections)]

    async def __aenter__(self) -> SendCall:
        method, messages = await self._question()
        calls: list[Any] = [channel.unary_unary(method) for channel in self._channels]
        stubs, following = cycle(calls), cycle(messages)
        deadline_s = self._target.deadline_s
        metadata = self._target.metadata

        async def call() -> object:
            return await next(stubs)(next(following), timeout=deadline_s, metadata=metadata)

        return call

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels:
            await channel.close()

    async def _question(self) -> tuple[str, list[bytes]]:
        """The method's path, and the messages to send, as bytes."""
        services = self._target.app.services
        for spec in service_specs().values():
            if spec.name in services and spec.samples:
                method = next(iter(spec.samples))
                asked = [spec.sample(method, photo) for photo in self._photos]
                return spec.path(method), [message.SerializeToString() for message in asked]
        if INFERENCE in services and self._target.app.models:
            return find_service(INFERENCE).path("ModelInfer"), [await self._inference()]
        raise UsageError(f"{self._target.app.name} answers nothing that a load can ask.")

    async def _inference(self) -> bytes:
        """A request of one sample, of the shapes that the model's metadata gives.

        It is of ones: a mask of zeros would say that the sample holds nothing.
        """
        model = self._target.app.models[0]
        ask = self._channels[0].unary_unary(
            find_service(INFERENCE).path("ModelMetadata"),
            request_serializer=infer_pb.ModelMetadataRequest.SerializeToString,
            response_deserializer=infer_pb.ModelMetadataResponse.FromString,
        )
        try:
            found: Any = await ask(
                infer_pb.ModelMetadataRequest(name=model),
                timeout=self._target.deadline_s,
                metadata=self._target.metadata,
            )
        except grpc.RpcError as error:
            said = getattr(error, "details", lambda: "")() or "no details"
            raise PlatformError(f"{self._target.address} does not answer: {said}") from None
        request = infer_pb.ModelInferRequest(model_name=model)
        for tensor in found.inputs:
            if tensor.datatype != "BYTES":  # photos, in the place of an input
                shape = [1, *(DEFAULT_SIZE if size < 0 else size for size in tensor.shape[1:])]
                request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
                one = _BF16_ONE if tensor.datatype == "BF16" else 1
                ones = np.full(shape, one, DATATYPES[tensor.datatype].numpy)
                request.raw_input_contents.append(ones.tobytes())
        return request.SerializeToString()


def sample_photo(seed: int = 0) -> bytes:
    """A generated JPEG of 500×375 pixels and about 65 KB: smooth shapes with grain."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
    grain = generator.normal(0, 14, (_HEIGHT, _WIDTH, 1))
    pixels = np.clip(np.asarray(smooth, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _channel(target: LoadTarget) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    if target.ca is None:
        return grpc.aio.insecure_channel(target.address, options=options)
    try:
        root = target.ca.read_bytes()
    except OSError:
        raise UsageError(f"There is no file {target.ca} with the edge's authority.") from None
    return grpc.aio.secure_channel(
        target.address, grpc.ssl_channel_credentials(root), options=options
    )
