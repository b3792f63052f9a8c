"""The installed package as a wheel, for clusters that do not have it or have another version.

It holds what this process would import, editable or not, so a model or recipe that was added here
is there too. Its name carries a hash of its content: Ray takes wheels of one name for the same.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import zipfile
from pathlib import Path

from striate.core.files import write_atomic
from striate.train.tracking.code_version import code_files, code_sha256

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can tell: equal content, equal bytes
_HEADER = ("Metadata-Version", "Name", "Version", "Summary", "Requires-Python")


def build_wheel(folder: Path) -> Path:
    """Write the wheel into a folder, unless it is there.

    It names no requirements: Ray installs them with the wheel, on every node, though an image
    that can run Ray Train has them.

    Returns:
        ``striate-VERSION-0HASH-py3-none-any.whl``.
    """
    installed = importlib.metadata.distribution("striate")
    tag = f"0{code_sha256()[:12]}"
    path = folder / f"striate-{installed.version}-{tag}-py3-none-any.whl"
    if path.is_file():
        return path
    content = {name: source.read_bytes() for name, source in code_files()}
    about = f"striate-{installed.version}.dist-info"
    header = [f"{k}: {installed.metadata[k]}" for k in _HEADER if installed.metadata[k]]
    content[f"{about}/METADATA"] = "\n".join([*header, "", ""]).encode()
    content[f"{about}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: striate\nRoot-Is-Purelib: true\nBuild: {tag}\n"
        "Tag: py3-none-any\n"
    ).encode()
    content[f"{about}/RECORD"] = _record(content, f"{about}/RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _zipped(content))
    return path


def _record(content: dict[str, bytes], own: str) -> bytes:
    """The list of files with their hashes, as the wheel format asks for it (PEP 427)."""
    lines = []
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _zipped(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return file.getvalue()
