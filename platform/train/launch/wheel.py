"""The installed package as a wheel, for clusters that do not have it or have another version.

It holds what this process would import, editable or not. Its name carries a hash of its content.
"""

import importlib.metadata
from pathlib import Path

from striate.core.wheel import wheel_path, write_wheel
from striate.train.tracking.code_version import code_files, code_sha256

_HEADER = ("Metadata-Version", "Name", "Version", "Summary", "Requires-Python")


def build_wheel(folder: Path) -> Path:
    """Write the wheel into a folder, unless it is there.

    It names no requirements: an image that can run Ray Train has them.

    Returns:
        ``striate-VERSION-0HASH-py3-none-any.whl``.
    """
    installed = importlib.metadata.distribution("striate")
    tag = f"0{code_sha256()[:12]}"
    path = wheel_path(folder, "striate", installed.version, tag)
    if path.is_file():
        return path
    content = {name: source.read_bytes() for name, source in code_files()}
    header = [f"{k}: {installed.metadata[k]}" for k in _HEADER if installed.metadata[k]]
    metadata = "\n".join([*header, "", ""])
    return write_wheel(folder, "striate", installed.version, tag, content, metadata)
