"""The code of extensions, taken along to where models are trained and served.

Other processes of a cluster need what this one imports. A submitted job takes each extension as a
wheel. Where the home is a folder that all nodes see, Ray is told of a folder in it, which its
processes put on their path: nothing is installed, and a replica that starts anew after months still
finds it.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from striate.core.extension_sources import Extension, find_offers
from striate.core.files import atomic_folder
from striate.core.settings import ENVIRONMENT, Settings
from striate.core.wheel import stem, wheel_path, write_wheel

TAKEN_ALONG = "STRIATE_EXTENSIONS_TAKEN"
"""Set in a job that was sent with its extensions: its own connection adds none."""
_FOLDER = "extensions"
_UNVERSIONED = "0"
_LEFT_OUT = {"__pycache__"}


@dataclass(frozen=True)
class PackedExtension:
    """The files of an extension.

    Attributes:
        extension: whose.
        content: files by their names on the import path, the entry points among them.
    """

    extension: Extension
    content: Mapping[str, bytes]

    @cached_property
    def tag(self) -> str:
        """A short hash of the content, with a digit before it."""
        digest = hashlib.sha256()
        for name, data in self.content.items():
            digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
        return f"0{digest.hexdigest()[:12]}"

    @property
    def version(self) -> str:
        """The extension's own, or one that stands for none."""
        return self.extension.version or _UNVERSIONED

    def write_wheel(self, folder: Path) -> Path:
        """Write its wheel into a folder, unless it is there."""
        path = wheel_path(folder, self.extension.name, self.version, self.tag)
        if path.is_file():
            return path
        return write_wheel(
            folder, self.extension.name, self.version, self.tag, self.content, self._metadata
        )

    def write_folder(self, parent: Path) -> Path:
        """Write it as a folder for the import path, unless it is there."""
        path = parent / f"{self.extension.name}-{self.version}-{self.tag}"
        if path.is_dir():
            return path
        files = {**self.content, f"{_about(self.extension)}/METADATA": self._metadata.encode()}
        with atomic_folder(path, replace=False) as folder:
            for name, data in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        return path

    @property
    def _metadata(self) -> str:
        return f"Metadata-Version: 2.1\nName: {self.extension.name}\nVersion: {self.version}\n\n"


def pack_extensions() -> list[PackedExtension]:
    """The files of every extension of this process, less those that cannot be imported.

    What asks for a name of one that is left out is told so by the table.
    """
    roots: dict[Extension, set[str]] = {}
    for offer in find_offers().offers:
        roots.setdefault(offer.extension, set()).add(offer.root)
    return [_packed(extension, sorted(names)) for extension, names in roots.items()]


def module_variables() -> dict[str, str]:
    """The variable that has another process take the same modules; nothing without any."""
    modules = Settings.load().modules
    return {ENVIRONMENT["modules"]: ",".join(modules)} if modules else {}


def cluster_environment() -> dict[str, Any]:
    """Ray's runtime environment that gives a cluster the extensions; empty where it needs none.

    Raises:
        PlatformError: the disk is full.
    """
    if os.environ.get(TAKEN_ALONG):
        return {}
    packed = pack_extensions()
    if not packed:
        return {}
    parent = Settings.load().home / _FOLDER
    folders = [f"local://{one.write_folder(parent)}" for one in packed]
    return {"py_modules": folders, "env_vars": module_variables()}


def _packed(extension: Extension, roots: list[str]) -> PackedExtension:
    content: dict[str, bytes] = {}
    if not extension.module:
        distribution = importlib.metadata.distribution(extension.name)
        entries = distribution.read_text("entry_points.txt") or ""
        content[f"{_about(extension)}/entry_points.txt"] = entries.encode()
        roots = sorted({*roots, *_other_roots(distribution)})
    for root in roots:
        content |= {name: path.read_bytes() for name, path in _files_of(root)}
    return PackedExtension(extension, content)


def _other_roots(distribution: importlib.metadata.Distribution) -> set[str]:
    """Further packages at the top of a distribution, which its own may import."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    parts = [file.parts[0] for file in distribution.files or () if len(file.parts) > 1]
    held = [part for part in parts if part.isidentifier() and part not in _LEFT_OUT]
    return {*listed, *held}


def _files_of(root: str) -> Iterator[tuple[str, Path]]:
    """Each file of a top-level package or module: its name on the path, and where it lies."""
    found = importlib.util.find_spec(root)
    if found is None:
        return
    if not found.submodule_search_locations:
        if found.origin is not None and found.origin.endswith(".py"):
            yield f"{root}.py", Path(found.origin)
        return
    for place in found.submodule_search_locations:
        for folder, folders, names in os.walk(place, followlinks=True):
            folders[:] = sorted(set(folders) - _LEFT_OUT)
            for name in sorted(names):
                path = Path(folder, name)
                yield f"{root}/{path.relative_to(place).as_posix()}", path


def _about(extension: Extension) -> str:
    """The folder of an installed package's metadata."""
    return f"{stem(extension.name, extension.version or _UNVERSIONED)}.dist-info"
