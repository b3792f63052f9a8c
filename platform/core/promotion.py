"""Which version an alias points at: the first one, and a later one only when it is better."""

from typing import TYPE_CHECKING

from striate.core.model_version import compare_versions, from_mlflow

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONSIDERED_TAG = "striate.considered_for"


def consider(client: "MlflowClient", name: str, version: str, alias: str, promoted: bool) -> str:
    """Give a new version the alias if it is to have it; what is said of that.

    Args:
        client: of the registry.
        name: the registered model.
        version: its new version.
        alias: what points at the best version.
        promoted: give it the alias in any case.
    """
    aliases = dict(client.get_registered_model(name).aliases)
    new, holder = client.get_model_version(name, version), str(aliases.get(alias, ""))
    at = f"{name}@{alias}"
    if holder == version or (new.tags.get(CONSIDERED_TAG) == alias and not promoted):
        return f"{at} is version {holder or 'none'}."
    why = "it was told to be promoted" if promoted else "it is the first"
    if holder and not promoted:
        former = from_mlflow(client.get_model_version(name, holder), aliases)
        better, why = compare_versions(from_mlflow(new, aliases), former)
        if not better:
            client.set_model_version_tag(name, version, CONSIDERED_TAG, alias)
            return (
                f"{at} stays version {holder}, not {version}: {why}."
                f" To move it: `striate models promote {name} {version}`."
            )
    client.set_registered_model_alias(name, alias, version)
    client.set_model_version_tag(name, version, CONSIDERED_TAG, alias)
    return f"{at} is now version {version}: {why}."
