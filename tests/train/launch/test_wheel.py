"""The installed package as a wheel: whole, importable, and named after its content."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from striate.train.launch import wheel
from striate.train.tracking import code_version
from striate.train.tracking.code_version import code_files

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.unit


def test_the_wheel_holds_every_package_and_imports_by_itself(tmp_path: Path) -> None:
    built = wheel.build_wheel(tmp_path)
    target = tmp_path / "site"
    with zipfile.ZipFile(built) as archive:
        names = set(archive.namelist())
        archive.extractall(target)  # what installing a wheel of pure Python is
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package in packages["packages"]:
        assert f"{package.replace('.', '/')}/__init__.py" in names
    assert "striate/models/lenet5.py" in names
    assert not any("__pycache__" in name for name in names)

    code = (
        "import striate.cli.main, striate.models, importlib.metadata as m;"
        "print(striate.models.__file__, m.version('striate'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(target))


def test_the_wheel_asks_for_no_other_package(tmp_path: Path) -> None:
    """Ray installs it with what it requires, on every node, from an index that may not be there."""
    with zipfile.ZipFile(wheel.build_wheel(tmp_path)) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert "Requires-Dist" not in archive.read(metadata).decode()


def test_another_content_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray takes a wheel for one that it has when their names are equal."""
    first = wheel.build_wheel(tmp_path)
    assert wheel.build_wheel(tmp_path) == first
    mine = tmp_path / "mine.py"
    mine.write_text("LAYERS = 5\n")
    files = [*code_files(), ("striate/models/mine.py", mine)]
    for module in (wheel, code_version):
        monkeypatch.setattr(module, "code_files", lambda: iter(files))
    second = wheel.build_wheel(tmp_path)
    mine.write_text("LAYERS = 6\n")
    assert len({first, second, wheel.build_wheel(tmp_path)}) == 3
