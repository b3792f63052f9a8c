"""The pipelines of faces: cut out once, changed by the place in the order alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.core.errors import DataError, RecipeError
from striate.data.corpora.celeba import open_celeba
from striate.data.corpora.identities import draw_picture, encode_jpeg
from striate.data.ingest.ingest import ingest
from striate.data.pipelines.aligned_faces import (
    AlignedFaces,
    aligned_faces,
    aligned_pairs,
)
from striate.data.pipelines.base import DamagedSample, OfOneImage, Places, Preparing, Stored
from striate.data.pipelines.companions import NeedsCompanions
from striate.data.pipelines.face_windows import face_windows
from striate.data.shards.schema import Sample
from striate.data.storage import Source
from striate.data.stream.decoding import LocalDecoder
from striate.data.stream.reader import SplitReader
from striate.data.transforms.image.align import FRONTAL, align_frontal, frontal_shape, six_of
from striate.data.transforms.image.decode import decode_image
from striate.data.transforms.image.preprocess import apply, fit

pytestmark = pytest.mark.unit

ARGUMENTS = {"size": 40}


def places_of(count: int, first: int = 0) -> Places:
    return Places(3, np.zeros(count, np.int64), np.arange(first, first + count, dtype=np.int64))


def stored(number: int, **changes: object) -> Stored:
    _, drawn = draw_picture(number, 0)
    fields = {"landmarks": drawn.landmarks.ravel(), "six": six_of(drawn.landmarks).ravel()}
    known = {"payload": encode_jpeg(drawn.pixels), "key": f"{number}.jpg", "fields": fields}
    return Stored(row=number, unit=0, label=number, **{**known, **changes})  # type: ignore[arg-type]


def test_a_served_face_is_the_evaluated_one() -> None:
    """The bundle's steps on the face that `align_frontal` cuts out, against the pipeline."""
    pipeline = aligned_faces(ARGUMENTS, training=False)
    assert isinstance(pipeline, OfOneImage)
    assert isinstance(pipeline, Preparing)
    one = stored(2)
    found = pipeline([one], places_of(1))
    assert found["images"].shape == (1, 3, 40, 40)
    assert found["labels"].tolist() == [2]
    landmarks = np.array(one.fields["landmarks"]).reshape(67, 2)
    image = decode_image(bytes(one.payload))
    cut = align_frontal(image, landmarks, frontal_shape(FRONTAL), 40)
    steps = pipeline.preprocessing
    served = apply(steps, torch.from_numpy(fit(cut, steps))[None])
    assert torch.allclose(found["images"], served)
    assert -1.01 < float(served.min()) < float(served.max()) < 1.01


def test_without_67_landmarks_six_are_taken() -> None:
    one = stored(2)
    six = stored(2, fields={"six": one.fields["six"]})
    upright = aligned_faces({**ARGUMENTS, "frontal": False}, training=False)
    frontal = aligned_faces(ARGUMENTS, training=False)
    assert torch.equal(frontal.prepare(six), upright.prepare(one))
    assert not torch.equal(frontal.prepare(one), upright.prepare(one))


def test_changes_in_training_follow_from_the_place_alone() -> None:
    training = aligned_faces(ARGUMENTS, training=True)
    faces = [stored(number) for number in range(4)]
    whole = training(faces, places_of(4))["images"]
    parts = [training([one], places_of(1, at))["images"] for at, one in enumerate(faces)]
    assert torch.equal(whole, torch.cat(parts))
    plain = aligned_faces(ARGUMENTS, training=False)(faces, places_of(4))["images"]
    centred = [images - images.mean((1, 2, 3), keepdim=True) for images in (whole, plain)]
    for one, other in zip(*centred, strict=True):
        alike = [
            float((one * way).sum() / one.norm() / way.norm()) for way in (other, other.flip(2))
        ]
        assert max(alike) == pytest.approx(1, abs=1e-4)  # but for mirror, contrast and brightness


def test_what_cannot_be_aligned_is_said() -> None:
    pipeline = aligned_faces(ARGUMENTS, training=False)
    with pytest.raises(DamagedSample):
        pipeline.prepare(stored(1, payload=b"no image"))
    with pytest.raises(DamagedSample) as caught:
        pipeline.prepare(stored(1, fields={"six": [math.nan] * 12}))
    assert caught.value.reason == "landmarks of no use"
    with pytest.raises(DataError, match=r"1\.jpg has no landmarks"):
        pipeline.prepare(stored(1, fields={}))
    with pytest.raises(RecipeError, match="sice"):
        aligned_faces({"sice": 3}, training=False)


def test_pairs_come_cut_out_whichever_row_is_asked_for_first(tmp_path: Path) -> None:
    ingest("identities", tmp_path / "corpus", tmp_path / "shards", workers=1, size=8)
    pipeline = aligned_pairs(ARGUMENTS, training=False)
    assert isinstance(pipeline, NeedsCompanions)
    reader = SplitReader(tmp_path / "shards", "test")
    decoder = LocalDecoder(reader, pipeline)
    rows = np.arange(reader.rows)
    tensors = decoder.decode(rows, places_of(len(rows))).tensors
    single = LocalDecoder(reader, AlignedFaces(pipeline.images.arguments, training=False))
    alone = single.decode(rows, places_of(len(rows))).tensors
    assert torch.equal(tensors["images"], alone["images"])
    assert torch.equal(tensors["others"], alone["images"][tensors["other_rows"]])
    same = alone["labels"] == alone["labels"][tensors["other_rows"]]
    assert torch.equal(tensors["labels"], same.long())
    assert 0 < int(same.sum()) < len(rows)
    samples = [
        one
        for one in open_celeba(Source.of(tmp_path / "corpus")).read("test", 0, 99)
        if isinstance(one, Sample)
    ]
    assert [one.label for one in samples] == alone["labels"].tolist()


def test_a_mirrored_window_has_its_pose_mirrored() -> None:
    rng = np.random.default_rng(0)
    windows = [
        Stored(
            row=at,
            unit=0,
            payload=rng.integers(60, 200, 1024, np.uint8).tobytes(),
            label=1,
            fields={"yaw_deg": 30.0 + at, "roll_deg": -10.0},
        )
        for at in range(16)
    ]
    plain = face_windows({}, training=False)(windows, places_of(16))
    found = face_windows({}, training=True)(windows, places_of(16))
    assert plain["images"].shape == (16, 1, 32, 32)
    assert torch.allclose(plain["poses"][:, 1], torch.tensor(math.radians(-10)))
    mirrored = 0
    for at in range(16):
        pair = (found["images"][at], plain["images"][at])
        changed, before = (one - one.mean() for one in pair)
        turned = float(found["poses"][at, 0]) < 0
        mirrored += turned
        wanted = before.flip(2) if turned else before
        alike = (changed * wanted).sum() / changed.norm() / wanted.norm()
        assert float(alike) == pytest.approx(1, abs=1e-5)
        sign = -1 if turned else 1
        assert torch.allclose(found["poses"][at], sign * plain["poses"][at])
    assert 0 < mirrored < 16
    with pytest.raises(RecipeError, match="no argument size"):
        face_windows({"size": 3}, training=True)
