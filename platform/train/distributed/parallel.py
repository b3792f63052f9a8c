"""One model on several workers: replicas by DDP, or shards by FSDP, and whole tensors of either.

What leaves a run (checkpoints, bundles) holds whole tensors, so it does not show how the run was
spread.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parallel import DistributedDataParallel

from striate.core.errors import PlatformError
from striate.train.distributed.world import World

LARGE = 1 << 20
"""Parameters from which a layer is gathered and let go by itself; smaller ones go together."""


def shard(model: nn.Module, world: World) -> None:
    """Divide a model's parameters among the workers; they are gathered when a layer needs them."""
    mesh = init_device_mesh(world.device.type, (world.world_size,))
    for layer in list(model.modules()):
        size = sum(parameter.numel() for parameter in layer.parameters())
        if isinstance(layer, nn.Linear | _ConvNd) and layer is not model and size >= LARGE:
            fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    if statistics(model):
        model.register_forward_pre_hook(lambda module, _: _same_while_training(module, world))


def wrap_model(model: nn.Module, world: World) -> nn.Module:
    """What to call in training: the model alone or sharded, or its replica under DDP."""
    if world.world_size == 1 or isinstance(model, FSDPModule):
        return model
    replica = DistributedDataParallel(
        model,
        device_ids=None if world.device.type == "cpu" else [world.device],
        gradient_as_bucket_view=True,
    )
    replica.broadcast_buffers = bool(statistics(model))  # constants need no traffic at each step
    return replica


def sync_gradients(network: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients are exchanged with the last part of a share only."""
    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(last)
    elif isinstance(network, DistributedDataParallel) and not last:
        return network.no_sync()
    return nullcontext()


def compile_network(network: nn.Module) -> None:
    """Have `torch.compile` translate a network, when it is first called.

    Raises:
        PlatformError: there is no C++ compiler.
    """
    names = (os.environ.get("CXX", "g++"), "c++", "clang++")
    if not any(shutil.which(name) for name in names):
        raise PlatformError(
            "torch.compile needs a C++ compiler, and this machine has none.",
            "Install g++, or set compile=false.",
        )
    network.compile()


@contextmanager
def gather_model(model: nn.Module) -> Iterator[None]:
    """Inside it the whole model is on each worker, so that they may call it a different number of
    times; every worker must enter."""
    shards = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for one in shards:
        one.set_reshard_after_forward(False, recurse=False)
        one.unshard()
    try:
        yield
    finally:
        for one in shards:
            one.set_reshard_after_forward(one is not model, recurse=False)
            one.reshard()


def statistics(model: nn.Module) -> list[Tensor]:
    """The running statistics of batch normalisation, which every forward in training changes."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return [buffer for norm in norms for buffer in norm.buffers()]


def broadcast_statistics(model: nn.Module, world: World) -> None:
    """Give every worker the running statistics of rank 0; every worker must call."""
    if world.world_size > 1:
        for buffer in statistics(model):
            dist.broadcast(buffer, 0)


def gather_tensor(tensor: Tensor) -> Tensor:
    """A tensor without the division among workers, each of which must call."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """This worker's part of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def distribute_like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole tensor, which all workers hold, on the device, laid out and divided as `other` is.

    Fused optimisers go through weights and momenta in the order of memory.
    """
    if tensor.shape != other.shape:  # a count of steps
        return tensor.to(other.device)
    if isinstance(other, DTensor):
        tensor = tensor.to(other.device)
        return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)
    return torch.empty_like(other, dtype=tensor.dtype).copy_(tensor)


def _same_while_training(model: nn.Module, world: World) -> None:
    if model.training:
        broadcast_statistics(model, world)
