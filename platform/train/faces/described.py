"""The descriptors of a whole split of shards, and whose they are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.data.corpora.lfw_lists import image_key
from striate.data.pipelines.registry import pipeline_of
from striate.data.shards.manifest import Manifest
from striate.data.stream.evaluation import evaluation_batches
from striate.data.stream.reader import SplitReader
from striate.data.stream.spec import StreamSpec
from striate.data.transforms.binary_codes import Descriptors
from striate.models.evaluation.describe import describe
from striate.models.evaluation.face_bundles import load_describer
from striate.train.distributed.world import World

_BATCH = 64
_PIPELINE = "aligned-faces"


@dataclass(frozen=True)
class Described:
    """Descriptors of faces.

    Attributes:
        descriptors: (n, d) float32.
        labels: (n,) int64, people.
        keys: of each face as LFW's lists name it, ``NAME/NAME_0001.jpg``.
    """

    descriptors: Descriptors
    labels: NDArray[np.int64]
    keys: tuple[str, ...]


def describe_split(bundle: Bundle, shards: str | Path, split: str) -> Described:
    """Describe every face of a split with a bundle's network.

    Raises:
        BundleError: the bundle's network describes no faces.
        DataError: a shard is missing or damaged.
    """
    model, pipeline = load_describer(bundle), bundle.spec.pipeline
    if pipeline is None:
        raise BundleError(f"The bundle {bundle.path.name} does not say how faces are aligned.")
    aligned = pipeline_of(_PIPELINE, pipeline.arguments, training=False)
    spec = StreamSpec(split, _BATCH, pipeline=aligned)
    parts, labels, rows = [], [], []
    for batch in evaluation_batches(str(shards), spec, World()):
        parts.append(describe(model, batch.images).numpy())
        labels.append(batch.labels.numpy())
        rows.append(batch.rows.numpy())
    keys = _keys(shards, split, np.concatenate(rows))
    return Described(np.concatenate(parts), np.concatenate(labels), keys)


def _keys(shards: str | Path, split: str, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """By identity and number where there are numbers, else as the source names its pictures."""
    reader, names = SplitReader(str(shards), split), Manifest.load(str(shards)).labels
    keys = []
    for one in reader.stored(rows):
        number = one.fields.get("number")
        label = one.label
        assert isinstance(label, int), "the faces of a corpus have one identity each"
        keys.append(one.key if number is None else image_key(names[label], int(number)))
    return tuple(keys)
