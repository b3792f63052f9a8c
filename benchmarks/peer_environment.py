"""Virtual environments of the peers, made once and kept in the user's cache."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import striate.core.errors
from striate.core.locks import hold_lock

# What the tagging predictor needs; the same torch, so that the same kernels compute.
SHARED = ["torch>=2.13,<2.14", "safetensors", "pillow", "simplejpeg", "pydantic", "numpy"]
PACKAGES = {
    "gensim": ["gensim==4.4.0"],
    "kserve": ["kserve==0.21.0", *SHARED],
    "mlserver": ["mlserver==1.7.1", *SHARED],
}
_FOLDER = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "striate-benchmarks"


def of(name: str) -> tuple[Path, dict[str, str]]:
    """The peer's Python and its variables; the environment is made when it is not there.

    Raises:
        subprocess.CalledProcessError: its packages cannot be installed.
    """
    folder = _FOLDER / name
    python = folder / "bin" / "python"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with hold_lock(_FOLDER / f"{name}.lock"):  # several sides of one benchmark ask at once
        if not (folder / ".complete").is_file():
            _install(name, folder, python)
    # Striate's own sources, without its dependencies: the predictor needs few of them.
    sources = Path(striate.core.errors.__file__).parents[2]
    return python, {**os.environ, "PYTHONPATH": str(sources), "OMP_NUM_THREADS": "1"}


def _install(name: str, folder: Path, python: Path) -> None:
    print(f"Installing {name} into {folder} …", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *PACKAGES[name]], check=True)
    (folder / ".complete").touch()
