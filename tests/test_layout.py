"""The house's rules: who may import whom, and what packaging must never forget."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "core": 0,
    "models": 1,
    "data": 1,
    "accelerators": 2,
    "train": 3,
    "serve": 3,
    "local": 4,
    "cli": 5,
}
# The folders of a room, lowest first: each imports from lower tiers alone. `.` is the room's own
# files.
TIERS = {
    "models": (("automata", "layers"), (".", "speech"), ("evaluation", "translation")),
    "data": (
        (".", "transforms"),
        (
            "shards",
            "transforms/audio",
            "transforms/image",
            "transforms/text",
            "transforms/video",
        ),
        ("knowledge",),
        ("corpora", "pipelines"),
        ("ingest", "show", "stream"),
    ),
    "accelerators": (("chips", "placement"), ("ir",), ("emulator",), ("compiler",)),
    "train": (
        (".", "checkpoint"),
        ("distributed", "run"),
        ("tasks",),
        ("recipes", "tracking"),
        ("loop", "plots"),
        ("faces", "launch", "speech", "translation"),
        ("sweep",),
    ),
    "serve": (
        ("common", "protos", "sql"),
        ("client", "edge", "identities", "observability", "predictors", "stories"),
        ("capacity", "server", "webhooks"),
        ("services",),
        ("apps",),
        ("deployment",),
    ),
}
# A row of the page's table: a folder, which file of it is meant, what it does, who imports it.
ROW = re.compile(r"^\| `([a-z_/]+)/`(?: \([^)]*\))? \|.*\| ([^|]+) \|$", re.M)
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


def _modules() -> dict[str, Path]:
    """Every module of the project by its name; generated gRPC code is left out."""
    return {
        ".".join((name, *(part for part in parts if part != "__init__"))): path
        for name, folder in SOURCES.items()
        for path in sorted(folder.rglob("*.py"))
        if "_pb2" not in path.name
        for parts in [path.relative_to(folder).with_suffix("").parts]
    }


def _needs(path: Path, modules: dict[str, Path]) -> set[str]:
    """The project's modules that a file imports, a name's own module where it is one."""
    needs = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            needs |= (whole & set(modules)) or {node.module}
        elif isinstance(node, ast.Import):
            needs |= {alias.name for alias in node.names} & set(modules)
    return needs


def _tier_of(room: str, path: Path) -> int:
    top = ROOT / "models" if room == "models" else ROOT / "platform" / room
    folder = path.parent.relative_to(top).as_posix()
    for tier, folders in enumerate(TIERS[room]):
        if folder in folders or folder.split("/")[0] in set(folders) - {"transforms"}:
            return tier
    raise AssertionError(f"{path.relative_to(ROOT)} lies in a folder without a tier.")


def test_a_folder_imports_only_from_lower_folders_of_its_room() -> None:
    modules = _modules()
    wrong = [
        f"{path.relative_to(ROOT)} imports {need}"
        for room in TIERS
        for path in modules.values()
        if path.is_relative_to(ROOT / ("models" if room == "models" else f"platform/{room}"))
        for need in _needs(path, modules)
        if _room_of(need) == room and modules[need].parent != path.parent
        if _tier_of(room, modules[need]) >= _tier_of(room, path)
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_the_table_of_rooms_says_who_imports_each() -> None:
    """The last column of docs/architecture.md, row by row, out of the import statements."""
    wrong = [
        f"{row}/ is imported by {found}, and the page says {said}"
        for (row, said), found in zip(ROW.findall(_page()), _imported_by(), strict=True)
        if said != found
    ]
    assert not wrong, "\n".join(wrong)


def _page() -> str:
    return (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _imported_by() -> list[str]:
    """For each row of the table: folders of its room, then other rooms, in the table's order."""
    modules = _modules()
    rows = [row for row, _ in ROW.findall(_page())]
    importers: dict[str, set[str]] = {row: set() for row in rows}
    for path in (path for path in modules.values() if path.stat().st_size):
        own = _row_of(path, rows)
        for need in _needs(path, modules):
            if (row := _row_of(modules[need], rows)) != own:
                importers[row].add(own)
    return [_in_words(row, importers[row], rows) for row in rows]


def _row_of(path: Path, rows: list[str]) -> str:
    """The row of the table that a file belongs to: that of its folder, or of one around it."""
    folder = path.parent.relative_to(ROOT).as_posix().removeprefix("platform/")
    found = [row for row in rows if folder == row or folder.startswith(f"{row}/")]
    assert found, f"{folder} has no row in docs/architecture.md"
    return max(found, key=len)


def _in_words(row: str, importers: set[str], rows: list[str]) -> str:
    room = row.split("/")[0]
    near = [one for one in rows if one in importers and one.split("/")[0] == room]
    far = [other for other in FLOORS if other in {one.split("/")[0] for one in importers} - {room}]
    if set(far) == set(FLOORS) - {room}:
        return "all"
    names = [one.removeprefix(f"{room}/") for one in near] + far
    return ", ".join(f"`{name}`" for name in names) or "nobody"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = _modules()
    waiting = {name: _needs(path, modules) - {name} for name, path in modules.items()}
    while True:  # whoever needs none of the rest, and whom none of the rest needs, is in no circle
        needed = set().union(*waiting.values())
        ends = {m for m, needs in waiting.items() if m not in needed or not needs & set(waiting)}
        if not ends:
            break
        waiting = {m: needs for m, needs in waiting.items() if m not in ends}
    assert not waiting, f"circles among {sorted(waiting)}"


def test_every_module_that_a_text_names_is_there() -> None:
    """Strings that name code (Serve's import paths, loaders, `python -m`, docs) follow moves."""
    dotted = re.compile(rf"(?<![\w.])striate\.(?:{'|'.join(FLOORS)})(?:\.\w+)*(?:\:\w+)?")
    helm = re.compile(r'(include|define) "striate\.[^"]*"')  # names of templates, not of code
    wrong = [
        f"{path.relative_to(ROOT)} names {found}"
        for path in _texts()
        for found in dotted.findall(helm.sub("", path.read_text(encoding="utf-8")))
        if not _resolves(found)
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


def _texts() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    kinds = {".py", ".md", ".yaml", ".tpl", ".toml", ".json", ".svg", ""}
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix in kinds and path.is_file() and name != "CHANGELOG.md":
            yield path


def _resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.replace(":", ".").split(".")
    for end in range(len(parts), 1, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


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


def test_every_folder_holds_a_package() -> None:
    """What a move leaves behind would be packaged, or found by nobody."""
    bare = [
        str(folder.relative_to(ROOT))
        for source in (ROOT / "platform", ROOT / "models")
        for folder in source.rglob("*")
        if folder.is_dir() and folder.name != "__pycache__" and any(folder.iterdir())
        if not (folder / "__init__.py").is_file()
        if {file.name for file in folder.iterdir()} != {"__pycache__"}
    ]
    assert not bare
    empty = [
        str(init.parent.relative_to(ROOT))
        for source in SOURCES.values()
        for init in source.rglob("__init__.py")
        if not init.stat().st_size and not [
            entry for entry in init.parent.iterdir()
            if entry.name not in {"__init__.py", "__pycache__", "py.typed"}
        ]
    ]  # fmt: skip
    assert not empty


def test_no_public_class_name_stands_for_two_things() -> None:
    places: dict[str, list[str]] = {}
    for _, path in _sources():
        if "_pb2" in path.name:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice


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
    heavy |= {"tokenizers"}
    assert not heavy & set(done.stdout.split())
