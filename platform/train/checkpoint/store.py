"""Checkpoints: folders of safetensors and JSON, whole or absent, verified when read.

One folder a step. Tensors (model, optimiser, averaged weights, random states) are in
``state.safetensors``; everything else (cursor, step, scalars of the optimiser, run id) is in
``state.json``; ``hashes.json`` names both files' SHA-256. No pickle is involved.
"""

import errno
import json
import shutil
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from striate.core.errors import CheckpointError
from striate.core.files import atomic_folder, is_temporary, sha256_of
from striate.core.tensors import save_tensors

TENSORS_FILE = "state.safetensors"
DOCUMENT_FILE = "state.json"
HASHES_FILE = "hashes.json"

_AWAY = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENETDOWN),
    *(errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}  # what a storage says that will be back; anything else is damage


@dataclass(frozen=True)
class Checkpoint:
    """The state after a step.

    Attributes:
        step: optimiser steps done.
        tensors: by name, on the CPU.
        document: what JSON can hold.
    """

    step: int
    tensors: dict[str, Tensor]
    document: dict[str, Any]

    def to_bytes(self) -> bytes:
        """One string of bytes, to be sent to workers that do not see the storage."""
        document = json.dumps({"step": self.step, **self.document}).encode()
        content: bytes = save(self.tensors)
        return struct.pack("<q", len(document)) + document + content

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The inverse of `to_bytes`."""
        (length,) = struct.unpack_from("<q", payload)
        document = json.loads(payload[8 : 8 + length])
        return cls(document.pop("step"), load(payload[8 + length :]), document)


class HostBuffers:
    """Memory of the CPU that one copy of a state after the other is taken into.

    Taking it anew each time would cost more than copying: the kernel clears every page. Copies
    from a GPU go into pinned memory and are waited for once.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def fill(self, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        """Copies of tensors, valid until the next call."""
        copies: dict[str, Tensor] = {}
        streams = set()
        for name, tensor in tensors:
            held = self._held.get(name)
            if held is None or held.shape != tensor.shape or held.dtype != tensor.dtype:
                held = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            held.copy_(tensor, non_blocking=tensor.is_cuda)
            if tensor.is_cuda:
                streams.add(torch.cuda.current_stream(tensor.device))
            copies[name] = held
        for stream in streams:
            stream.synchronize()
        self._held = copies
        return dict(copies)


class CheckpointStore:
    """The checkpoints of one run, in a folder that every restart sees.

    Args:
        folder: made when the first checkpoint is written.
        keep: how many of the latest are kept.
        keep_best: whether the one with the highest ``score`` in its document is kept as well.
    """

    def __init__(self, folder: Path, keep: int = 2, keep_best: bool = False) -> None:
        self.folder = folder
        self.keep = keep
        self.keep_best = keep_best

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first; none of them was verified."""
        names = [path.name for path in self.folder.glob("step-*")]
        return sorted(int(name[5:]) for name in names if name[5:].isdigit())

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, whole or not at all, then remove those that are not to be kept.

        Raises:
            PlatformError: the disk is full; older checkpoints stay.
            OSError: the storage fails in another way; older checkpoints stay.
        """
        with atomic_folder(self.path(checkpoint.step)) as folder:
            save_tensors(checkpoint.tensors, folder / TENSORS_FILE)
            document = {"step": checkpoint.step, **checkpoint.document}
            (folder / DOCUMENT_FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")
            hashes = {name: sha256_of(folder / name) for name in (TENSORS_FILE, DOCUMENT_FILE)}
            (folder / HASHES_FILE).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
        scores = {step: self.score(step) for step in self.steps()} if self.keep_best else {}
        for step in find_superfluous(self.steps(), self.keep, scores):
            shutil.rmtree(self.path(step), ignore_errors=True)

    def score(self, step: int) -> float | None:
        """How good the evaluation at a checkpoint's step was; None without one."""
        try:
            document = json.loads((self.path(step) / DOCUMENT_FILE).read_text(encoding="utf-8"))
            score = document.get("score")
        except (OSError, ValueError, AttributeError):
            return None
        return float(score) if isinstance(score, int | float) else None

    def load(self, step: int) -> Checkpoint:
        """Read one checkpoint and check its hashes.

        Raises:
            CheckpointError: a file is missing or damaged; the message names it.
            OSError: the storage does not answer for now.
        """
        path = self.path(step)
        try:
            hashes: Mapping[str, str] = json.loads((path / HASHES_FILE).read_text(encoding="utf-8"))
            for name in (TENSORS_FILE, DOCUMENT_FILE):
                if sha256_of(path / name) != hashes[name]:
                    raise CheckpointError(f"{name} of the checkpoint {path.name} is damaged.")
            document = json.loads((path / DOCUMENT_FILE).read_text(encoding="utf-8"))
            tensors = load((path / TENSORS_FILE).read_bytes())
        except FileNotFoundError as error:
            name = Path(error.filename).name
            raise CheckpointError(f"The checkpoint {path.name} lacks its file {name}.") from None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            if isinstance(error, OSError) and error.errno in _AWAY:
                raise
            raise CheckpointError(f"The checkpoint {path.name} cannot be read.") from None
        return Checkpoint(document.pop("step"), tensors, document)

    def load_latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest good checkpoint, or None when the run has none yet.

        Returns:
            The checkpoint, and one sentence for each newer one that could not be used.

        Raises:
            CheckpointError: there are checkpoints, and none is good.
            OSError: the storage does not answer for now.
        """
        complaints: list[str] = []
        for step in reversed(self.steps()):
            try:
                return self.load(step), complaints
            except CheckpointError as error:
                complaints.append(error.message)
        if complaints:
            raise CheckpointError(
                f"No checkpoint can be used: {' '.join(complaints)}", "Start the run anew."
            )
        return None, []

    def sweep(self) -> None:
        """Remove what interrupted writes left behind; only while nobody writes."""
        for path in self.folder.glob(".tmp-*") if self.folder.is_dir() else ():
            if is_temporary(path):
                shutil.rmtree(path, ignore_errors=True)


def find_superfluous(steps: list[int], keep: int, scores: Mapping[int, float | None]) -> list[int]:
    """Which checkpoints are neither among the latest nor the best; the earlier of equals is best.

    >>> find_superfluous([10, 20, 30, 40], 2, {10: 0.7, 20: 0.9, 30: None, 40: 0.8})
    [10]
    """
    scored = [(score, -step) for step in steps if (score := scores.get(step)) is not None]
    best = -max(scored)[1] if scored else None
    return [step for step in sorted(steps)[:-keep] if step != best]
