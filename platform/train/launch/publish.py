"""From what a run left in its folder to MLflow: metrics, pictures, recipe and registered bundle."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
from striate.train.tracking.mlflow_run import LOADER_MODULE, close_run
from striate.train.tracking.uploader import Uploader, upload_all


def publish(
    run: Run,
    within_s: float = 30.0,
    *,
    promoted: bool = False,
    tell: Callable[[str], None] = lambda _: None,
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
    """
    backoff = Backoff.constant(min(1.0, within_s / 10))
    try:
        return retry(
            lambda: _publish(run, promoted, tell), within_s, (TrackingUnavailable,), backoff
        )
    except (TrackingUnavailable, TrackingRefused) as error:
        raise explain_kept(run, error) from None


def _publish(run: Run, promoted: bool, tell: Callable[[str], None]) -> ModelVersion | None:
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
    version = None
    name = run.spec.recipe.registered_name
    if name is not None:
        bundle = Bundle.open(run.folder.bundle)
        version = register(
            bundle, name, run_id, tracking_uri, LOADER_MODULE,
            evaluated_on=evaluated_on(run.spec), promoted=promoted, tell=tell,
        )  # fmt: skip
    close_run(tracking_uri, run_id, "FINISHED")
    return version


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
