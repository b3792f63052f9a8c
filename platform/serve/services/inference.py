"""`inference.GRPCInferenceService`: the Open Inference Protocol v2 of Triton and KServe."""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from striate.core.errors import RequestError, UnknownName
from striate.serve.common.limits import Limits
from striate.serve.common.tensors import (
    Array,
    ModelCard,
    TensorAnswer,
    TensorMeta,
    TensorRequest,
    classification,
    is_scores,
)
from striate.serve.observability.observer import Observer
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.server.handlers import NO_MODEL, Call, Method, Unary
from striate.serve.server.models import Models, ServedModel
from striate.serve.server.servable import Servable
from striate.serve.services.request_parameters import (
    CLASSIFICATION,
    check_parameters,
    timeout_s,
)
from striate.serve.services.tensor_messages import (
    check_count,
    no_shared_memory,
    read_inputs,
    to_contents,
    to_raw,
)

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
EXTENSIONS = ("classification",)


class Inference:
    """The service around models that are found by name.

    Args:
        models: what is served.
        limits: what is accepted.
    """

    name = SERVICE
    model = NO_MODEL

    def __init__(self, models: Models, limits: Limits | None = None) -> None:
        self._models = models
        self._limits = limits or Limits()
        self._serving: Callable[[], bool] = lambda: False

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return self._models.names()

    def methods(self) -> Mapping[str, Method]:
        """The six methods of the protocol."""
        return {
            "ServerLive": Unary(pb.ServerLiveRequest, self._server_live),
            "ServerReady": Unary(pb.ServerReadyRequest, self._server_ready),
            "ModelReady": Unary(pb.ModelReadyRequest, self._model_ready),
            "ServerMetadata": Unary(pb.ServerMetadataRequest, self._server_metadata),
            "ModelMetadata": Unary(pb.ModelMetadataRequest, self._model_metadata),
            "ModelInfer": Unary(pb.ModelInferRequest, self._model_infer),
        }

    def servables(self) -> Sequence[Servable[Any, Any]]:
        """What is loaded now."""
        return self._models.servables()

    def open(self, observer: Observer, serving: Callable[[], bool]) -> None:
        """Begin; `serving` tells whether the whole server is ready."""
        self._serving = serving
        self._models.open(observer)

    def drain(self) -> None:
        """There are no streams."""

    def close(self) -> None:
        """Free the models."""
        self._models.close()

    async def _server_live(self, _: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def _server_ready(self, _: pb.ServerReadyRequest, call: Call) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=self._serving())

    async def _model_ready(
        self, request: pb.ModelReadyRequest, call: Call
    ) -> pb.ModelReadyResponse:
        try:
            self._models.card(*_asked(request.name, request.version))
        except UnknownName:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=self._serving())

    async def _server_metadata(
        self, _: pb.ServerMetadataRequest, call: Call
    ) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name="striate", version=version("striate"), extensions=EXTENSIONS
        )

    async def _model_metadata(
        self, request: pb.ModelMetadataRequest, call: Call
    ) -> pb.ModelMetadataResponse:
        name, number = _asked(request.name, request.version)
        card = self._models.card(name, number)
        return pb.ModelMetadataResponse(
            name=name,
            versions=self._models.versions(name),
            platform=card.platform,
            inputs=[_metadata(meta) for meta in card.inputs],
            outputs=[_metadata(meta) for meta in card.outputs],
        )

    async def _model_infer(
        self, request: pb.ModelInferRequest, call: Call
    ) -> pb.ModelInferResponse:
        named = _asked(request.model_name, request.model_version)
        model = await self._models.acquire(*named)
        try:
            call.model = model.name
            check_parameters(request, self._limits)
            wanted = _wanted(request, model.card, self._limits)
            arrays, rows = read_inputs(request, model.card, self._limits)
            asked = TensorRequest(arrays, rows, tuple(wanted))
            deadline = _deadline(request, call)
            answer = await model.servable.ask(asked, deadline, rows, asked.nbytes)
            return _response(request, model, wanted, answer)
        finally:
            self._models.release(model)


def _asked(name: str, number: str) -> tuple[str, str]:
    """Name and version of the model that is asked for; the edge routes ``NAME@VERSION`` as NAME.

    Raises:
        RequestError: the version behind the name is another than the one given beside it.
    """
    plain, _, behind = name.partition("@")
    if behind and number and behind != number:
        raise RequestError(
            f"The version is {behind[:64]!r} behind the name and {number[:64]!r} beside it.",
            "Give one of them.",
        )
    return plain, number or behind


def _metadata(meta: TensorMeta) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=meta.name, datatype=meta.datatype, shape=meta.shape
    )


def _wanted(request: pb.ModelInferRequest, card: ModelCard, limits: Limits) -> dict[str, int]:
    """The outputs that are asked for, each with the number of classes to give, 0 for numbers."""
    check_count("outputs", len(request.outputs), limits)
    known = {meta.name for meta in card.outputs}
    wanted: dict[str, int] = {}
    for output in request.outputs:
        if output.name not in known:
            raise RequestError(
                f"The model has no output named {output.name[:64]!r}.",
                f"Its outputs: {', '.join(sorted(known))}.",
            )
        if output.name in wanted:
            raise RequestError(f"The output {output.name} is asked for twice.")
        no_shared_memory(output.parameters)
        wanted[output.name] = _classes(output, card)
    return wanted


def _classes(output: "pb.ModelInferRequest.InferRequestedOutputTensor", card: ModelCard) -> int:
    if CLASSIFICATION not in output.parameters:
        return 0
    count = output.parameters[CLASSIFICATION].int64_param
    meta = next(meta for meta in card.outputs if meta.name == output.name)
    if not is_scores(meta):
        raise RequestError(f"The output {output.name} is no row of scores to classify by.")
    if count < 1:
        raise RequestError(f"The parameter {CLASSIFICATION} is {count}; it must be at least 1.")
    return min(count, meta.shape[1])


def _deadline(request: pb.ModelInferRequest, call: Call) -> float | None:
    """The caller's deadline, or the request's own timeout where that is sooner."""
    within_s = timeout_s(request)
    if within_s is None:
        return call.deadline
    own = time.monotonic() + within_s
    return own if call.deadline is None else min(own, call.deadline)


def _response(
    request: pb.ModelInferRequest,
    model: ServedModel,
    wanted: Mapping[str, int],
    answer: TensorAnswer,
) -> pb.ModelInferResponse:
    """The answer, in raw contents where the request had those, else in typed ones."""
    name, number = model.name
    response = pb.ModelInferResponse(model_name=name, model_version=number, id=request.id)
    for key, parameter in request.parameters.items():
        response.parameters[key].CopyFrom(parameter)
    for meta in model.card.outputs:
        if wanted and meta.name not in wanted:
            continue
        array, datatype = answer[meta.name], meta.datatype
        shape = [len(array)] if isinstance(array, list) else list(array.shape)
        if classes := wanted.get(meta.name, 0):
            labels = model.card.labels if meta.name == model.card.scores else ()
            array, datatype = _classified(array, classes, labels), "BYTES"
            shape = [shape[0], classes]
        output = response.outputs.add(name=meta.name, datatype=datatype, shape=shape)
        contents = None if request.raw_input_contents else to_contents(array, datatype)
        if contents is not None:
            output.contents.CopyFrom(contents)
        else:
            response.raw_output_contents.append(to_raw(array))
    return response


def _classified(array: Array, count: int, labels: Sequence[str]) -> list[bytes]:
    assert isinstance(array, np.ndarray)
    return classification(array, count, labels)
