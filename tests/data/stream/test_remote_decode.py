"""Decoding elsewhere in the cluster: the same batches, and decoders that die are replaced."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.core.errors import DataError, PlacementError
from striate.data.pipelines.raw import RawImages
from striate.data.stream.remote_decoders import RemoteDecoders
from striate.data.stream.spec import ALONE, Share, StreamSpec
from striate.data.stream.stream import Batch, Stream

STEPS = ({"op": "scale", "factor": 1.275 / 255, "offset": -0.1},)


def same(one: Batch, other: Batch) -> bool:
    return one.cursor == other.cursor and all(
        torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items()
    )


def stream(shards: Path, share: Share = ALONE, **more: Any) -> Stream:
    pipeline = RawImages((1, 28, 28), "affine", STEPS)
    arguments: dict[str, Any] = {"batch_size": 50, "seed": 3, "pipeline": pipeline, "decoders": 1}
    return Stream(shards, StreamSpec("train", **arguments | more), share)


@pytest.mark.unit
def test_without_a_cluster_it_says_so(many_shards: Path) -> None:
    with pytest.raises(PlacementError, match="no cluster"):
        stream(many_shards, decode="remote")


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_the_same_batches_though_a_decoder_is_killed(many_shards: Path) -> None:
    with stream(many_shards, Share(1, 2)) as local:
        expected = [next(local) for _ in range(40)]
    with stream(many_shards, Share(1, 2), decode="remote") as remote:
        decoders = remote._decoder
        assert isinstance(decoders, RemoteDecoders)
        first = decoders.process_ids()
        assert os.getpid() not in first
        for step, batch in enumerate(expected):
            if step == 5:
                os.kill(first[0], signal.SIGKILL)
            assert same(next(remote), batch), step
        assert decoders.process_ids() != first


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_damage_is_told_and_stood_in_for(tmp_path: Path, write_shards: Any, telling: Any) -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[telling.__module__])
    shards = write_shards(tmp_path / "shards", (30, 40), broken=(3, 50, 51))
    arguments: dict[str, Any] = {"batch_size": 35, "seed": 2, "max_damaged": 3}
    with stream(shards, pipeline=telling(), **arguments) as local:
        expected = [next(local) for _ in range(2)]
    with stream(shards, pipeline=telling(), decode="remote", **arguments) as remote:
        assert all(same(next(remote), batch) for batch in expected)
        assert remote.damaged == local.damaged
    (shards / "train-00001.arrow").write_bytes(b"flipped")
    with (
        stream(shards, pipeline=telling(), decode="remote", **arguments) as remote,
        pytest.raises(DataError, match="train-00001"),
    ):
        [next(remote) for _ in range(2)]


@pytest.mark.cluster
def test_decoders_leave_the_trainings_node_alone(many_shards: Path, tmp_path: Path) -> None:
    """A cluster of two nodes; then the decoders' node is lost, and they move.

    What held is in a file: Ray prints a dead node's log to standard output at any moment.
    """
    held = tmp_path / "held.txt"
    done = subprocess.run(
        [sys.executable, "-c", TWO_NODES, str(many_shards), str(held)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert held.read_text().split() == ["apart", "same"], done.stderr[-3000:]


TWO_NODES = """
import sys
import ray, torch
from ray.cluster_utils import Cluster
from striate.data.stream.spec import StreamSpec
from striate.data.stream.stream import Stream
from striate.data.pipelines.raw import RawImages

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
other = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)
held = []
arguments = dict(batch_size=50, seed=3, pipeline=RawImages((1, 28, 28), "affine"))
with Stream(sys.argv[1], StreamSpec("train", **arguments)) as stream:
    local = [next(stream) for _ in range(12)]
remote = StreamSpec("train", decode="remote", decoders=2, **arguments)
with Stream(sys.argv[1], remote) as stream:
    here = ray.get_runtime_context().get_node_id()
    if here not in stream._decoder.node_ids():
        held.append("apart")
    remote = [next(stream) for _ in range(4)]
    cluster.remove_node(other)
    remote += [next(stream) for _ in range(8)]
if all(torch.equal(a.images, b.images) for a, b in zip(local, remote)):
    held.append("same")
with open(sys.argv[2], "w") as file:
    file.write(" ".join(held))
ray.shutdown()
cluster.shutdown()
"""
