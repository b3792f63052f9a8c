"""Decoding on other nodes of the cluster, for workers whose own processors cannot keep up.

Decoders are Ray actors, placed on other nodes than the training's where there are any. They read
the shards for themselves and send tensors back. Which samples are asked for, and what stands in
for damaged ones, is decided where training runs, so the order cannot change.
"""

import queue
from collections.abc import Sequence
from typing import Any

import torch

from striate.core.arrays import Integers
from striate.core.errors import PlacementError, PlatformError, StriateError
from striate.data.pipelines.base import Pipeline, Places
from striate.data.stream.decoding import Damage, Decoded, LocalDecoder
from striate.data.stream.reader import SplitReader

IN_FLIGHT = 2
"""Parts of batches that each decoder has been asked for at a time: one in work, one waiting."""

RETRIES = 3
"""Times that a part is asked for again when the decoder that had it dies."""

READY_S = 60.0
Arrays = tuple[dict[str, Any], tuple[Damage, ...], tuple[int, ...]]


class RemoteDecoders:
    """A `Decoder` whose work is done by processes elsewhere in the cluster.

    A decoder that dies is started again by Ray, on another node if its own is gone, and what it
    had not given back is decoded again.

    Args:
        reader: whose split it is; the decoders open the same folder or bucket, each with as many
            shards at hand as it keeps.
        pipeline: what makes tensors; it is sent to the decoders.
        count: decoders, each on one CPU.
        avoid: ids of Ray nodes to leave to training, as far as the others have room; this
            process's own when empty.

    Raises:
        PlacementError: there is no cluster, or no CPU in it is free for a single decoder.
    """

    def __init__(
        self, reader: SplitReader, pipeline: Pipeline, count: int, avoid: Sequence[str] = ()
    ) -> None:
        import ray

        if not ray.is_initialized():
            raise PlacementError(
                "There is no cluster to decode on.",
                "Train with scaling.workers of at least 1, or set data.decode=local.",
            )
        nodes = tuple(avoid) or (ray.get_runtime_context().get_node_id(),)
        actor = ray.remote(_Worker).options(**_placement(nodes))
        asked = (reader.target, reader.split, pipeline, reader.keep)
        self._actors = _started([actor.remote(*asked) for _ in range(count)])
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for one in self._actors * IN_FLIGHT:
            self._free.put(one)

    def decode(self, ids: Integers, places: Places) -> Decoded:
        """As `LocalDecoder.decode`; waits for a decoder that is free, and for what it sends.

        Raises:
            DataError: a shard is missing or damaged.
            PlatformError: decoders die of these samples again and again.
        """
        import ray

        actor = self._free.get()
        try:
            arrays, damaged, missing = ray.get(actor.decode.remote(ids, places))
        except ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise cause if isinstance(cause, StriateError) else error from None
        except ray.exceptions.RayActorError as error:
            raise PlatformError(
                f"A decoder died {RETRIES + 1} times over the samples {ids.tolist()}.",
                "See its log in Ray's dashboard, or set data.decode=local to find the sample.",
            ) from error
        finally:
            self._free.put(actor)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        return Decoded(tensors, damaged, missing)

    def process_ids(self) -> list[int]:
        """The decoders' processes, each on its node."""
        import ray

        return list(ray.get([actor.process_id.remote() for actor in self._actors]))

    def node_ids(self) -> list[str]:
        """The Ray nodes that the decoders are on."""
        import ray

        return list(ray.get([actor.node_id.remote() for actor in self._actors]))

    def close(self) -> None:
        """End the decoders."""
        import ray

        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)


class _Worker:
    """One decoder's process."""

    def __init__(self, target: str, split: str, pipeline: Pipeline, keep: int) -> None:
        torch.set_num_threads(1)
        reader = SplitReader(target, split, pipeline.units_per_row)
        reader.keep = keep
        self._decoder = LocalDecoder(reader, pipeline)

    def decode(self, ids: Integers, places: Places) -> Arrays:
        decoded = self._decoder.decode(ids, places)
        arrays = {name: tensor.numpy() for name, tensor in decoded.tensors.items()}
        return arrays, decoded.damaged, decoded.missing

    def process_id(self) -> int:
        import os

        return os.getpid()

    def node_id(self) -> str:
        import ray

        return str(ray.get_runtime_context().get_node_id())


def _placement(avoid: Sequence[str]) -> dict[str, Any]:
    """Ray options: one CPU on another node than these, or else on any; replaced when it dies."""
    return {
        "num_cpus": 1,
        "max_restarts": -1,
        "max_task_retries": RETRIES,
        "label_selector": {"ray.io/node-id": f"!in({','.join(avoid)})"},
        "fallback_strategy": [{"label_selector": {}}],
    }


def _started(actors: list[Any]) -> list[Any]:
    """Those that have found a place; the others are given up."""
    import ray

    waiting = {actor.process_id.remote(): actor for actor in actors}
    ready, late = ray.wait(list(waiting), num_returns=len(actors), timeout=READY_S)
    for one in late:
        ray.kill(waiting[one])
    for one in ready:
        _checked(one)
    if not ready:
        raise PlacementError(
            f"No CPU of the cluster was free for a decoder within {READY_S:.0f} s.",
            "Add nodes, train with fewer workers, or set data.decode=local.",
        )
    return [waiting[one] for one in ready]


def _checked(answer: Any) -> None:
    """Say in the caller's terms why a decoder could not start."""
    import ray

    try:
        ray.get(answer)
    except ray.exceptions.ActorDiedError as error:
        raise PlatformError(f"A decoder could not start: {error}.") from error
