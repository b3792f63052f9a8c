"""What an evaluation leaves behind: its metrics, and the first layer's weights as they are then."""

from safetensors.torch import save
from torch import Tensor, nn

from striate.core.files import write_atomic
from striate.train.distributed.parallel import gather_tensor
from striate.train.distributed.world import World
from striate.train.loop.evaluate import Evaluation
from striate.train.loop.state import TrainState
from striate.train.loop.storage import write_or_note
from striate.train.run.folder import RunFolder
from striate.train.tracking.reporter import Reporter


def report_evaluation(
    folder: RunFolder, world: World, state: TrainState, evaluation: Evaluation, reporter: Reporter
) -> None:
    """Report an evaluation, and keep the first layer's weights; every rank must call."""
    metrics = {f"test/{name}": value for name, value in evaluation.metrics.items()}
    reporter.metrics(state.step, metrics)
    weights = first_layer(state.network)
    weights = None if weights is None else gather_tensor(weights)
    if world.first and weights is not None:
        content = save({"weight": weights.detach().float().cpu().contiguous()})
        path = folder.filters / f"step-{state.step:08d}.safetensors"
        what = f"The first layer at step {state.step}"
        write_or_note(reporter, state.step, what, lambda: write_atomic(path, content))


def first_layer(model: nn.Module) -> Tensor | None:
    """The kernels (out, in, height, width) of the first convolution, or None without one.

    Of a kernel over frames, (out, in, frames, height, width), the frames are side by side.
    """
    for kernels in model.parameters():
        if kernels.ndim == 5:
            return kernels.transpose(2, 3).flatten(3)
        if kernels.ndim == 4:
            return kernels
        if kernels.ndim == 3:  # one kernel a connection, as in LeNet's first layer
            return kernels.unsqueeze(1)
    return None
