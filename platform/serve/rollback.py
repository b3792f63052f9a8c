"""Go back: from a version on trial to the one that runs, or to the version before."""

from striate.core.errors import UsageError
from striate.core.settings import Settings
from striate.serve.deployment import ray_serve
from striate.serve.deployment.canary import CanaryTrial, Say, edge_folder, only_one, withdraw
from striate.serve.deployment.start import Deployed, bring_up, describe_deployed, find_app


def rollback(
    name: str, settings: Settings, *, timeout_s: float = 180.0, say: Say = lambda _: None
) -> Deployed:
    """Go back to the version before, or take back the one that is on trial.

    The version before comes up again from what it was made of, and takes over as any new version
    does: no call is refused or cut.

    Raises:
        UnknownName: nothing of that name is deployed.
        UsageError: there is no version before.
        PlatformError: the cluster or the version before does not answer; what ran runs on.
    """
    folder = edge_folder(settings)
    ray_serve.connect(settings)
    entry = find_app(name, folder)
    if entry.canary is not None:
        say(f"version {entry.canary.version}, which is on trial, is taken back")
        withdraw(folder, entry.canary)
        return describe_deployed(entry, settings)
    with only_one(folder, name):
        entry = find_app(name, folder)
        if not entry.history:
            raise UsageError(f"{name} has no version before {entry.version}.")
        former = entry.history[-1].model_copy(update={"history": entry.history[:-1]})
        return bring_up(former, settings, CanaryTrial(), timeout_s, say)
