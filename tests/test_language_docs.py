"""docs/language.md: its trainings run on a real platform, and its Python asks their bundles."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from striate.cli.query import query
from striate.serve.apps.language import LanguageArgs, services
from striate.serve.server.server import ModelServer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
SHORT = {"skip-gram-mini": "epochs=1", "cbow-mini": "epochs=8", "sentences-mini": "epochs=5"}


def _section(name: str) -> tuple[list[list[str]], str]:
    """The commands of a section's first block, and its Python."""
    text = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = next(content for kind, content in blocks if not kind).splitlines()
    code = next(content for kind, content in blocks if kind == "python")
    return [shlex.split(line)[1:] for line in lines], code


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("Vectors of words", ["berlin", "[", "(2, 64)"]),
        ("Sentences", ["positive", "negative", "(1, 72)"]),
    ],
)
def test_what_is_trained_is_registered_and_answers_as_the_page_asks(
    section: str, told: list[str], platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands, code = _section(section)
    for words in commands:
        name = words[1]
        done = platform.run(*words[:2], SHORT[name], *words[2:], "--json")
        result = json.loads(done.stdout)
        assert result["model_uri"].startswith(f"models:/{name}/")
    first = json.loads(platform.run("runs", "ls", "--json").stdout)
    assert first
    bundle = Path(result["bundle_path"])
    monkeypatch.chdir(bundle.parent)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, {})
    lines = said.getvalue().strip().split("\n")
    assert len(lines) == len(told)
    assert all(line.startswith(start) for line, start in zip(lines, told, strict=True))
    if section == "Vectors of words":
        _ask_served(bundle)


def _ask_served(bundle: Path) -> None:
    """What the section on serving asks of words, of the application in this process."""
    server = ModelServer(services(LanguageArgs(words=str(bundle), home=bundle.parent)))
    try:
        text = PAGE.split("\n## Served\n")[1]
        lines = re.findall(r"^striate query ((?:analogy|nearest) .*)$", text, re.M)
        for words in map(shlex.split, lines):
            done = CliRunner().invoke(query, [*words, "--json", "--address", server.address])
            assert done.exit_code == 0, done.output
            found = json.loads(done.stdout)["words"]
            assert found and -1 <= found[0]["cosine"] <= 1
        assert len(lines) == 2
    finally:
        server.stop(1)
