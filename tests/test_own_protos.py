"""The generated code of examples/own_model is what its README's command makes of its .proto."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_model"

pytestmark = pytest.mark.unit


def test_the_committed_code_is_what_the_command_of_the_readme_makes(tmp_path: Path) -> None:
    lines = (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in lines if line.startswith("python -m grpc_tools.protoc")]
    words = [word.replace("_out=.", f"_out={tmp_path}") for word in shlex.split(command)[1:]]
    subprocess.run([sys.executable, *words], cwd=EXAMPLE, check=True)
    made = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    committed = [file.relative_to(EXAMPLE) for file in EXAMPLE.rglob("*_pb2*") if file.is_file()]
    assert set(made) == {file for file in committed if "__pycache__" not in file.parts}
    for file in made:
        assert (EXAMPLE / file).read_text() == (tmp_path / file).read_text(), file
