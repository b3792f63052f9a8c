"""Which code this is: version, a hash of the sources, and the git revision where one is known."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from striate.core import errors
from striate.core.extension_files import pack_extensions

VARIABLE = "STRIATE_REVISION"
"""What a submitted job is told of the checkout that it was sent from."""


def code_tags() -> dict[str, str]:
    """Tags of a run that say with which code it was trained."""
    tags = {"striate.version": version("striate"), "striate.code": code_sha256()[:12]}
    if packed := pack_extensions():
        tags["striate.extensions"] = ", ".join(f"{one.extension} {one.tag[1:]}" for one in packed)
    revision = git_revision(os.environ)
    return tags if revision is None else {**tags, "striate.git": revision}


def git_revision(environment: Mapping[str, str]) -> str | None:
    """The commit of the checkout that this code is run from, ``+changes`` where it has some.

    None for an installed package, which belongs to no checkout, and without git.
    """
    if environment.get(VARIABLE):
        return environment[VARIABLE]
    source = Path(errors.__file__).resolve()
    room = source.parents[1]
    if _git(room, "ls-files", "--error-unmatch", str(source)) is None:
        return None  # another project's checkout may lie around an installed package
    commit = _git(room, "rev-parse", "--short=12", "HEAD")
    if commit is None:
        return None
    changes = _git(room, "status", "--porcelain", "--", ".", "../models")
    return f"{commit}+changes" if changes else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None when it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


_SUFFIXES = {".py", ".pyi", ".typed", ".yaml", ".proto", ".json"}


def code_files() -> Iterator[tuple[str, Path]]:
    """Each file of the installed package: its name in a wheel, and where it lies."""
    import striate

    for room in sorted(module.name for module in pkgutil.iter_modules(striate.__path__)):
        found = importlib.util.find_spec(f"striate.{room}")
        assert found is not None and found.submodule_search_locations
        top = Path(next(iter(found.submodule_search_locations)))
        for folder, folders, names in os.walk(top, followlinks=True):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix in _SUFFIXES:
                    yield f"striate/{room}/{path.relative_to(top).as_posix()}", path


def code_sha256() -> str:
    """A hash of all code of the installed package: equal for equal files, wherever they lie."""
    digest = hashlib.sha256()
    for name, path in code_files():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
