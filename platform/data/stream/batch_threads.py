"""Threads that make one batch together, each a part of it, and keep batches in order."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from striate.data.stream.decoding import Damage, Decoded

PART = 8
"""Samples that a thread decodes at a time: few enough that no thread ends long after the others."""

Work = Callable[[slice], Decoded]


def parts_of(size: int, threads: int, part: int | None = PART) -> list[slice]:
    """A batch of `size` cut for `threads`; `part` samples at most each, or None for no limit."""
    share = max(1, -(-size // max(1, threads)))
    step = share if part is None else min(part, share)
    return [slice(start, min(start + step, size)) for start in range(0, size, step)] or [
        slice(0, 0)
    ]


class Assembly:
    """The tensors of a batch in the making; each part is copied into its place by its thread.

    A batch of one part is taken as it is. Samples that a part left out are missing at the end.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._whole: dict[str, Tensor] = {}
        self._missing: list[int] = []

    def put(self, part: slice, decoded: Decoded) -> tuple[Damage, ...]:
        """Take in a part; gives back what was damaged in it."""
        if part.stop - part.start == self._size and not decoded.missing:
            self._whole = decoded.tensors
        else:
            self._copy(part, decoded)
        return decoded.damaged

    def result(self) -> dict[str, Tensor]:
        """Name → tensor; empty when no sample is left."""
        if not self._missing:
            return self._whole
        kept = torch.ones(self._size, dtype=torch.bool)
        kept[self._missing] = False
        return {name: tensor[kept] for name, tensor in self._whole.items()}

    def _copy(self, part: slice, decoded: Decoded) -> None:
        with self._lock:
            self._missing += [part.start + index for index in decoded.missing]
            for name, tensor in decoded.tensors.items():
                if name not in self._whole:
                    self._whole[name] = _empty(self._size, tensor)
        left_out = set(decoded.missing)
        where = [at for at in range(part.stop - part.start) if at not in left_out]
        for name, tensor in decoded.tensors.items():
            mine = self._whole[name][part]
            if left_out:
                mine[where] = tensor
            else:
                mine.copy_(tensor)


def _empty(size: int, like: Tensor) -> Tensor:
    """Memory for `size` samples in the order that `like` has it (channels last, for images).

    It comes from numpy, which asks for huge pages: they cost less to touch.
    """
    inner = sorted(range(1, like.dim()), key=like.stride, reverse=True)
    order, shape = [0, *inner], (size, *like.shape[1:])
    laid_out = [shape[dimension] for dimension in order]
    try:
        memory = torch.from_numpy(np.empty(laid_out, like.numpy().dtype))
    except TypeError:  # bfloat16, which numpy has not
        memory = like.new_empty(laid_out)
    return memory.permute([order.index(dimension) for dimension in range(like.dim())])


@dataclass(frozen=True)
class Pending:
    """A batch that threads are making."""

    assembly: Assembly
    parts: Sequence["Future[tuple[Damage, ...]]"]

    def result(self) -> tuple[dict[str, Tensor], tuple[Damage, ...]]:
        """Wait for it: its tensors, and what was damaged. What a thread raised is raised."""
        damaged = [damage for part in self.parts for damage in part.result()]
        return self.assembly.result(), tuple(damaged)


class Workers:
    """Threads that take parts of batches in the order in which the batches were begun.

    Args:
        threads: how many; with 0 a batch is made when it is begun, in the caller's thread.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = _pool(threads) if threads else None

    def begin(self, size: int, parts: Sequence[slice], work: Work) -> Pending:
        """Begin a batch of `size` samples; `work` makes a part of it."""
        assembly = Assembly(size)

        def make(part: slice) -> tuple[Damage, ...]:
            return assembly.put(part, work(part))

        if self._pool is not None:
            return Pending(assembly, [self._pool.submit(make, part) for part in parts])
        done: Future[tuple[Damage, ...]] = Future()
        done.set_result(tuple(damage for part in parts for damage in make(part)))
        return Pending(assembly, [done])

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _pool(threads: int) -> ThreadPoolExecutor:
    """Worker threads on one core each: torch's own threads would fight with the training's."""
    consumer_threads = torch.get_num_threads()
    started = threading.Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, "striate-stream", _one_thread)
    for _ in range(threads):
        pool.submit(started.wait)
    started.wait()  # every worker has set its own number of threads …
    torch.set_num_threads(consumer_threads)  # … which new threads would inherit from then on
    return pool


def _one_thread() -> None:
    """Let this thread do torch's arithmetic alone.

    A thread takes over the process's number on its first use of torch, whatever was set in it
    before; asking is such a use.
    """
    torch.get_num_threads()
    torch.set_num_threads(1)
