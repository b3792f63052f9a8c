"""The model registry: bundles as MLflow model versions with aliases.

A bundle is logged as an MLflow model whose loader module is named, so nothing is pickled; versions
and aliases are MLflow's own. Every call answers, or says that MLflow does not, within seconds.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.core.bundle import SPEC_FILE, Architecture, Bundle
from striate.core.errors import BundleError, PlatformError, UnknownName
from striate.core.files import atomic_folder
from striate.core.model_version import (
    EVALUATED_TAG,
    METRICS_TAG,
    EvaluatedOn,
    ModelVersion,
    from_mlflow,
)
from striate.core.promotion import CONSIDERED_TAG, consider
from striate.core.settings import Settings
from striate.core.tracking import (
    connect,
    every_page,
    explain_unavailable,
    find_latest_runs,
    tracking_uri_of,
    unknown_run,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
ARTIFACT = "bundle"
_DIGEST_TAG = "striate.digest"
_MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/]+)|/(?P<version>\d+))")


def register(
    bundle: Bundle,
    name: str,
    run_id: str,
    tracking_uri: str,
    loader_module: str,
    *,
    evaluated_on: EvaluatedOn | None = None,
    alias: str = CHAMPION,
    promoted: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> ModelVersion:
    """Log a bundle to its run, and register it as the next version of `name`.

    The alias goes to it where it points at nothing, or at a version that is worse on the same
    evaluation data. That is asked once for a version: registering the same bundle of the same run
    again changes nothing.

    Args:
        bundle: what is registered.
        name: the registered model.
        run_id: the MLflow run that made the bundle.
        tracking_uri: the server that takes it in.
        loader_module: importable name of the module whose `_load_pyfunc` opens the bundle for
            ``mlflow.pyfunc``; stored with the version.
        evaluated_on: on what the bundle's metrics were measured.
        alias: what points at the best version.
        promoted: give it the alias in any case.
        tell: takes one sentence on where the alias is now, if that was asked.

    Raises:
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        _ensure_model(client, name)
        version = _version_of(client, name, run_id, bundle.digest)
        if version is None:
            tags = {
                METRICS_TAG: json.dumps(bundle.spec.provenance.metrics),
                _DIGEST_TAG: bundle.digest,
            }
            if evaluated_on is not None:
                tags[EVALUATED_TAG] = evaluated_on.model_dump_json()
            source, model_id = _log_model(client, bundle, run_id, tracking_uri, loader_module)
            version = client.create_model_version(
                name, source=source, run_id=run_id, tags=tags, model_id=model_id
            ).version
        tell(consider(client, name, str(version), alias, promoted))
        return from_mlflow(client.get_model_version(name, str(version)), _aliases_of(client, name))


def fetch(model_uri: str, settings: Settings) -> tuple[Bundle, ModelVersion | None]:
    """A bundle from the registry, a run, or a folder, with every hash checked.

    Args:
        model_uri: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``runs:/RUN/bundle``, or the
            path of a bundle's folder.
        settings: says where MLflow is and where bundles are kept once fetched.

    Returns:
        The bundle, and the version it was registered as (None for a run or a folder).

    Raises:
        UnknownName: no such model, version, alias, run or folder.
        BundleError: what lies there is no whole bundle.
        TrackingUnavailable: MLflow does not answer.
    """
    if not model_uri.startswith(("models:/", "runs:/")):
        if not Path(model_uri).is_dir():
            raise UnknownName(
                f"There is no model {model_uri!r}.",
                "Give models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/bundle or a folder.",
            )
        return Bundle.open(Path(model_uri)), None
    tracking_uri = tracking_uri_of(settings)
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        find = _in_registry if model_uri.startswith("models:/") else _in_run
        found, source = find(client, model_uri)
        key = hashlib.sha256(f"{tracking_uri} {source}".encode()).hexdigest()[:24]
        folder = settings.home / "cache" / "bundles" / key
        return _cached(folder) or _download(client, source, folder, tracking_uri, model_uri), found


def list_versions(tracking_uri: str, name: str | None = None) -> list[ModelVersion]:
    """All registered versions, newest first within each name; of one model when it is named.

    Raises:
        UnknownName: no model of that name.
        TrackingUnavailable: MLflow does not answer.
    """
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        if name is not None:
            aliases = {name: _aliases_of(client, name)}
            found = _versions(client, name)
        else:
            models = every_page(client.search_registered_models)
            aliases = {model.name: dict(model.aliases) for model in models}
            found = every_page(client.search_model_versions)
        versions = [from_mlflow(one, aliases.get(one.name, {})) for one in found]
    return sorted(versions, key=lambda version: (version.name, -version.version))


def promote(name: str, version: int, alias: str, tracking_uri: str) -> ModelVersion:
    """Point an alias at a version.

    Raises:
        UnknownName: no such model or version.
        TrackingUnavailable: MLflow does not answer.
    """
    known = {str(v.version): v for v in list_versions(tracking_uri, name)}
    if str(version) not in known:
        raise UnknownName.of(f"version of {name}", str(version), known)
    client = connect(tracking_uri)
    with explain_unavailable(tracking_uri):
        client.set_registered_model_alias(name, alias, str(version))
        # Registering it again asks no more whether it is better than what is chosen later.
        client.set_model_version_tag(name, str(version), CONSIDERED_TAG, alias)
    aliases = {*known[str(version)].aliases, alias}
    return known[str(version)].model_copy(update={"aliases": tuple(sorted(aliases))})


def _ensure_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _aliases_of(client: "MlflowClient", name: str) -> dict[str, str]:
    """The aliases of a registered model, with the version that each points at.

    Raises:
        UnknownName: no model of that name.
    """
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(name).aliases)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        known = [model.name for model in every_page(client.search_registered_models)]
        raise UnknownName.of("registered model", name, known) from None


def _versions(client: "MlflowClient", name: str) -> list[Any]:
    return every_page(client.search_model_versions, f"name = '{name}'")


def _version_of(client: "MlflowClient", name: str, run_id: str, digest: str) -> str | None:
    for version in _versions(client, name):
        if version.run_id == run_id and version.tags.get(_DIGEST_TAG) == digest:
            return str(version.version)
    return None


def _log_model(
    client: "MlflowClient", bundle: Bundle, run_id: str, tracking_uri: str, loader_module: str
) -> tuple[str, str]:
    """Log a bundle to its run as a model of the run's own experiment."""
    import mlflow
    from mlflow.models import Model

    mlflow.set_tracking_uri(tracking_uri)  # Model.log reads the process's own
    mlflow.set_registry_uri(tracking_uri)
    experiment_id = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment_id, name=ARTIFACT, source_run_id=run_id)
    logged = Model.log(
        artifact_path=None,
        model_id=model.model_id,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        loader_module=loader_module,
        data_path=str(bundle.path),
        pip_requirements=_requirements(bundle.spec.architecture),
    )
    return str(logged.model_uri), str(logged.model_id)


def _requirements(architecture: Architecture) -> list[str]:
    """What a process needs that opens the bundle: Striate, and the package of its network."""
    if architecture.package == "striate":
        return ["striate"]
    version = f"=={architecture.version}" if architecture.version else ""
    return ["striate", f"{architecture.package}{version}"]


def _in_run(client: "MlflowClient", model_uri: str) -> tuple[None, str]:
    from mlflow.exceptions import MlflowException

    run_id = model_uri.removeprefix("runs:/").split("/")[0]
    try:
        logged = client.get_run(run_id).outputs.model_outputs
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise unknown_run(run_id, find_latest_runs(client)) from None
    if not logged:
        raise BundleError(f"The run {run_id} logged no bundle.", "Resume it to its end.")
    return None, f"models:/{logged[-1].model_id}"


def _in_registry(client: "MlflowClient", model_uri: str) -> tuple[ModelVersion, str]:
    from mlflow.exceptions import MlflowException

    match = _MODEL_URI.fullmatch(model_uri)
    if match is None:
        raise UnknownName(
            f"{model_uri!r} is no model URI.", "Write models:/NAME@ALIAS or models:/NAME/VERSION."
        )
    name, alias, number = match["name"], match["alias"], match["version"]
    aliases = _aliases_of(client, name)
    if alias is not None and alias not in aliases:
        raise UnknownName.of(f"alias of {name}", alias, aliases)
    wanted = str(number if alias is None else aliases[alias])
    try:
        version = client.get_model_version(name, wanted)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        known = [str(version.version) for version in _versions(client, name)]
        raise UnknownName.of(f"version of {name}", wanted, known) from None
    return from_mlflow(version, aliases), str(version.source)


def _cached(folder: Path) -> Bundle | None:
    try:
        return Bundle.open(folder) if folder.is_dir() else None
    except BundleError:
        return None  # damaged on this disk: fetched again


def _download(
    client: "MlflowClient", source: str, folder: Path, tracking_uri: str, model_uri: str
) -> Bundle:
    import mlflow
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as temporary:
        try:
            # Given the model, MLflow would ask the server of the process's environment for it.
            if source.startswith("models:/"):
                logged = client.get_logged_model(source.removeprefix("models:/"))
                source = logged.artifact_location
            mlflow.artifacts.download_artifacts(
                artifact_uri=source, dst_path=temporary, tracking_uri=tracking_uri
            )
        except (MlflowException, OSError) as error:
            raise PlatformError(
                f"The files of {model_uri} cannot be downloaded from {tracking_uri}.",
                "See that the run exists and that the server can reach its artifact store.",
            ) from error
        specs = sorted(Path(temporary).rglob(SPEC_FILE))
        if len(specs) != 1:
            raise BundleError(f"{model_uri} holds no bundle.", "Train it again.")
        with atomic_folder(folder) as target:
            shutil.copytree(specs[0].parent, target, dirs_exist_ok=True)
    return Bundle.open(folder)
