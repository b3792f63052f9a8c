"""The tagging predictor, without Ray and gRPC."""

import io
from collections.abc import Callable

import pytest
import torch
from PIL import Image

from striate.core.bundle import Bundle, BundleSpec
from striate.core.errors import BundleError, PayloadTooLarge, RequestError, StriateError
from striate.data.transforms.image.preprocess import apply
from striate.models import build_from
from striate.serve.common.types import Tag, TagRequest
from striate.serve.predictors import load_tagging
from striate.serve.predictors.base import answer
from striate.serve.predictors.tagging import TaggingPredictor

pytestmark = pytest.mark.unit
Png = Callable[..., bytes]


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> TaggingPredictor:
    return load_tagging(bundle, "cpu", pixels=1_000_000)


def test_scores_are_the_softmax_of_the_model(
    predictor: TaggingPredictor, bundle: Bundle, png: Png
) -> None:
    request = TagRequest(png(), top_k=10)
    (tags,) = answer(predictor, [request])
    assert isinstance(tags, list)
    images = apply(bundle.spec.preprocessing, predictor.decode(request)[None])
    scores = torch.softmax(build_from(bundle)(images)[0], 0)
    assert [tag.score for tag in tags] == pytest.approx(sorted(scores.tolist(), reverse=True))
    assert all(tag.name == bundle.spec.labels[tag.index] for tag in tags)
    assert sum(tag.score for tag in tags) == pytest.approx(1.0)


def test_top_k_and_min_score_cut_the_list(predictor: TaggingPredictor, png: Png) -> None:
    (everything,) = answer(predictor, [TagRequest(png(), top_k=99)])
    assert isinstance(everything, list)
    assert len(everything) == 10
    bound = everything[3].score
    assert answer(predictor, [TagRequest(png(), top_k=2)]) == [everything[:2]]
    assert answer(predictor, [TagRequest(png(), top_k=9, min_score=bound)]) == [everything[:4]]
    assert answer(predictor, [TagRequest(png(), min_score=1.0)]) == [[]]


def test_a_batch_answers_like_single_requests(predictor: TaggingPredictor, png: Png) -> None:
    requests = [TagRequest(png(20 + n, 30, seed=n)) for n in range(5)]
    for request, tags in zip(requests, answer(predictor, requests), strict=True):
        (alone,) = answer(predictor, [request])
        assert isinstance(tags, list) and isinstance(alone, list)
        assert [tag.index for tag in tags] == [tag.index for tag in alone]
        assert [tag.score for tag in tags] == pytest.approx([tag.score for tag in alone])


def test_colour_jpegs_are_read(predictor: TaggingPredictor) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (300, 200), "orange").save(buffer, "JPEG")
    (tags,) = answer(predictor, [TagRequest(buffer.getvalue())])
    assert isinstance(tags, list) and isinstance(tags[0], Tag)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("no image", RequestError),
        ("truncated", RequestError),
        ("over the pixels", PayloadTooLarge),
        ("a bomb", PayloadTooLarge),
    ],
)
def test_a_bad_picture_fails_alone(
    predictor: TaggingPredictor,
    png: Png,
    broken: dict[str, bytes],
    what: str,
    kind: type[StriateError],
) -> None:
    requests = [TagRequest(payload) for payload in (png(), broken[what], png())]
    good, bad, also_good = answer(predictor, requests)
    assert type(bad) is kind
    assert isinstance(good, list) and good == also_good


def test_a_size_the_model_cannot_take_is_the_callers_error(bundle: Bundle, png: Png) -> None:
    steps = tuple(step for step in bundle.spec.preprocessing if step["op"] != "resize")
    spec = bundle.spec.model_copy(update={"preprocessing": steps})
    fixed = TaggingPredictor(spec, build_from(bundle))
    good, bad = answer(fixed, [TagRequest(png(28, 28)), TagRequest(png(30, 28))])
    assert isinstance(good, list)
    assert isinstance(bad, RequestError)


@pytest.mark.parametrize("change", [{"task": "frames"}, {"labels": ("one",)}, {"labels": ()}])
def test_a_bundle_that_is_not_for_tagging_is_refused(
    bundle: Bundle, change: dict[str, object]
) -> None:
    spec: BundleSpec = bundle.spec.model_copy(update=change)
    with pytest.raises(BundleError):
        TaggingPredictor(spec, build_from(bundle))
