"""A face network's bundle with the codes of its descriptors."""

import tempfile
from pathlib import Path

from striate.core.bundle import WEIGHTS_FILE, Bundle
from striate.data.transforms.binary_codes import (
    BITS,
    CODES_FILE,
    Descriptors,
    learn_codes,
)


def add_codes(
    bundle: Bundle, descriptors: Descriptors, target: Path, bits: int = BITS, seed: int = 0
) -> Bundle:
    """Learn codes and write the bundle anew with them, as its asset `CODES_FILE`.

    Args:
        bundle: of the network that gave the descriptors; its other assets stay.
        descriptors: (n, d) float32 of faces that the network was trained on, or of more.
        target: folder of the new bundle; it may be the old one's.
        bits: of a code.
        seed: of the first rotation.

    Raises:
        DataError: there are too few descriptors, or one is not finite.
        PlatformError: the disk is full.
    """
    projection = learn_codes(descriptors, bits, seed)
    weights = bundle.state()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CODES_FILE
        file.write_bytes(projection.to_bytes())
        names = set(bundle.files) - {WEIGHTS_FILE, CODES_FILE}
        kept = {name: _copy(bundle, name, Path(folder)) for name in sorted(names)}
        return Bundle.write(target, bundle.spec, weights, {**kept, CODES_FILE: file})


def _copy(bundle: Bundle, name: str, folder: Path) -> Path:
    """A copy of an asset, for the bundle may be replaced while it is read."""
    copy = folder / f"kept-{name}"
    copy.write_bytes(bundle.asset_path(name).read_bytes())
    return copy
