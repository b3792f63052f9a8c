"""Decisions that no step counter makes, taken by all workers at the same step.

A signal reaches one worker, a clock strikes at another time in each, and the request of a driver
is seen by one first. What they find is summed over all of them a few times a second; between two
such looks nothing is exchanged, so that short steps are not slowed.
"""

from dataclasses import dataclass

import torch

from striate.train.distributed.world import World

EVERY_S = 0.25
_FURTHEST = 10_000


@dataclass(frozen=True)
class Decision:
    """What all workers do after a step.

    Attributes:
        save: write a checkpoint.
        stop: write a checkpoint and end.
    """

    save: bool
    stop: bool


class Agreement:
    """Brings the wishes of all workers together, after the same steps on each.

    Args:
        world: this process.
        step: steps done before the first that this is asked about.
        now_s: a clock in seconds.
        every_s: seconds between two looks.
    """

    def __init__(self, world: World, step: int, now_s: float, every_s: float = EVERY_S) -> None:
        self._world = world
        self._every_s = every_s
        self._looked_at, self._looked_s = step, now_s
        self._next = step + 1

    def due(self, step: int) -> bool:
        """Whether all workers look after `step` steps; the same on each."""
        return step >= self._next

    def take(self, step: int, now_s: float, *, save: bool, stop: bool) -> Decision:
        """The sum of all wishes; every worker must call.

        Args:
            step: steps done; `due` at this step.
            now_s: the clock.
            save: whether this worker wants a checkpoint.
            stop: whether this worker was asked to end.
        """
        done = step - self._looked_at
        ahead = steps_ahead(done, now_s - self._looked_s, self._every_s)
        wishes = [float(save), float(stop), float(ahead if self._world.first else 0)]
        # float32 is exact up to 2^24, and not every device knows float64
        summed = self._world.sum(torch.tensor(wishes, device=self._world.device)).tolist()
        self._looked_at, self._looked_s = step, now_s
        self._next = step + int(summed[2])
        return Decision(save=summed[0] > 0, stop=summed[1] > 0)


def steps_ahead(steps: int, seconds: float, every_s: float) -> int:
    """After how many further steps to look again, given that `steps` took `seconds`.

    At most three times as many as before, so that one quick step after a slow start is no measure.

    >>> steps_ahead(10, 1.0, 0.25), steps_ahead(1, 2.0, 0.25), steps_ahead(4, 1e-3, 0.25)
    (3, 1, 12)
    """
    limit = min(3 * steps, _FURTHEST)
    wished = steps * every_s / seconds + 0.5 if seconds > 0 else limit
    return max(1, round(min(wished, limit)))
