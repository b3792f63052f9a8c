"""Files of real data that come inside installed packages; nothing is ever fetched for them."""

from importlib.util import find_spec
from pathlib import Path

from striate.core.errors import PlatformError


def find_packaged_file(package: str, relative: str) -> Path:
    """A data file inside an installed package.

    Args:
        package: import name, ``skimage`` or ``sklearn``.
        relative: path in it.

    Raises:
        PlatformError: the package is not installed, or this version of it lacks the file.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise PlatformError(
            f"This corpus is made from files of the package {package}, which is not installed.",
            "Run: pip install 'striate[images]'.",
        )
    path = Path(spec.origin).parent / relative
    if not path.is_file():
        raise PlatformError(
            f"The installed version of the package {package} has no file {relative}.",
            "Run: pip install 'striate[images]' to get a version that has.",
        )
    return path
