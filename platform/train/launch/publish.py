"""From what a run left in its folder to MLflow: metrics, pictures, recipe and registered bundle."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from striate.core.bundle import Bundle
from striate.core.errors import TrackingUnavailable
from striate.core.registry import ModelVersion, register
from striate.core.tracking import connect, explain_unavailable
from striate.train.launch.live_plots import live_plots, update_plots
from striate.train.run.spec import RECIPE_FILE, Assignment
from striate.train.tracking.mlflow_run import LOADER_MODULE, close_run
from striate.train.tracking.uploader import Uploader, upload_all


def publish(run: Assignment, within_s: float = 30.0) -> ModelVersion | None:
    """Bring all that a run left in its folder to MLflow: metrics, pictures, recipe, bundle.

    Doing it again changes nothing, so a run whose tracking server was away is published later by
    ``striate runs sync``.

    Returns:
        The registered version; None when the recipe registers nothing or the run has no bundle.

    Raises:
        TrackingUnavailable: MLflow does not answer within `within_s` seconds; all is kept.
    """
    began = time.monotonic()
    while True:
        try:
            return _publish(run)
        except TrackingUnavailable:
            if time.monotonic() - began > within_s:
                raise explain_kept(run) from None
            time.sleep(min(1.0, within_s / 10))


def _publish(run: Assignment) -> ModelVersion | None:
    upload_all(run.run_id, run.tracking_uri, run.spools())
    client = connect(run.tracking_uri)
    with explain_unavailable(run.tracking_uri):
        client.log_artifact(run.run_id, str(run.folder / RECIPE_FILE))
        update_plots(run)
        if run.outcome.is_file():
            client.log_artifact(run.run_id, str(run.outcome))
    if not run.outcome.is_file():
        return None
    version = None
    name = run.recipe.registered_name
    if name is not None:
        version = register(
            Bundle.open(run.bundle), name, run.run_id, run.tracking_uri, LOADER_MODULE
        )
    close_run(run.tracking_uri, run.run_id, "FINISHED")
    return version


def explain_kept(run: Assignment) -> TrackingUnavailable:
    """The one line for a run that MLflow could not take in."""
    return TrackingUnavailable(
        f"MLflow at {run.tracking_uri} does not answer; the run's metrics and model are kept in"
        f" {run.folder}.",
        f"When it answers, run `striate runs sync {run.run_id}`.",
    )


@contextmanager
def upload_while(run: Assignment) -> Iterator[None]:
    """Ship metrics while the block runs, the run's own and those of each node, and pictures."""
    shipper = Uploader(run.run_id, run.tracking_uri, run.spools)
    try:
        with live_plots(run):
            yield
    finally:
        shipper.close()
