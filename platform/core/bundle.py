"""The bundle: the one artifact that training, serving and the chips share.

A folder of ``bundle.json``, ``model.safetensors`` and assets: vocabularies, indexes, tables, of any
size. It is written under a temporary name, synced and renamed; every hash is checked when it is
read; no pickle is involved.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ValidationError
from safetensors import SafetensorError

from striate.core.bundle_spec import (
    DEFAULT_SIZE,
    FORMAT_VERSION,
    INPUT,
    NETWORK,
    OUTPUT,
    Architecture,
    BundleSpec,
    DimensionSpec,
    FileEntry,
    PipelineSpec,
    Provenance,
    TensorSpec,
    upgrade,
)
from striate.core.errors import BundleError
from striate.core.files import atomic_folder, sha256_of
from striate.core.validation import describe_invalid

if TYPE_CHECKING:  # torch takes two seconds to import: what lists or copies bundles needs none
    from torch import Tensor

__all__ = [
    "DEFAULT_SIZE",
    "FORMAT_VERSION",
    "INPUT",
    "NETWORK",
    "OUTPUT",
    "SPEC_FILE",
    "WEIGHTS_FILE",
    "Architecture",
    "Bundle",
    "BundleSpec",
    "DimensionSpec",
    "FileEntry",
    "PipelineSpec",
    "Provenance",
    "TensorSpec",
]

SPEC_FILE = "bundle.json"
WEIGHTS_FILE = "model.safetensors"
_REMEDY = "Fetch the bundle again from the registry."


class _StoredBundle(BundleSpec):
    format_version: Literal[2]
    files: dict[str, FileEntry]


class Bundle:
    """A bundle on disk whose every hash was checked."""

    def __init__(self, path: Path, spec: BundleSpec, files: Mapping[str, FileEntry]) -> None:
        self.path = path
        self.spec = spec
        self.files = dict(files)

    @classmethod
    def write(
        cls,
        path: Path,
        spec: BundleSpec,
        state: "Mapping[str, Tensor]",
        assets: Mapping[str, str | Path] | None = None,
    ) -> Self:
        """Write a bundle to the folder `path`, whole or not at all.

        Args:
            path: folder to make; one that is there is replaced.
            spec: all that ``bundle.json`` says of the model.
            state: the model's parameters and buffers by name.
            assets: files by name: a text, or the path of a file of any size and content, which is
                copied.

        Raises:
            BundleError: an asset's name is not a plain file name, or its file is not there.
            PlatformError: the disk is full.
        """
        from striate.core.tensors import save_tensors

        with atomic_folder(path) as folder:
            weights = {k: v.detach().contiguous().cpu() for k, v in state.items()}
            save_tensors(weights, folder / WEIGHTS_FILE)
            for name, content in (assets or {}).items():
                _write_asset(folder, name, content)
            files = {
                file.name: FileEntry(sha256=sha256_of(file), size_bytes=file.stat().st_size)
                for file in sorted(folder.iterdir())
            }
            stored = _StoredBundle(format_version=FORMAT_VERSION, files=files, **_fields(spec))
            (folder / SPEC_FILE).write_text(
                stored.model_dump_json(indent=2) + "\n", encoding="utf-8"
            )
        return cls(path, spec, files)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a bundle and check every file's size and hash.

        Raises:
            BundleError: no bundle, another format version, or a damaged or missing file; the
                message names the file.
        """
        stored = _read_spec(path)
        for name, entry in stored.files.items():
            _check_file(path, path / _plain(name), entry)
        spec = BundleSpec(**_fields(stored))
        return cls(path, spec, stored.files)

    def state(self) -> "dict[str, Tensor]":
        """The parameters and buffers, on the CPU.

        Raises:
            BundleError: the weights cannot be read.
        """
        from safetensors.torch import load_file

        try:
            state: dict[str, Tensor] = load_file(self.path / WEIGHTS_FILE)
        except (OSError, SafetensorError) as error:
            raise BundleError(
                f"{WEIGHTS_FILE} of the bundle {self.path.name} cannot be read: {error}.", _REMEDY
            ) from error
        return state

    def asset(self, name: str) -> str:
        """The text of an asset.

        Raises:
            BundleError: the bundle has no asset of that name, or it is no text.
        """
        try:
            return self.asset_path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise BundleError(
                f"The asset {name} of the bundle {self.path.name} is no text."
            ) from None

    def asset_path(self, name: str) -> Path:
        """Where an asset lies, for what maps or streams it.

        Raises:
            BundleError: the bundle has no asset of that name.
        """
        if name not in self.files:
            raise BundleError(f"The bundle {self.path.name} has no asset {name!r}.")
        return self.path / name

    @property
    def digest(self) -> str:
        """A short name for what the bundle computes: equal for equal files and an equal spec.

        Where it comes from, `provenance` and the version of the architecture's package, is no part
        of it: a run that publishes its model again publishes the same one.
        """
        said = self.spec.model_dump(
            mode="json",
            exclude={"provenance": True, "architecture": {"version"}},
            exclude_defaults=True,
        )
        hashes = {name: entry.sha256 for name, entry in self.files.items()}
        content = json.dumps([said, hashes], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def _fields(spec: BundleSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in BundleSpec.model_fields}


def _plain(name: str) -> str:
    if not name or name != Path(name).name or name in {".", "..", SPEC_FILE}:
        raise BundleError(f"{name!r} is no plain file name for a bundle.")
    return name


def _write_asset(folder: Path, name: str, content: str | Path) -> None:
    target = folder / _plain(name)
    if name == WEIGHTS_FILE:
        raise BundleError(f"An asset cannot be named {name!r}: the weights are.")
    if isinstance(content, str):
        target.write_text(content, encoding="utf-8")
        return
    if not content.is_file():
        raise BundleError(f"The asset {name} cannot be copied: {content} is not there.")
    shutil.copyfile(content, target)


def _read_spec(path: Path) -> _StoredBundle:
    file = path / SPEC_FILE
    if not file.is_file():
        raise BundleError(f"{path} is no bundle: it has no {SPEC_FILE}.")
    try:
        document = json.loads(file.read_bytes())
        if isinstance(document, dict):
            _check_version(path, document.get("format_version"))
            document = upgrade(document)
        return _StoredBundle.model_validate(document)
    except ValidationError as error:
        what = describe_invalid(error)
    except (ValueError, RecursionError):  # of the JSON or its UTF-8
        what = "content: it is no JSON"
    raise BundleError(f"{SPEC_FILE} of the bundle {path.name} cannot be used: {what}.", _REMEDY)


def _check_version(path: Path, version: object) -> None:
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            f"The bundle {path.name} is of format {version}; this Striate reads up to"
            f" {FORMAT_VERSION}.",
            "Install a newer version of Striate.",
        )


def _check_file(bundle: Path, file: Path, entry: FileEntry) -> None:
    if not file.is_file():
        raise BundleError(f"The bundle {bundle.name} lacks its file {file.name}.", _REMEDY)
    if file.stat().st_size != entry.size_bytes or sha256_of(file) != entry.sha256:
        raise BundleError(
            f"{file.name} of the bundle {bundle.name} is damaged: its hash differs.",
            _REMEDY,
        )
