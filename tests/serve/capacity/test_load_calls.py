"""A load asks whatever an application answers, as its declaration says, of a real server."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from torch import Tensor, nn

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import UsageError
from striate.models import MODELS
from striate.serve.apps import echo
from striate.serve.apps.factory import inference_of, load
from striate.serve.capacity.load_calls import Calls, LoadTarget
from striate.serve.common.metadata import INFERENCE
from striate.serve.edge.app_table import DeployedApp
from striate.serve.protos.inference import inference_pb2
from striate.serve.protos.striate.v1 import photo_tagging_pb2
from striate.serve.server.server import ModelServer

pytestmark = pytest.mark.unit
TAGGING = "striate.v1.PhotoTagging"


class Mean(nn.Module):
    """The mean of the frames that count."""

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        weights = mask.unsqueeze(-1)
        return (frames * weights).sum(1) / weights.sum(1)


MEAN = BundleSpec(
    architecture=Architecture(name="mean"),
    task="frames",
    inputs={
        "frames": TensorSpec(dtype="bfloat16", shape=("time", 2), layout="TC", units="one"),
        "mask": TensorSpec(dtype="bool", shape=("time",), layout="T", units="one", mask=True),
    },
    outputs={"mean": TensorSpec(dtype="float32", shape=(2,), layout="C", units="one")},
)


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    tagging, _ = echo.services(echo.EchoArgs())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "mean", Mean)
        mean = Bundle.write(tmp_path_factory.mktemp("mean") / "bundle", MEAN, {})
        models = [load(bundle, ("digits", "7")), load(mean, ("mean", "1"))]
    running = ModelServer([tagging, inference_of(models)])
    yield running
    running.stop(0)


def ask(server: ModelServer, *services: str, model: str = "digits") -> bytes:
    """The answer to one call of a load on an application with these services."""
    app = DeployedApp(
        name="echo", app="echo", serve_name="echo.1", services=services, models=(model,),
        model_uri="", model="echo", version="1", deployed_unix_s=0.0,
    )  # fmt: skip

    async def once() -> object:
        async with Calls(LoadTarget(server.address, app, connections=2), [b"a photo"]) as call:
            return await call()

    answer = asyncio.run(once())
    assert isinstance(answer, bytes)
    return answer


def test_the_first_service_with_a_sample_is_asked(server: ModelServer) -> None:
    answer = photo_tagging_pb2.TagResponse.FromString(ask(server, INFERENCE, TAGGING))
    assert answer.model.name == "echo"


def test_a_model_alone_is_asked_for_a_tensor_of_its_shape(server: ModelServer) -> None:
    answer = inference_pb2.ModelInferResponse.FromString(ask(server, INFERENCE))
    assert answer.model_name == "digits" and answer.outputs


def test_a_sample_under_a_mask_holds_something(server: ModelServer) -> None:
    answer = inference_pb2.ModelInferResponse.FromString(ask(server, INFERENCE, model="mean"))
    assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [1, 1]


def test_what_no_declaration_tells_how_to_ask_is_said(server: ModelServer) -> None:
    with pytest.raises(UsageError, match="nothing that a load can ask"):
        ask(server, "acme.v1.Unknown")
