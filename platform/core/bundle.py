"""The bundle: the one artifact that training, serving and the chips share.

A folder of ``bundle.json``, ``model.safetensors`` and small text assets. It is written under a
temporary name, synced and renamed; every hash is checked when it is read; no pickle is involved.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

from striate.core.errors import BundleError
from striate.core.files import atomic_folder, sha256_of

if TYPE_CHECKING:  # torch takes two seconds to import: what lists or copies bundles needs none
    from torch import Tensor

FORMAT_VERSION = 1
SPEC_FILE = "bundle.json"
WEIGHTS_FILE = "model.safetensors"
_REMEDY = "Fetch the bundle again from the registry."


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorSpec(_Document):
    """One tensor at the model's edge.

    Attributes:
        dtype: torch's name of the element type, for example ``float32``.
        shape: sizes without the batch dimension.
        layout: one letter a dimension, for example ``CHW``; ``C`` alone for a vector of classes.
        units: what a number means, for example ``normalised intensity`` or ``logit``.
    """

    dtype: str
    shape: tuple[int, ...]
    layout: str
    units: str


class Architecture(_Document):
    """A name in `striate.models.MODELS` and the arguments that build it."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class PipelineSpec(_Document):
    """A name in `striate.data.pipelines.registry.PIPELINES` and its arguments."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Provenance(_Document):
    """Where a model comes from.

    Attributes:
        run_id: MLflow run, or None outside a run.
        recipe: the recipe's name.
        data_manifest_sha256: hash of the manifest of the shards it was trained on.
        source_revision: version and revision of the code.
        metrics: final metrics over the whole evaluation set.
    """

    run_id: str | None = None
    recipe: str | None = None
    data_manifest_sha256: str | None = None
    source_revision: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class FileEntry(_Document):
    """Hash and size of one file of a bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class BundleSpec(_Document):
    """What ``bundle.json`` says, less the table of files.

    Attributes:
        architecture: the network.
        task: what its output means, for example ``classification``.
        input: the network's input, after `preprocessing`.
        output: the network's output.
        preprocessing: steps from a decoded image to `input`, in order; each holds an ``op`` and
            its arguments, as `striate.data.transforms.image.preprocess` reads them.
        pipeline: what made `input` of stored samples when the model was evaluated, and is the
            way to it where samples are no single images; None for raw images.
        labels: class names in the order of the output.
        provenance: where it comes from.
    """

    architecture: Architecture
    task: str
    input: TensorSpec
    output: TensorSpec
    preprocessing: tuple[dict[str, Any], ...] = ()
    pipeline: PipelineSpec | None = None
    labels: tuple[str, ...] = ()
    provenance: Provenance = Provenance()


class _StoredBundle(BundleSpec):
    format_version: Literal[1]
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
        assets: Mapping[str, str] | None = None,
    ) -> Self:
        """Write a bundle to the folder `path`, whole or not at all.

        Args:
            path: folder to make; one that is there is replaced.
            spec: all that ``bundle.json`` says of the model.
            state: the model's parameters and buffers by name.
            assets: small text files by name.

        Raises:
            BundleError: an asset's name is not a plain file name.
            PlatformError: the disk is full.
        """
        from striate.core.tensors import save_tensors

        with atomic_folder(path) as folder:
            weights = {k: v.detach().contiguous().cpu() for k, v in state.items()}
            save_tensors(weights, folder / WEIGHTS_FILE)
            for name, text in (assets or {}).items():
                (folder / _plain(name)).write_text(text, encoding="utf-8")
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
        spec = BundleSpec(**{name: getattr(stored, name) for name in BundleSpec.model_fields})
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
            BundleError: the bundle has no asset of that name.
        """
        if name not in self.files:
            raise BundleError(f"The bundle {self.path.name} has no asset {name!r}.")
        return (self.path / name).read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """A short name for the exact content: the first 12 digits of the weights' hash."""
        return self.files[WEIGHTS_FILE].sha256[:12]


def _fields(spec: BundleSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in BundleSpec.model_fields}


def _plain(name: str) -> str:
    if not name or name != Path(name).name or name in {".", "..", SPEC_FILE}:
        raise BundleError(f"{name!r} is no plain file name for a bundle.")
    return name


def _read_spec(path: Path) -> _StoredBundle:
    file = path / SPEC_FILE
    if not file.is_file():
        raise BundleError(f"{path} is no bundle: it has no {SPEC_FILE}.")
    try:
        return _StoredBundle.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "content"
        raise BundleError(
            f"{SPEC_FILE} of the bundle {path.name} cannot be used: {place}: {first['msg']}.",
            _REMEDY,
        ) from None


def _check_file(bundle: Path, file: Path, entry: FileEntry) -> None:
    if not file.is_file():
        raise BundleError(f"The bundle {bundle.name} lacks its file {file.name}.", _REMEDY)
    if file.stat().st_size != entry.size_bytes or sha256_of(file) != entry.sha256:
        raise BundleError(
            f"{file.name} of the bundle {bundle.name} is damaged: its hash differs.",
            _REMEDY,
        )
