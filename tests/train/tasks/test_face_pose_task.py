"""Faces and poses: the loss by its formula, and rates by counting."""

import json
import math

import pytest
import torch
from torch import Tensor, nn

from striate.core.bundle import TensorSpec
from striate.core.errors import RecipeError
from striate.data.stream.batch import Batch
from striate.models.evaluation.face_bundles import DETECTOR_FILE
from striate.models.evaluation.pose_manifold import pose_points
from striate.models.face_pose import face_pose
from striate.train.config import TaskConfig
from striate.train.tasks.base import HasAssets, Task
from striate.train.tasks.face_counts import FaceCounts
from striate.train.tasks.face_pose import FacePoses

pytestmark = pytest.mark.unit


def task_of(**arguments: float) -> FacePoses:
    return FacePoses(TaskConfig(name="face_pose", arguments=arguments), 2)


def batch_of(points: Tensor, labels: list[int], poses: Tensor) -> Batch:
    tensors = {"images": points, "labels": torch.tensor(labels), "poses": poses}
    return Batch({**tensors, "rows": torch.arange(len(labels))}, len(labels), 0, len(labels))


def four() -> Batch:
    """A face in its pose, one 20° of yaw off, a window on the manifold, and one far from it."""
    poses = torch.tensor([[0.3, 0.1], [0.5, -0.2], [0.0, 0.0], [0.0, 0.0]])
    seen = torch.tensor([[0.3, 0.1], [0.5 + math.radians(20), -0.2], [1.0, 0.2], [0.4, 0.3]])
    points = pose_points(*seen.unbind(1))
    points[3] *= 4
    return batch_of(points, [1, 1, 0, 0], poses)


def test_the_loss_is_the_published_one() -> None:
    batch, task = four(), task_of(weight=2.0)
    outputs = task.compute(lambda images: images, batch)
    apart = pose_points(*batch.tensors["poses"][1]) - batch.images[1]
    far = 1.5 * 4 - 1.5  # the manifold is a part of a sphere of radius 1.5
    expected = float(apart.square().sum()) + 2 * (1 + math.exp(-far))
    assert float(task.loss(outputs, batch)) == pytest.approx(expected, rel=1e-4)


def test_rates_are_those_of_counting() -> None:
    batch, task = four(), task_of(threshold=0.5)
    counts = task.count(task.predict(lambda images: images, batch), batch)
    found = counts.metrics()
    assert found["face_accuracy"] == 0.75  # the window on the manifold is taken for a face
    assert (found["yaw_within_15"], found["roll_within_15"]) == (0.5, 1.0)
    assert found.keys() >= {"auc", "equal_error", "loss"}
    double = task.unpack((counts + counts).pack(), torch.device("cpu"))
    assert isinstance(double, FaceCounts)
    assert double.metrics() == pytest.approx(found)
    assert double.sums.tolist() == [4, 2, 4]
    assert task.zero(torch.device("cpu")).pack().shape == counts.pack().shape


def test_poses_half_a_turn_apart_are_one() -> None:
    task = task_of()
    poses = torch.tensor([[math.radians(85), 0.2]])
    seen = pose_points(torch.tensor([math.radians(95) + math.pi]), torch.tensor([0.2 + math.pi]))
    counts = task.count(
        task.predict(lambda images: images, batch_of(seen, [1], poses)), batch_of(seen, [1], poses)
    )
    assert counts.sums.tolist() == [1, 1, 1]


def test_learning_moves_faces_to_the_manifold_and_the_rest_away() -> None:
    torch.manual_seed(0)
    task, points = task_of(), nn.Parameter(torch.randn(8, 9) * 0.3)
    poses = (torch.rand(8, 2) - 0.5) * 2
    labels = [1, 0] * 4
    optimizer = torch.optim.SGD([points], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        batch = batch_of(points, labels, poses)
        torch.autograd.backward(task.loss(task.compute(lambda images: images, batch), batch))
        optimizer.step()
    counts = task.count({"output": points.detach()}, batch_of(points.detach(), labels, poses))
    found = counts.metrics()
    assert found["face_accuracy"] == found["yaw_within_15"] == found["roll_within_15"] == 1.0


def test_a_bundle_says_which_energy_is_a_face() -> None:
    task = task_of(threshold=0.6)
    assert isinstance(task, Task)
    assert isinstance(task, HasAssets)
    edge = TensorSpec(dtype="float32", shape=(1, 32, 32), layout="CHW", units="intensity")
    (output,) = task.signature(face_pose(), edge, ()).outputs.values()
    assert output.shape == (9,)
    assert output.units.endswith("below an energy of 0.6")
    assert json.loads(task.gather_assets("", "train", ())[DETECTOR_FILE]) == {"threshold": 0.6}


@pytest.mark.parametrize("arguments", [{"threshold": 0.0}, {"weight": -1.0}, {"edge": 1.0}])
def test_wrong_arguments_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="The task face_pose cannot take"):
        task_of(**arguments)
