"""From what a run left in its folder to MLflow: metrics, pictures, recipe and registered bundle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from striate.core.bundle import Bundle
from striate.core.errors import StriateError, TrackingRefused, TrackingUnavailable
from striate.core.model_version import EvaluatedOn, ModelVersion
from striate.core.registry import register
from striate.core.retry import Backoff, retry
from striate.core.tracking import connect, explain_unavailable
from striate.train.launch.live_plots import update_plots, update_plots_live
from striate.train.run.folder import Run
from striate.train.run.spec import RunSpec
from striate.train.tracking.events import headline_of
from striate.train.tracking.metric_log import last_time_ms
from striate.train.tracking.mlflow_run import LOADER_MODULE, close_run, status_of
from striate.train.tracking.uploader import Uploader, upload_all

Tell = Callable[[str], None]
_Result = TypeVar("_Result")


def publish(
    run: Run,
    within_s: float = 30.0,
    *,
    promoted: bool = False,
    tell: Tell = lambda _: None,
) -> ModelVersion | None:
    """Bring all that a run left in its folder to MLflow: metrics, pictures, recipe, bundle.

    Doing it again changes nothing, so a run whose tracking server was away is published later by
    ``striate runs sync``.

    Args:
        run: the run.
        within_s: how long to wait for MLflow.
        promoted: the model becomes champion even where it is no better than the present one.
        tell: takes one sentence on which version is champion.

    Returns:
        The registered version; None when the recipe registers nothing or the run has no bundle.

    Raises:
        TrackingUnavailable: MLflow does not answer within `within_s` seconds; all is kept.
        TrackingRefused: MLflow refuses; all is kept.
        OSError: the disk has no room for the pictures.
    """
    return _patiently(run, lambda: _publish(run, promoted, tell), within_s)


def close(run: Run, status: str, within_s: float) -> None:
    """Say in MLflow how a run ended, and when: at the last that it said.

    Raises:
        TrackingUnavailable: MLflow does not answer within `within_s` seconds.
        TrackingRefused: MLflow refuses.
    """
    _patiently(run, lambda: _close(run, status), within_s)


def close_interrupted(run: Run) -> None:
    """Say of a run that came to nothing that it goes on no more, where MLflow thinks that it does.

    For who holds its lease, so that nobody drives it.

    Raises:
        TrackingUnavailable, TrackingRefused: as `publish`.
    """
    if status_of(run.spec.tracking_uri, run.spec.run_id) == "RUNNING":
        asked = run.folder.stopped.is_file() or run.folder.stop_request.exists()
        close(run, "KILLED" if asked else "FAILED", within_s=30.0)


def register_run(
    run: Run, name: str, *, promoted: bool = False, tell: Tell = lambda _: None
) -> ModelVersion:
    """Register the bundle of a run that is at its end as the next version of a model.

    Args:
        run: the run.
        name: the model's.
        promoted: it becomes champion even where it is no better than the present one.
        tell: takes one sentence on which version is champion.

    Raises:
        TrackingUnavailable: MLflow does not answer.
        TrackingRefused: MLflow refuses.
    """
    return register(
        Bundle.open(run.folder.bundle), name, run.spec.run_id, run.spec.tracking_uri, LOADER_MODULE,
        evaluated_on=evaluated_on(run.spec), promoted=promoted, tell=tell,
    )  # fmt: skip


def evaluated_on(spec: RunSpec) -> EvaluatedOn:
    """On what a run's model is measured: these shards' split, and the task's headline metric."""
    data = f"{spec.manifest_sha256} {spec.recipe.data.test_split}"
    return EvaluatedOn(data=data, metric=headline_of(spec.recipe))


def explain_kept(run: Run, error: StriateError) -> StriateError:
    """The one line for a run that MLflow could not take in, and what to do about it."""
    sync = f"run `striate runs sync {run.spec.run_id}`."
    refused = isinstance(error, TrackingRefused)
    return type(error)(
        f"{error.message.rstrip('.')}; the run's metrics and model are kept in {run.folder.path}.",
        f"{error.remedy} Then {sync}" if refused else f"When it answers as it should, {sync}",
    )


@contextmanager
def upload_while(run: Run) -> Iterator[None]:
    """Ship metrics while the block runs, the run's own and those of each node, and pictures."""
    shipper = Uploader(run.spec.run_id, run.spec.tracking_uri, run.folder.metric_logs)
    try:
        with update_plots_live(run):
            yield
    finally:
        shipper.close()


def _publish(run: Run, promoted: bool, tell: Tell) -> ModelVersion | None:
    run_id, tracking_uri = run.spec.run_id, run.spec.tracking_uri
    upload_all(run_id, tracking_uri, run.folder.metric_logs())
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        client.log_artifact(run_id, str(run.folder.recipe))
        update_plots(run)
        if run.folder.outcome.is_file():
            client.log_artifact(run_id, str(run.folder.outcome))
    if not run.folder.outcome.is_file():
        return None
    name = run.spec.recipe.registered_name
    version = None if name is None else register_run(run, name, promoted=promoted, tell=tell)
    _close(run, "FINISHED")
    return version


def _close(run: Run, status: str) -> None:
    ended_ms = last_time_ms(run.folder.metric_log)
    close_run(run.spec.tracking_uri, run.spec.run_id, status, ended_ms)


def _patiently(run: Run, action: Callable[[], _Result], within_s: float) -> _Result:
    backoff = Backoff.constant(min(1.0, within_s / 10))
    try:
        return retry(action, within_s, (TrackingUnavailable,), backoff)
    except (TrackingUnavailable, TrackingRefused) as error:
        raise explain_kept(run, error) from None
