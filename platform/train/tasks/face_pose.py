"""Faces and their poses: an energy that is low for a face in its pose, and high for what is none.

Osadchy, LeCun, Miller, "Synergistic face detection and pose estimation with energy-based models",
JMLR 8:1197-1215, 2007, section 4: of a face E(1, Z, X)², Z its pose; of anything else
K·exp(−E(1, Z̄, X)), Z̄ the pose of least energy.
"""

import json
import math
from collections.abc import Mapping

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from striate.core.bundle import INPUT, TensorSpec
from striate.core.numbers import Positive
from striate.data.stream.batch import Batch
from striate.models.evaluation.face_bundles import DETECTOR_FILE
from striate.models.evaluation.pose_manifold import nearest_pose, pose_energy
from striate.train.config import Location, TaskConfig
from striate.train.tasks.arguments import check_task_arguments
from striate.train.tasks.face_counts import FaceCounts
from striate.train.tasks.outputs import OUTPUT, Network, Outputs, name_outputs
from striate.train.tasks.pair_counts import PairCounts
from striate.train.tasks.signature import Signature

POSES = "poses"
"""The tensor of a batch with yaw and roll, (n, 2) radians; of no meaning where no face is."""

POINT = "point"
_TOLERANCE = math.radians(15)
_REACH = 8.0  # the energy at which histograms end


class FacePoseArguments(BaseModel):
    """Of the task ``face_pose``.

    Attributes:
        threshold: the greatest energy of a face, T.
        weight: K, what a window costs that is no face and lies on the manifold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Positive = 0.75
    weight: Positive = 1.0


class FacePoses:
    """Loss and counts of a network that maps windows to points; a label is 1 for a face, else 0."""

    headline = "face_accuracy"
    unit = "windows"
    by_row = False
    per_label = False

    def __init__(self, config: TaskConfig, classes: int) -> None:
        del classes  # the output is a point in a space of poses
        arguments = check_task_arguments(FacePoseArguments, config)
        self.threshold, self.weight = arguments.threshold, arguments.weight

    def compute(self, network: Network, batch: Batch) -> Outputs:
        """``output`` (n, 9): the points G."""
        return name_outputs(network(batch.inputs))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """E² of faces in their poses, K·exp(−E) of the rest in the nearest one, summed."""
        points = outputs[OUTPUT]
        yaw, roll = batch.tensors[POSES].to(points.dtype).unbind(1)
        of_faces = pose_energy(points, yaw, roll).square()
        of_others = self.weight * torch.exp(-nearest_pose(points).energy)
        return torch.where(batch.labels == 1, of_faces, of_others).sum()

    def predict(self, network: Network, batch: Batch) -> Outputs:
        """As `compute`."""
        return self.compute(network, batch)

    def zero(self, device: torch.device) -> FaceCounts:
        return FaceCounts.zero(device)

    def unpack(self, packed: Tensor, device: torch.device) -> FaceCounts:
        return FaceCounts.unpack(packed.to(device))

    def count(self, outputs: Outputs, batch: Batch) -> FaceCounts:
        """Counts of one batch of windows."""
        found = nearest_pose(outputs[OUTPUT])
        loss, faces = self.loss(outputs, batch), batch.labels == 1
        energies = PairCounts.of(found.energy, batch.labels, loss, self.threshold, _REACH)
        yaw, roll = batch.tensors[POSES].unbind(1)
        near = [
            (_apart(one, true) <= _TOLERANCE) & faces
            for one, true in ((found.yaw, yaw), (found.roll, roll))
        ]
        sums = torch.stack([one.sum().double() for one in (faces, *near)])
        return FaceCounts(energies, sums)

    def signature(self, model: nn.Module, taken: TensorSpec, labels: tuple[str, ...]) -> Signature:
        """One window to its point."""
        size = int(model.classes)  # type: ignore[arg-type]
        units = f"pose space, a face below an energy of {self.threshold:g}"
        point = TensorSpec(dtype="float32", shape=(size,), layout="C", units=units)
        return Signature({INPUT: taken}, {POINT: point})

    def gather_assets(
        self, shards: Location, split: str, labels: tuple[str, ...]
    ) -> Mapping[str, str]:
        """The threshold, as `DETECTOR_FILE`."""
        return {DETECTOR_FILE: json.dumps({"threshold": self.threshold}) + "\n"}


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """Between two angles, from 0 to π."""
    turned = (first - second + math.pi) % (2 * math.pi)
    return (turned - math.pi).abs()
