"""What a finished run leaves in its folder: the bundle, and what the run came to. Rank 0 writes."""

from collections.abc import Mapping

from torch import Tensor, nn

from striate.core.bundle import Bundle
from striate.core.files import write_atomic
from striate.train.loop.bundle_spec import bundle_assets, bundle_spec
from striate.train.loop.calibration import calibration_assets
from striate.train.loop.storage import write_patiently
from striate.train.run.folder import Run
from striate.train.run.spec import RunOutcome
from striate.train.tracking.reporter import Reporter


def write_bundle(
    run: Run,
    network: nn.Module,
    weights: Mapping[str, Tensor],
    outcome: RunOutcome,
    reporter: Reporter,
) -> None:
    """Write the trained model.

    Args:
        run: it is of.
        network: the trained one.
        weights: name → whole tensor of the network.
        outcome: whose metrics the bundle tells.
        reporter: takes notes.

    Raises:
        PlatformError: the disk has no room.
        OSError: the storage refuses in another way.
    """
    spec = bundle_spec(run.spec, network, outcome.metrics)
    assets = {**bundle_assets(run.spec), **calibration_assets(run.spec, weights)}
    write_patiently(
        reporter,
        outcome.steps,
        run.spec.recipe.checkpoint.patience_s,
        lambda: Bundle.write(run.folder.bundle, spec, weights, assets),
    )


def write_outcome(run: Run, outcome: RunOutcome, reporter: Reporter) -> None:
    """Write what the run came to, after all that it said; the reporter says nothing more.

    Raises:
        PlatformError: the disk has no room.
        OSError: the storage refuses in another way.
    """
    patience_s = run.spec.recipe.checkpoint.patience_s
    content = outcome.model_dump_json(indent=1).encode()
    write_patiently(reporter, outcome.steps, patience_s, reporter.sync)
    reporter.close()
    path = run.folder.outcome
    write_patiently(reporter, outcome.steps, patience_s, lambda: write_atomic(path, content))
