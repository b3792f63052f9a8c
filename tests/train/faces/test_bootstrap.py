"""The detector of a bundle over whole images, and a second pass on what it wrongly found."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import BundleError
from striate.data.corpora.poses import SIDE, draw_faceless, open_poses, write_poses
from striate.data.pipelines.face_windows import STEPS
from striate.data.shards.schema import Sample
from striate.data.storage import Source
from striate.models import build
from striate.models.evaluation.boxes import Box
from striate.models.evaluation.detect_faces import FACE_SHARE, Face
from striate.models.evaluation.face_bundles import DETECTOR_FILE
from striate.train.faces.bootstrap import Detector, add_false_positives, cut_window

pytestmark = pytest.mark.unit


def bundle_of(folder: Path, name: str = "face_pose") -> Bundle:
    torch.manual_seed(0)
    edge = TensorSpec(dtype="float32", shape=(9,), layout="C", units="x")
    architecture = Architecture(name=name)
    spec = BundleSpec(
        architecture=architecture,
        task="face_pose",
        inputs={"input": edge},
        outputs={"point": edge},
        preprocessing=STEPS,
    )
    assets = {DETECTOR_FILE: json.dumps({"threshold": 0.75})}
    return Bundle.write(folder, spec, build(architecture).state_dict(), assets)


def test_false_positives_become_windows_of_the_training_split(tmp_path: Path) -> None:
    """An untrained detector errs everywhere: what it finds is cut out where it found it."""
    write_poses(tmp_path / "corpus", 20)
    detector = Detector(bundle_of(tmp_path / "b"))
    detector.threshold = 10.0
    images = [draw_faceless(number) for number in range(3)]
    added = add_false_positives(detector, images, tmp_path / "corpus", most_per_image=4)
    assert added == 12
    corpus = open_poses(Source.of(tmp_path / "corpus"))
    train = [one for one in corpus.read("train", 0, 99) if isinstance(one, Sample)]
    assert len(train) == 16 + added
    assert [one.label for one in train[16:]] == [0] * added
    first = cut_window(images[0], detector.find(images[0])[0])
    assert train[16].payload == first.tobytes()


def test_a_window_is_cut_out_as_the_network_saw_it() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(rng.integers(0, 256, (90, 100, 1), np.uint8), 3, axis=2)
    left, top, margin = 20, 8, SIDE * (1 - FACE_SHARE) / 2
    side = SIDE * FACE_SHARE
    corner = (left + margin, top + margin)
    face = Face(Box(*corner, corner[0] + side, corner[1] + side), 0.1, 0.0, 0.0)
    window = cut_window(image, face)
    assert np.array_equal(window, image[top : top + SIDE, left : left + SIDE, 0])


def test_a_coloured_and_a_grey_image_give_the_same_faces(tmp_path: Path) -> None:
    detector = Detector(bundle_of(tmp_path / "b"))
    grey = draw_faceless(2)[..., :1]
    found = detector.find(grey, threshold=5.0)
    assert found
    assert detector.find(np.repeat(grey, 3, axis=2), threshold=5.0) == found
    assert detector.find(grey, threshold=0.0) == []


def test_a_bundle_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="other detects no faces"):
        Detector(bundle_of(tmp_path / "other", "lenet1_32"))
