"""The image's recipe: what it copies exists, and what the chart runs is in it."""

import fnmatch
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
INSTRUCTIONS = {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "ENV", "LABEL", "USER", "EXPOSE", "CMD"}
SYSTEM_COMMANDS = {"sh", "sleep"}


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        yield word, " ".join(rest.split())


def copies() -> Iterator[list[str]]:
    """The sources of each COPY from the build's folder."""
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            yield shlex.split(rest)[:-1]


def reaches_the_build(name: str) -> bool:
    """Whether .dockerignore lets a top-level name through; its last matching line decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#") and fnmatch.fnmatch(name, line.removeprefix("!")):
            kept = line.startswith("!")
    return kept


def test_only_known_instructions_in_a_sound_order() -> None:
    words = [word for word, _ in instructions()]
    assert set(words) <= INSTRUCTIONS
    assert next(word for word in words if word != "ARG") == "FROM"
    assert words.count("CMD") == 1 and words[-1] == "CMD"


def test_every_stage_that_is_copied_from_was_built_before() -> None:
    built: set[str] = set()
    for word, rest in instructions():
        if word == "FROM" and " AS " in rest:
            built.add(rest.rsplit(" ", 1)[1])
        if word == "COPY" and rest.startswith("--from="):
            assert rest.removeprefix("--from=").split()[0] in built


def test_every_copied_source_exists_and_reaches_the_build() -> None:
    sources = [source for sources in copies() for source in sources]
    assert {"platform", "models", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert reaches_the_build(source), source
    assert not reaches_the_build(".venv") and not reaches_the_build("tests")


def test_the_wheel_s_packages_come_from_copied_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = {source for sources in copies() for source in sources}
    assert set(project["tool"]["setuptools"]["package-dir"].values()) <= copied
    assert project["project"]["readme"] in copied
    assert set(project["project"]["license-files"]) <= copied
    (extra,) = re.findall(r"\$\{wheel\}\[(\w+)\]", DOCKERFILE.read_text(encoding="utf-8"))
    assert extra in project["project"]["optional-dependencies"]


def test_the_final_stage_runs_as_the_chart_s_user(chart: Any) -> None:
    spec = chart.find({}, "Deployment", "-mlflow")["spec"]["template"]["spec"]["securityContext"]
    (user,) = [rest for word, rest in instructions() if word == "USER"]
    assert user == f"{spec['runAsUser']}:{spec['runAsGroup']}"
    last = [word for word, _ in instructions()]
    assert last.index("USER") > len(last) - 1 - last[::-1].index("FROM")


def test_every_command_that_a_pod_runs_is_in_the_image(chart: Any) -> None:
    scripts = {script.name for script in entry_points(group="console_scripts")}
    values = {"edge": {"tokens": {"enabled": True, "secretName": "tokens"}}}
    for suffix in ("-mlflow", "-edge"):
        spec = chart.find(values, "Deployment", suffix)["spec"]["template"]["spec"]
        for container in spec["containers"]:
            program, *arguments = container["command"]
            if program == "python":  # of the environment that the image's PATH begins with
                flag, module = arguments[:2]
                assert flag == "-m" and importlib.util.find_spec(module) is not None
            else:
                assert program in scripts
            hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
            assert hook is None or hook[0] in SYSTEM_COMMANDS


def test_the_image_s_version_is_the_project_s_and_the_chart_s(chart: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = [rest for word, rest in instructions() if rest.startswith("VERSION=")]
    metadata = (chart.path / "Chart.yaml").read_text(encoding="utf-8")
    assert version == f"VERSION={project['version']}"
    assert f'appVersion: "{project["version"]}"' in metadata
