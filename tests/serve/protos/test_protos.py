"""The generated code is that of the .proto files."""

from pathlib import Path

import pytest

from striate.serve.protos import generate

pytestmark = pytest.mark.unit


def test_the_committed_code_is_what_the_compiler_makes(tmp_path: Path) -> None:
    made = generate.generate(tmp_path)
    assert len(made) == 3 * len(generate.proto_files())
    for file in made:
        assert (generate.FOLDER / file).read_text() == (tmp_path / file).read_text(), file


def test_generated_imports_name_the_installed_package(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    text = (tmp_path / "striate/v1/photo_tagging_pb2_grpc.py").read_text()
    assert "from striate.serve.protos.striate.v1 import photo_tagging_pb2" in text
