"""Dense labels: image and map are cropped, mirrored and placed alike, and −1 stays unknown."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from striate.core.errors import DataError, RecipeError
from striate.data.pipelines.base import DamagedSample, OfOneImage, Places, Stored
from striate.data.pipelines.dense_labels import DenselyLabelled, dense_labels, fit_size
from striate.data.transforms.image.preprocess import apply, fit

pytestmark = pytest.mark.unit

PLAIN = {"mean": [0, 0, 0], "std": [1, 1, 1]}


def sample(classes: NDArray[np.int16], row: int = 0) -> Stored:
    """An image whose red says the class of each pixel, less one, and the labels."""
    pixels = np.zeros((*classes.shape, 3), np.uint8)
    pixels[:, :, 0] = classes + 1
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return Stored(row, 0, out.getvalue(), classes.astype("<i2").tobytes(), f"{row}.png")


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.int16]:
    random = np.random.default_rng(seed)
    return random.integers(-1, 8, (height, width)).astype(np.int16)


def places(count: int, seed: int = 0) -> Places:
    return Places(seed, np.zeros(count, np.int64), np.arange(count))


def training(height: int, width: int, **more: object) -> DenselyLabelled:
    return dense_labels({"height": height, "width": width, **PLAIN, **more}, training=True)


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    crop=st.tuples(st.integers(1, 16), st.integers(1, 16)),
    seed=st.integers(0, 50),
)
def test_an_image_and_its_map_are_changed_alike(
    height: int, width: int, crop: tuple[int, int], seed: int
) -> None:
    stored = [sample(scene(height, width, at), at) for at in range(3)]
    made = training(*crop)(stored, places(3, seed))
    assert made["images"].shape == (3, 3, *crop)
    assert made["labels"].shape == (3, *crop)
    assert torch.equal(made["images"][:, 0].long() - 1, made["labels"])


def test_crops_and_flips_are_drawn_by_the_place_alone() -> None:
    classes = np.arange(8 * 8).reshape(8, 8).astype(np.int16)
    pipeline = training(5, 5)
    many = pipeline([sample(classes)] * 200, places(200))["labels"]
    corners = {int(one.min()) for one in many}
    assert corners == {8 * top + left for top in range(4) for left in range(4)}
    mirrored = sum(int(one[0, 0]) > int(one[0, -1]) for one in many)
    assert 60 < mirrored < 140
    again = pipeline([sample(classes)] * 3, Places(0, np.zeros(3, np.int64), np.array([7, 0, 150])))
    assert torch.equal(again["labels"], many[[7, 0, 150]])
    still = training(5, 5, flip=False)([sample(classes)] * 50, places(50))["labels"]
    assert all(int(one[0, 0]) < int(one[0, -1]) for one in still)


def test_a_whole_image_stands_on_the_canvas_and_the_rest_is_unknown() -> None:
    arguments = {"height": 4, "width": 4, "canvas": [10, 12]}
    pipeline = dense_labels(arguments, training=False)
    classes = scene(6, 9)
    made = pipeline([sample(classes)], places(1))
    assert made["images"].shape == (1, 3, 10, 12)
    assert (made["labels"][0, :6, :9].numpy() == classes).all()
    assert (made["labels"][0, 6:] == -1).all() and (made["labels"][0, :, 9:] == -1).all()
    assert (made["images"][0, :, 6:] == 0).all()


def test_an_image_larger_than_the_canvas_is_scaled_down_and_its_classes_are_not_mixed() -> None:
    classes = np.repeat(np.array([[0, 7]], np.int16), 20, 0).repeat(20, 1)
    made = dense_labels({"height": 10, "width": 10, **PLAIN}, training=False)(
        [sample(classes)], places(1)
    )
    assert set(made["labels"].flatten().tolist()) == {-1, 0, 7}
    assert (made["labels"][0, :5] != -1).all() and (made["labels"][0, 5:] == -1).all()
    assert fit_size((20, 40), (10, 10)) == (5, 10)
    assert fit_size((5, 8), (10, 10)) == (5, 8)


def test_a_server_prepares_an_image_as_the_evaluation_does() -> None:
    pipeline = dense_labels({"height": 7, "width": 9}, training=False)
    assert isinstance(pipeline, OfOneImage)
    classes = scene(7, 9)
    pixels = np.zeros((7, 9, 3), np.uint8)
    pixels[:, :, 0] = classes + 1
    steps = pipeline.preprocessing
    served = apply(steps, torch.from_numpy(fit(pixels, steps))[None])
    assert torch.equal(served, pipeline([sample(classes)], places(1))["images"])


def test_what_cannot_be_used_is_named() -> None:
    pipeline = training(4, 4)
    good = sample(scene(6, 6))
    with pytest.raises(DamagedSample, match="differ in size"):
        pipeline([Stored(0, 0, good.payload, b"\0\0", "a.png")], places(1))
    with pytest.raises(DamagedSample):
        pipeline([Stored(0, 0, b"no image", good.label, "b.png")], places(1))
    with pytest.raises(DataError, match="no class for each pixel"):
        pipeline([Stored(0, 0, good.payload, 3, "c.png")], places(1))
    with pytest.raises(RecipeError, match="dense-labels cannot take widht = 4"):
        dense_labels({"height": 4, "widht": 4, "width": 4}, training=True)
