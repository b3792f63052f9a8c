"""Wheels of pure Python: the same content gives the same bytes, under a name that tells it.

Ray takes wheels of one name for the same, so the name carries a hash of the content as its build
tag (PEP 427).
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from striate.core.files import write_atomic

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can tell: equal content, equal bytes


def stem(name: str, version: str) -> str:
    """``NAME-VERSION`` as the names of wheels and of ``.dist-info`` folders write it.

    >>> stem("My.own-Model", "1.0")
    'my_own_model-1.0'
    """
    return f"{canonicalize_name(name).replace('-', '_')}-{version.replace('-', '_')}"


def wheel_path(folder: Path, name: str, version: str, tag: str) -> Path:
    """Where the wheel of a content lies: ``NAME-VERSION-TAG-py3-none-any.whl``."""
    return folder / f"{stem(name, version)}-{tag}-py3-none-any.whl"


def write_wheel(
    folder: Path, name: str, version: str, tag: str, content: Mapping[str, bytes], metadata: str
) -> Path:
    """Write a wheel into a folder.

    It should name no requirements: Ray installs them with the wheel, on every node, from an index
    that may not be there.

    Args:
        folder: made where there is none.
        name: of the package.
        version: of the package.
        tag: the build tag; begins with a digit, and is another one for another content.
        content: files by their names in the wheel, without ``WHEEL``, ``METADATA`` and ``RECORD``.
        metadata: the text of ``METADATA``.
    """
    path = wheel_path(folder, name, version, tag)
    about = f"{stem(name, version)}.dist-info"
    files = {**content, f"{about}/METADATA": metadata.encode()}
    files[f"{about}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: striate\nRoot-Is-Purelib: true\nBuild: {tag}\n"
        "Tag: py3-none-any\n"
    ).encode()
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _zipped(files))
    return path


def _record(content: Mapping[str, bytes], own: str) -> bytes:
    """The list of files with their hashes, as the wheel format asks for it (PEP 427)."""
    lines = []
    for name, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _zipped(content: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            info = zipfile.ZipInfo(name, _MOMENT)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return file.getvalue()
