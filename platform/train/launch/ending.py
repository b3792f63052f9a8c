"""How a run that does not come to its end ends: said in MLflow, and to the user in one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from striate.core.errors import (
    DiskFull,
    PlatformError,
    StriateError,
    TrackingRefused,
    TrackingUnavailable,
)
from striate.core.files import is_full_disk
from striate.train.launch.publish import close, publish
from striate.train.run.folder import Run
from striate.train.run.lease import Lease
from striate.train.tracking.events import OnEvent, TrainEvent
from striate.train.tracking.metric_log import append_note
from striate.train.tracking.mlflow_run import status_after


@contextmanager
def end_told(run: Run, lease: Callable[[], Lease | None], tell: OnEvent) -> Iterator[None]:
    """Whatever ends the block before its end, say in MLflow that the run ended so.

    Raises:
        TrainingFailed: another process has taken the run over; how it ends is its to say.
        DiskFull, PlatformError: in place of an `OSError`, with how the run goes on.
    """
    try:
        yield
    except BaseException as error:
        if (held := lease()) is not None:
            held.check()
        # A model that MLflow does not take in is kept for `striate runs sync`, which ends the run.
        if not isinstance(error, TrackingUnavailable | TrackingRefused):
            _mark(run, status_after(error), tell)
        if isinstance(error, OSError | DiskFull):
            raise _refused(run, error) from error
        raise


def _refused(run: Run, error: OSError | DiskFull) -> PlatformError:
    """A storage that refuses, in one sentence, and how the run goes on once it does so no more."""
    run_id, known = run.spec.run_id, run.folder.holds_spec
    how = (
        f"go on with it: `striate train --resume {run_id}`." if known else "run the command again."
    )
    if isinstance(error, DiskFull):
        return DiskFull(error.message, f"Free some room and {how}")
    if is_full_disk(error):
        place = error.filename if isinstance(error.filename, str) else run.folder.path
        return DiskFull(f"The disk that holds {place} is full.", f"Free some room and {how}")
    return PlatformError(f"The run {run_id} cannot go on: {error}.", f"Mend that and {how}")


def _mark(run: Run, status: str, tell: OnEvent) -> None:
    """Say in MLflow how the run ended, if it answers, and bring there what there is of it."""
    try:
        close(run, status, within_s=5.0)
        if not run.folder.outcome.is_file():
            publish(run, within_s=5.0)
    except (StriateError, OSError) as error:
        text = f"MLflow does not have all of the run: {error}"
        append_note(run.folder.metric_log, text)
        tell(TrainEvent(0, run.spec.total_steps, note=text))
