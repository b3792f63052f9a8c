"""Regenerate the gRPC code beside the .proto files: ``python -m striate.serve.protos.generate``.

The code is generated into a temporary folder and moved, so that a failing compiler leaves the
old code whole. This folder is the root of the files, as it is for callers in any language;
the generated imports are made to name the installed package
(``from striate.serve.protos.striate.v1 import …``).
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from striate.core.errors import PlatformError

FOLDER = Path(__file__).resolve().parent
PACKAGE = "striate.serve.protos"


def proto_files() -> list[Path]:
    """Every .proto file, relative to this folder."""
    return sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.proto"))


def generate(target: Path) -> list[Path]:
    """Compile every .proto file into `target`.

    Returns:
        The generated files, relative to `target`.

    Raises:
        PlatformError: the compiler is not installed or refuses a file.
    """
    if importlib.util.find_spec("grpc_tools") is None:
        raise PlatformError("The package grpcio-tools is not installed.", "Run `make setup`.")
    with tempfile.TemporaryDirectory() as scratch:
        _compile(Path(scratch))
        made = Path(scratch)
        files = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            text = (made / file).read_text(encoding="utf-8")
            (target / file).write_text(_in_package(text), encoding="utf-8")
    return files


def _in_package(text: str) -> str:
    """Generated code whose imports and module names lie in the installed package.

    Type checkers take it as it is: it is not ours to annotate.
    """
    folders = {".".join(file.parent.parts) for file in proto_files()}
    for folder in folders:
        name = rf"\b{re.escape(folder)}(?=\.\w+_pb2\b| import \w+_pb2\b)"
        text = re.sub(name, f"{PACKAGE}.{folder}", text)
    return f"# mypy: ignore-errors\n{text}"


def _compile(scratch: Path) -> None:
    outputs = [f"--{kind}_out={scratch}" for kind in ("python", "pyi", "grpc_python")]
    names = [file.as_posix() for file in proto_files()]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{FOLDER}"]
    result = subprocess.run([*command, *outputs, *names], capture_output=True, text=True)
    if result.returncode:
        raise PlatformError(f"protoc refuses the files: {result.stderr.strip()}")


if __name__ == "__main__":
    for generated in generate(FOLDER):
        print(generated)
