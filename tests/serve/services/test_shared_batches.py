"""Good and bad requests share batches at every service: each gets what it would get alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.accelerators.chips import CHIPS
from striate.accelerators.compiler.compile import compile_program
from striate.accelerators.compiler.quantize import quantize
from striate.core.bundle import Bundle
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from
from striate.serve.apps.factory import LoadedModel, inference_of, load
from striate.serve.common.limits import Batching
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.protos.inference import inference_pb2_grpc as pb_grpc
from striate.serve.protos.striate.v1 import (
    photo_tagging_pb2,
    photo_tagging_pb2_grpc,
    photos_pb2,
    photos_pb2_grpc,
)
from striate.serve.server.server import ModelServer
from striate.serve.services.analysis import Photos
from striate.serve.services.tagging import PhotoTagging

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]
Outputs = dict[str, Tensor]
CHIP = "anna-talk"
TOGETHER = Batching(threads=1, max_size=32, max_wait_ms=20)
GOOD, CURSED = "good", "cursed"
CURSE = 123.0
BAD = {"nan": np.nan, "infinite": np.inf, "minus infinite": -np.inf}
mixtures = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Cursed:
    """A network that raises as soon as a batch holds a certain number."""

    def __init__(self, network: Callable[[Mapping[str, Tensor]], Outputs]) -> None:
        self._network = network
        self.largest = 0

    def __call__(self, inputs: Mapping[str, Tensor]) -> Outputs:
        batch = inputs["input"]
        self.largest = max(self.largest, len(batch))
        if bool((batch == CURSE).any()):
            raise ArithmeticError("a fault that only some inputs bring about")
        return self._network(inputs)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Bundle]) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("small") / "digits", name="lenet1_32")


def program_of(bundle: Bundle, folder: Path) -> Path:
    spec = CHIPS[CHIP]
    noise = torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    images = apply(bundle.spec.preprocessing, noise.to(torch.uint8))
    quantized = quantize(build_from(bundle), spec, images, retrain_last=False, qat_epochs=0)
    source = f"lenet1_32 {bundle.digest}"
    compile_program(quantized, spec, labels=bundle.spec.labels, source=source).save(folder)
    return folder


@pytest.fixture(scope="module", params=["torch", CHIP])
def model(
    request: pytest.FixtureRequest, small: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> LoadedModel:
    chip = request.param == CHIP
    program = program_of(small, tmp_path_factory.mktemp("programs") / CHIP) if chip else None
    loaded = load(
        small, ("digits", "7"), CHIP if chip else "cpu", program=program, batching=TOGETHER
    )
    cursed = Cursed(loaded.network)
    return LoadedModel(small, loaded.model, cursed, loaded.limits, loaded.batching, loaded.platform)


@pytest.fixture(scope="module")
def channel(model: LoadedModel) -> Iterator[grpc.Channel]:
    photos = Photos(model.tagger(), model.describer())
    server = ModelServer([inference_of([model]), PhotoTagging(model.tagger()), photos])
    with grpc.insecure_channel(server.address) as opened:
        yield opened
    server.stop(1)


def tensor_request(kind: str, seed: int) -> pb.ModelInferRequest:
    values = np.random.default_rng(seed).uniform(0, 1, (1, 1, 32, 32)).astype(np.float32)
    values[0, 0, seed % 32, 5] = {**BAD, CURSED: CURSE}.get(kind, 0.5)
    shape = pb.ModelInferRequest.InferInputTensor(name="input", datatype="FP32", shape=values.shape)
    return pb.ModelInferRequest(
        model_name="digits", inputs=[shape], raw_input_contents=[values.tobytes()]
    )


def ask(method: Any, requests: Sequence[Any]) -> list[Any]:
    """The answer or the status of each, when all come at once."""
    calls = [method.future(request, timeout=30) for request in requests]
    return [call.result() if call.code() is grpc.StatusCode.OK else call.code() for call in calls]


@mixtures
@given(st.lists(st.sampled_from([GOOD, GOOD, CURSED, *BAD]), min_size=1, max_size=24))
def test_tensors_of_one_caller_are_nothing_to_the_others(
    channel: grpc.Channel, model: LoadedModel, kinds: list[str]
) -> None:
    infer = pb_grpc.GRPCInferenceServiceStub(channel).ModelInfer  # type: ignore[no-untyped-call]
    answers = ask(infer, [tensor_request(kind, seed) for seed, kind in enumerate(kinds)])
    for seed, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
        if kind == GOOD:
            alone = infer(tensor_request(kind, seed))
            got, expected = (
                np.frombuffer(each.raw_output_contents[0], np.float32) for each in (answer, alone)
            )
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        else:
            assert answer.name == ("INTERNAL" if kind == CURSED else "INVALID_ARGUMENT"), kind


def photo(kind: str, seed: int, png: Png) -> bytes:
    return {"truncated": png(seed=seed)[:90], "no photo": b"GIF89a"}.get(kind, png(seed=seed))


@mixtures
@given(st.lists(st.sampled_from([GOOD, "truncated", "no photo"]), min_size=1, max_size=24))
def test_photos_of_one_caller_are_nothing_to_the_others(
    channel: grpc.Channel, png: Png, kinds: list[str]
) -> None:
    tag = photo_tagging_pb2_grpc.PhotoTaggingStub(channel).Tag  # type: ignore[no-untyped-call]
    analyze = photos_pb2_grpc.PhotosStub(channel).Analyze  # type: ignore[no-untyped-call]
    images = [photo(kind, seed, png) for seed, kind in enumerate(kinds)]
    tagged = ask(tag, [photo_tagging_pb2.TagRequest(image=image) for image in images])
    parts = ask(analyze, [photos_pb2.AnalyzeRequest(image=image, region="US") for image in images])
    for kind, image, tags, part in zip(kinds, images, tagged, parts, strict=True):
        if kind != GOOD:
            assert {tags.name, part.name} == {"INVALID_ARGUMENT"}
            continue
        alone = tag(photo_tagging_pb2.TagRequest(image=image))
        scores = pytest.approx([label.score for label in alone.labels], rel=1e-4)
        assert [label.score for label in tags.labels] == scores
        assert part.tags.status == part.faces.status == photos_pb2.PART_STATUS_OK
        assert [label.score for label in part.tags.labels] == scores


def test_the_requests_do_share_batches(channel: grpc.Channel, model: LoadedModel) -> None:
    infer = pb_grpc.GRPCInferenceServiceStub(channel).ModelInfer  # type: ignore[no-untyped-call]
    ask(infer, [tensor_request(GOOD, seed) for seed in range(24)])
    assert isinstance(model.network, Cursed) and model.network.largest > 4
