"""The house's rules: who may import whom, and what packaging must never forget."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"core": 0, "models": 1, "data": 1, "accelerators": 2, "train": 3, "serve": 3, "cli": 4}
SOURCES = {"striate.models": ROOT / "models", "striate": ROOT / "platform"}
MODELS_MAY_IMPORT = {"torch", "striate"}

pytestmark = pytest.mark.unit


def _sources() -> Iterator[tuple[str, Path]]:
    """Each source file with the room it belongs to."""
    for room in FLOORS:
        folder = ROOT / "models" if room == "models" else ROOT / "platform" / room
        for path in sorted(folder.rglob("*.py")):
            yield room, path


def _imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


def _room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "striate" and len(parts) > 1 else None


def test_a_room_imports_only_from_lower_floors() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for room, path in _sources()
        for module in _imports(path)
        if (other := _room_of(module)) and other != room and FLOORS[other] >= FLOORS[room]
    ]
    assert not wrong, "\n".join(wrong)


def test_models_import_torch_and_core_alone() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for room, path in _sources()
        if room == "models"
        for module in _imports(path)
        if module.split(".")[0] not in MODELS_MAY_IMPORT | sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in (ROOT / "platform").iterdir() if path.is_dir()} - {"__pycache__"}
    assert rooms == set(FLOORS) - {"models"}


def test_the_package_never_hides_the_platform_module() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not (ROOT / "tests" / "platform").exists()


def test_every_package_is_in_the_wheel() -> None:
    """An unlisted package works when installed editable and is missing from the wheel."""
    listed = set(_pyproject()["tool"]["setuptools"]["packages"])
    found = {
        ".".join((name, *init.parent.relative_to(folder).parts))
        for name, folder in SOURCES.items()
        for init in folder.rglob("__init__.py")
    }
    assert found == listed


def test_every_package_is_marked_as_typed_or_lies_in_one_that_is() -> None:
    for room in FLOORS:
        folder = ROOT / "models" if room == "models" else ROOT / "platform" / room
        assert (folder / "py.typed").is_file()


def test_no_pickle_is_loaded_anywhere() -> None:
    """Weights and state are safetensors and JSON; a pickle would run its author's code."""
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for _, path in _sources():
        text = path.read_text(encoding="utf-8")
        assert not banned & {module.split(".")[0] for module in _imports(path)}, path
        assert "torch.load(" not in text and "allow_pickle=True" not in text, path


def test_every_dependency_says_why() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start = lines.index("dependencies = [")
    for line in lines[start + 1 : lines.index("]", start)]:
        assert "#" in line, f"no reason given: {line}"


def _pyproject() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_table_of_corpora_waits_for_no_heavy_library() -> None:
    """`striate data ls` answers at once: a corpus imports what it needs when it is opened."""
    code = "import sys, striate.cli.data, striate.data.corpora; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "ray", "mlflow", "av", "scipy", "skimage", "sklearn", "soundfile"}
    assert not heavy & set(done.stdout.split())
