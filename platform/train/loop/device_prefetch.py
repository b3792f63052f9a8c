"""Batches on a CUDA device one ahead of their use, copied beside the computation."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch

from striate.data.stream.batch import Batch
from striate.data.stream.stream import Stream

_Arrival = tuple[Batch, torch.cuda.Event]


class DevicePrefetcher:
    """A stream whose batches arrive on the device.

    A thread takes the next batch, puts it into page-locked memory and has it copied on a CUDA
    stream of its own, while the device works on the batch before.

    Args:
        stream: makes the batches; closed with this.
        device: a CUDA device.
        place: takes a batch in page-locked memory to the device, without waiting.

    Attributes:
        wait_s: seconds that the training thread has waited for batches.
        damaged: name → reason of the damaged samples met so far, in batches that were taken.
    """

    def __init__(
        self, stream: Stream, device: torch.device, place: Callable[[Batch], Batch]
    ) -> None:
        self.wait_s = 0.0
        self.damaged: dict[str, str] = {}
        self._stream, self._device, self._place = stream, device, place
        self._side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = ThreadPoolExecutor(1, "striate-ahead")
        self._next = self._pool.submit(self._bring)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        began = time.perf_counter()
        batch, arrived = self._next.result()
        self.wait_s += time.perf_counter() - began
        self._next = self._pool.submit(self._bring)
        self.damaged |= {met.key or f"row {met.row}": met.reason for met in batch.damaged}
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(arrived)
        for tensor in batch.tensors.values():
            tensor.record_stream(computing)  # its memory is not given away while it is in use
        return batch

    def close(self) -> None:
        """End the thread and the stream; the batch on its way is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _bring(self) -> _Arrival:
        batch = next(self._stream)
        with torch.cuda.stream(self._side):  # and its device, which is a thread's own matter
            there = self._place(batch.map(lambda tensor: tensor.pin_memory()))
            return there, self._side.record_event()
