"""Pictures of a run while it runs: drawn every few minutes, and brought to MLflow."""

from contextlib import AbstractContextManager

from striate.core.errors import StriateError
from striate.core.periodic import call_every
from striate.core.tracking import connect, explain_unavailable
from striate.train.run.folder import Run

EVERY_S = 300.0
_LEAST_REST = 50  # times as long as drawing took: 2 % of one core at most


def update_plots_live(run: Run, every_s: float = EVERY_S) -> AbstractContextManager[None]:
    """Draw from a thread while the block runs; what fails is drawn again the next time."""
    return call_every(
        every_s,
        lambda: update_plots(run),
        name="striate-live-plots",
        ignored=(StriateError, OSError),  # a full disk, a server away: the run itself says so
        least_rest=_LEAST_REST,
    )


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
