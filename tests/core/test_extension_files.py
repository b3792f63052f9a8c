"""Extensions as wheels and folders: whole, found by their entry points, named by content."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from striate.core.extension_files import (
    TAKEN_ALONG,
    PackedExtension,
    cluster_environment,
    module_variables,
    pack_extensions,
)
from striate.core.extension_sources import use_modules

pytestmark = pytest.mark.unit

ASK = """
import json, sys
from striate.models import ALL_MODELS, architecture_of
import mine.net
found = architecture_of("pebble", {})
print(json.dumps([mine.net.__file__, ALL_MODELS.find("pebble")().bias is None, found.package,
                  found.version]))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of an installed package `mine`, of two modules and a text."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRIATE_MODULES", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    site = tmp_path / "site"
    code, about = site / "mine", site / "mine-1.5.dist-info"
    for folder in (code / "__pycache__", about):
        folder.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "net.py").write_text(
        "from torch import nn\ndef pebble(): return nn.Linear(2, 2, bias=False)\n"
    )
    (code / "words.txt").write_text("stone\n")
    (code / "__pycache__" / "net.pyc").write_bytes(b"old")
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mine\nVersion: 1.5\nRequires-Dist: rocks>=3\n"
    )
    (about / "entry_points.txt").write_text("[striate.models]\npebble = mine.net:pebble\n")
    monkeypatch.syspath_prepend(site)
    return code


def _found_at(place: Path, environment: dict[str, str] | None = None) -> list[object]:
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True, text=True, check=True, cwd=place,
    )  # fmt: skip
    return list(json.loads(done.stdout))


def test_the_wheel_of_a_package_works_by_itself(package: Path, tmp_path: Path) -> None:
    (packed,) = pack_extensions()
    wheel = packed.write_wheel(tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "target")
        metadata = archive.read("mine-1.5.dist-info/METADATA").decode()
    assert {"mine/__init__.py", "mine/net.py", "mine/words.txt"} <= names
    assert not any("__pycache__" in name for name in names)
    assert "Requires-Dist" not in metadata
    found = _found_at(tmp_path / "target")
    assert found == [str(tmp_path / "target" / "mine" / "net.py"), True, "mine", "1.5"]


def test_the_folder_of_a_package_works_by_itself(package: Path, tmp_path: Path) -> None:
    (packed,) = pack_extensions()
    folder = packed.write_folder(tmp_path / "kept")
    assert packed.write_folder(tmp_path / "kept") == folder
    assert _found_at(folder)[0] == str(folder / "mine" / "net.py")


class _WrittenMeanwhile(Mapping[str, bytes]):
    """A package's content that somebody else unpacks while it is read."""

    def __init__(self, packed: PackedExtension, parent: Path) -> None:
        self.packed, self.parent, self.inode = packed, parent, 0

    def __iter__(self) -> Iterator[str]:
        self.inode = self.packed.write_folder(self.parent).stat().st_ino
        return iter(self.packed.content)

    def __getitem__(self, name: str) -> bytes:
        return self.packed.content[name]

    def __len__(self) -> int:
        return len(self.packed.content)


def test_who_unpacks_a_package_second_leaves_the_folder_of_the_first_alone(
    package: Path, tmp_path: Path
) -> None:
    """The first may import from it: it is not moved away under it."""
    (packed,) = pack_extensions()
    meanwhile = _WrittenMeanwhile(packed, tmp_path / "kept")
    second = PackedExtension(packed.extension, meanwhile)
    vars(second)["tag"] = packed.tag  # as if it had been read: it has the content hashed
    folder = second.write_folder(tmp_path / "kept")
    assert folder.stat().st_ino == meanwhile.inode
    assert list(folder.parent.iterdir()) == [folder]


def test_another_content_has_another_name(package: Path, tmp_path: Path) -> None:
    names = set()
    for text in ("stone\n", "sand\n", "stone\n"):
        (package / "words.txt").write_text(text)
        (packed,) = pack_extensions()
        names.add(packed.write_wheel(tmp_path).name)
        names.add(packed.write_folder(tmp_path).name)
    assert len(names) == 4


def test_a_cluster_is_given_folders_and_the_names_of_modules(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_net.py").write_text("MODELS = {'flint': dict}\n")
    monkeypatch.chdir(tmp_path)
    use_modules(("my_net",))
    given = cluster_environment()
    folders = [Path(uri.removeprefix("local://")) for uri in given["py_modules"]]
    assert all(folder.is_dir() and folder.is_relative_to(tmp_path / "home") for folder in folders)
    assert {file.name for folder in folders for file in folder.iterdir()} > {"mine", "my_net.py"}
    assert given["env_vars"] == module_variables() == {"STRIATE_MODULES": "my_net"}
    sys.modules.pop("my_net")


def test_what_was_sent_with_its_extensions_adds_none(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TAKEN_ALONG, "1")
    assert cluster_environment() == {}


def test_without_extensions_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setenv("STRIATE_MODULES", "")
    assert cluster_environment() == {} and module_variables() == {}


def test_one_that_cannot_be_imported_stays_behind(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_net.py").write_text("raise OSError\n")
    monkeypatch.chdir(tmp_path)
    use_modules(("bad_net",))
    assert [packed.extension.name for packed in pack_extensions()] == ["mine"]
