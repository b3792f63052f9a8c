"""Sending a training to a cluster: the code, the recipe, and where things lie."""

import os
import secrets
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from striate.core import ray_private
from striate.core.addresses import is_loopback
from striate.core.errors import UsageError
from striate.core.extension_files import TAKEN_ALONG, module_variables, pack_extensions
from striate.core.settings import ENVIRONMENT, Settings
from striate.train.config import Recipe
from striate.train.launch.ray_jobs import RECIPE_KEY, JobServer
from striate.train.launch.wheel import build_wheel
from striate.train.run.folder import RECIPE_FILE
from striate.train.tracking.code_version import VARIABLE, git_revision

_STOP_WITHIN_S = 60  # Ray's own 3 s are too short for a last checkpoint


def submit(
    server: JobServer,
    name: str,
    recipe: Recipe | None,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
) -> str:
    """Send a training as a job.

    Args:
        server: of the cluster.
        name: what is trained, for the job's id.
        recipe: resolved; None for a run that is resumed with the recipe that the cluster keeps.
        arguments: of `striate train` on the cluster, without the recipe.
        environment: variables of the job and of its workers.
        folder: where the wheels, its own and those of extensions, are kept for the next time.

    Returns:
        The job's id.

    Raises:
        PlatformError: the cluster does not take it.
    """
    ray_private.check("jobs")
    wheels = [build_wheel(folder / "wheels")]
    wheels += [one.write_wheel(folder / "wheels") for one in pack_extensions()]
    job_id = f"{name}-{secrets.token_hex(4)}"
    runtime: dict[str, Any] = {
        "py_modules": [str(wheel) for wheel in wheels],
        "env_vars": {
            ray_private.JOB_STOP_WAIT_S: str(_STOP_WITHIN_S),
            TAKEN_ALONG: "1",
            **module_variables(),
            **environment,
        },
    }
    with tempfile.TemporaryDirectory(prefix="striate-") as working:
        if recipe is not None:
            content = make_absolute(recipe).model_dump_json(indent=2)
            Path(working, RECIPE_FILE).write_text(content, encoding="utf-8")
            runtime["working_dir"] = working
            arguments = [RECIPE_FILE, *arguments]
        command, about = entrypoint(arguments), {RECIPE_KEY: name}
        server.submit(job_id, command, about, runtime, *_own(recipe, arguments))
    return job_id


def _own(recipe: Recipe | None, arguments: Sequence[str]) -> tuple[float, float]:
    """CPUs and GPUs of the job's own process: those of a run that trains in it."""
    if recipe is None or recipe.scaling.workers or "--sweep" in arguments:
        return 0, 0
    return recipe.scaling.cpus_per_worker, int(recipe.scaling.gpu)


def make_absolute(recipe: Recipe) -> Recipe:
    """The recipe with a relative folder of shards made absolute: a job starts elsewhere."""
    shards = recipe.data.shards
    if shards is None or "://" in shards:
        return recipe
    data = recipe.data.model_copy(update={"shards": str(Path(shards).expanduser().absolute())})
    return recipe.model_copy(update={"data": data})


def entrypoint(arguments: Sequence[str]) -> str:
    """What the job runs: the same command, which tells what happens line by line."""
    return shlex.join(["python", "-m", "striate.cli", "train", *arguments, "--events"])


def job_environment(settings: Settings, near: bool, given: Sequence[str]) -> dict[str, str]:
    """The job's variables.

    A job on the local platform gets this home and its tracking server. Elsewhere the cluster has a
    home of its own, and the tracking server is passed on unless only this machine can reach it.

    Args:
        settings: of this machine.
        near: whether the cluster is the local platform.
        given: ``NAME=VALUE`` that the user asks for; they win.

    Raises:
        UsageError: one of them is no assignment.
    """
    values: dict[str, str] = {}
    if (revision := git_revision(os.environ)) is not None:
        values[VARIABLE] = revision
    if near:
        values[ENVIRONMENT["home"]] = str(settings.home)
    if settings.tracking_uri and (near or not _is_loopback(settings.tracking_uri)):
        values[ENVIRONMENT["tracking_uri"]] = settings.tracking_uri
    for assignment in given:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise UsageError(
                f"{assignment!r} is no variable.",
                "Write NAME=VALUE, for example STRIATE_HOME=/mnt.",
            )
        values[name] = value
    return values


def _is_loopback(uri: str) -> bool:
    host = urlsplit(uri).hostname or ""
    return host == "" or is_loopback(host)
