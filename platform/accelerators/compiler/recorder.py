"""What a network really does in a forward pass, held to a chain of layers that follow one another.

Between its layers a network may look at sizes and reshape. Whatever else it computes there, or
reads of its data, is refused by name: no probe with some inputs could tell what it does on others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.core.errors import UnsupportedLayer
from striate.models.lenet5 import RbfOutput

_SIZES = {
    "size",
    "dim",
    "numel",
    "__len__",
    "shape",
    "ndim",
    "dtype",
    "device",
    "is_floating_point",
}
_RESHAPES = {"flatten", "view", "reshape", "squeeze"}
_UNCHANGED = {"contiguous", "float", "to"}
_REMEDY = "Chips run chains of convolutions, sub-sampling and full layers with Squash."


class LayerRecorder(TorchFunctionMode):
    """Records the layers that run, in order, and the first thing that makes them no chain.

    Args:
        states: what goes into the network.

    Attributes:
        order: name and module of each layer that ran.
        problem: what is done between the layers that no chain has; empty for nothing.
    """

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.order: list[tuple[str, nn.Module]] = []
        self.problem = ""
        self._current: object = states
        self._within = 0

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Called by torch for every function of tensors; those of a layer itself are its own."""
        result = func(*args, **(kwargs or {}))
        if not self._within:
            self._judge(_name_of(func), args, result)
        return result

    def enter(self, name: str, inputs: tuple[object, ...]) -> None:
        """A layer begins."""
        if len(inputs) != 1 or inputs[0] is not self._current:
            self._refuse(f"layer {name} takes something else than what is before it")
        self._within += 1

    def leave(self, name: str, module: nn.Module, output: object) -> None:
        """A layer ends."""
        self._within -= 1
        if any(module is other for _, other in self.order) and list(module.parameters()):
            self._refuse(f"layer {name} is used twice")
        self.order.append((name, module))
        self._current = output

    def finish(self, output: object) -> None:
        """The network ends."""
        if output is not self._current:
            self._refuse("it gives something else than what its last layer made")

    def _judge(self, name: str, args: tuple[object, ...], result: object) -> None:
        follows = bool(args) and args[0] is self._current
        if name in _SIZES or (follows and name in _UNCHANGED and result is self._current):
            return
        after = self.order[-1][0] if self.order else "its input"
        negates = name == "neg" and self.order and isinstance(self.order[-1][1], RbfOutput)
        if not follows or not (name in _RESHAPES or negates):
            self._refuse(f"{name.strip('_')} is computed after {after}")
        self._current = result

    def _refuse(self, problem: str) -> None:
        self.problem = self.problem or problem


def record_layers(model: nn.Module, states: Tensor) -> tuple[LayerRecorder, Tensor]:
    """Run a network once and record its layers.

    Args:
        model: in evaluation mode.
        states: what goes in, (N, …).

    Returns:
        The record, and what the network gave.
    """
    recorder = LayerRecorder(states)
    with _hooked(model, recorder), recorder:
        output = model(states)
    recorder.finish(output)
    return recorder, output


def check_chain(model: nn.Module, recorder: LayerRecorder) -> None:
    """Accept a network that is a chain of its layers.

    Raises:
        UnsupportedLayer: it is not; says what it does between them.
    """
    if recorder.problem:
        names = ", ".join(dict.fromkeys(name for name, _ in recorder.order)) or "none"
        raise UnsupportedLayer(
            f"{type(model).__name__} is no chain of its layers ({names}), with at most a squash "
            f"after each: {recorder.problem}.",
            _REMEDY,
        )


@contextmanager
def _hooked(model: nn.Module, recorder: LayerRecorder) -> Iterator[None]:
    def before(name: str) -> Any:
        return lambda _module, inputs: recorder.enter(name, inputs)

    def after(name: str) -> Any:
        return lambda module, _inputs, output: recorder.leave(name, module, output)

    hooks = []
    for name, module in model.named_modules():
        if not list(module.children()):
            hooks.append(module.register_forward_pre_hook(before(name)))
            hooks.append(module.register_forward_hook(after(name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _name_of(func: Callable[..., object]) -> str:
    name = getattr(func, "__name__", "a function")
    return str(
        getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name
    )
