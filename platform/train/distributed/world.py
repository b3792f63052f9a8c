"""Rank, world and device as one value, made once at the edge."""

from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from striate.data.stream.spec import Share


@dataclass(frozen=True)
class World(Share):
    """Where this process stands in the job: its share of the batches, its device, the others.

    Attributes:
        rank: of this process, from 0.
        world_size: number of processes.
        device: where its tensors live.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this process writes and reports for all."""
        return self.rank == 0

    def seed(self, seed: int, step: int) -> None:
        """Make torch's own random numbers a function of (seed, step, rank), for layers that draw
        from them: nothing of a generator needs to be in a checkpoint."""
        word = ((seed * 1_000_003 + step) * 1_000_003 + self.rank) % 2**63
        torch.default_generator.manual_seed(word)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(word)

    def agree(self) -> None:
        """Return when every process has come here."""
        self.sum(torch.zeros(1, device=self.device))

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, by rank; they have one shape and type."""
        if self.world_size == 1:
            return [tensor]
        parts = [torch.empty_like(tensor, device=self.device) for _ in range(self.world_size)]
        dist.all_gather(parts, tensor.to(self.device))
        return parts

    def gather_bytes(self, payload: bytes) -> list[bytes]:
        """The bytes of all processes, by rank; of any lengths."""
        if self.world_size == 1:
            return [payload]
        mine = torch.tensor([len(payload)], device=self.device)
        sizes = [int(size) for size in self.gather(mine)]
        padded = torch.frombuffer(bytearray(payload.ljust(max(sizes), b"\0")), dtype=torch.uint8)
        parts = self.gather(padded.to(self.device))
        return [
            part[:size].cpu().numpy().tobytes() for part, size in zip(parts, sizes, strict=True)
        ]

    def from_first(self, payload: bytes) -> bytes:
        """The bytes that rank 0 holds, on every rank."""
        if self.world_size == 1:
            return payload
        size = torch.tensor(len(payload), device=self.device)
        dist.broadcast(size, 0)
        content = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        if self.first and payload:
            content.copy_(torch.frombuffer(bytearray(payload), dtype=torch.uint8))
        dist.broadcast(content, 0)
        return content.cpu().numpy().tobytes()
