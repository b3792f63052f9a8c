"""Pictures of a run while it runs: drawn every few minutes, and brought to MLflow."""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from striate.core.errors import StriateError
from striate.core.tracking import connect, explain_unavailable
from striate.train.run.folder import Run

EVERY_S = 300.0
_LEAST_REST = 50  # times as long as drawing took: 2 % of one core at most


@contextmanager
def update_plots_live(run: Run, every_s: float = EVERY_S) -> Iterator[None]:
    """Draw from a thread while the block runs; what fails is drawn again the next time."""
    done = threading.Event()
    thread = threading.Thread(
        target=_draw_live, args=(run, every_s, done), name="striate-live-plots", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _draw_live(run: Run, every_s: float, done: threading.Event) -> None:
    rest_s = every_s
    while not done.wait(rest_s):
        began = time.monotonic()
        # A disk that is full, a server that is away: the run itself says so.
        with contextlib.suppress(StriateError, OSError):
            update_plots(run)
        rest_s = max(every_s, _LEAST_REST * (time.monotonic() - began))


def update_plots(run: Run) -> None:
    """Draw what there is to draw now, and bring it to MLflow.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    from striate.train.plots import draw_all  # matplotlib is not for the start of a run

    pictures = draw_all(run)
    client = connect(run.spec.tracking_uri)
    with explain_unavailable(run.spec.tracking_uri):
        for picture in pictures:
            client.log_artifact(run.spec.run_id, str(picture), "pictures")
