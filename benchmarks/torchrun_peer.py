"""The peer of the training loop: the DDP script that one writes by hand, for `torchrun`.

    python -m torch.distributed.run --standalone --nproc-per-node 2 benchmarks/torchrun_peer.py PLAN

It holds the same network, takes the same tensors and computes in the same precision as Striate's
loop, and has nothing else: no metrics, no checkpoints, no order of samples.
"""

import json
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from turns import Plan, batches

from striate.models.alexnet import alexnet_one_tower

plan = Plan(**json.loads(sys.argv[1]))
torch.set_num_threads(1)
torch.manual_seed(0)
dist.init_process_group("gloo")
model = alexnet_one_tower(classes=plan.classes, field=plan.field, width=0.25)
model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
network = DistributedDataParallel(model, gradient_as_bucket_view=True)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
for batch in batches(plan, dist.get_rank()):
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(batch.images)
    loss = F.cross_entropy(logits.float(), batch.labels)
    torch.autograd.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
dist.destroy_process_group()
