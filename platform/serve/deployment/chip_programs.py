"""A bundle's program for a chip: given, kept from before, or compiled from its training data."""

from pathlib import Path

from striate.core.bundle import Bundle
from striate.core.errors import StriateError, UsageError
from striate.core.settings import Settings


def program_for(bundle: Bundle, chip: str, settings: Settings) -> Path:
    """Folder of the bundle's program for a chip, compiled once and kept.

    Compiling calibrates on the shards that the bundle was trained on; they are known by the hash
    of their manifest and looked for in the data folder.

    Raises:
        UsageError: the shards are not on this machine.
        UnsupportedLayer: the chip cannot run the network.
    """
    kept = settings.home / "cache" / "programs" / f"{bundle.digest}-{chip}"
    if not kept.is_dir():
        from striate.accelerators.compiler.toolchain import compile_bundle

        compile_bundle(bundle, chip, _shards_of(bundle, settings)).save(kept)
    return kept


def _shards_of(bundle: Bundle, settings: Settings) -> Path:
    wanted = bundle.spec.provenance.data_manifest_sha256
    found = _folder_of(wanted, settings.data_folder) if wanted else None
    if found is not None:
        return found
    raise UsageError(
        "The shards that the model was trained on are not in the data folder.",
        "Compile it with `striate chips compile` and give the program's folder with --program.",
    )


def _folder_of(manifest_sha256: str, data_folder: Path) -> Path | None:
    from striate.data.shards.manifest import MANIFEST_FILE, Manifest

    for file in sorted(data_folder.rglob(MANIFEST_FILE)):
        try:
            if Manifest.load(file).sha256 == manifest_sha256:
                return file.parent
        except StriateError:
            continue  # another corpus's damage is not this deployment's
    return None
