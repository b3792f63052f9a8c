"""docs/answers.md: the section on serving runs as it stands, on a real platform."""

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "answers.md").read_text(encoding="utf-8")


def _blocks(section: str, language: str = "") -> list[str]:
    """The fenced blocks of a language in a section."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```([a-z]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for kind, content in found if kind == language]


@pytest.mark.e2e
def test_stories_are_trained_on_deployed_told_asked_about_and_forgotten(
    platform: Any, tmp_path: Path
) -> None:
    walk = max(_blocks("Served"), key=len)  # the one on stories
    lines = walk.replace("\\\n", " ").splitlines()
    said: dict[str, str] = {}
    for words in (shlex.split(line)[1:] for line in lines):
        if words[0] == "undeploy":
            assert "office" in _asked_from_python(platform)
        if words[0] == "deploy":
            words += ["--set", f"store={tmp_path / 'stories.db'}"]
        said[" ".join(words[:2])] = platform.run(*words).stdout
    assert "sentences 1 to 4 of ring" in said["stories tell"]
    assert "shire" in said["query ask"] and "Bilbo left the ring there." in said["query ask"]
    assert "Bilbo went back to the Shire." in said["stories show"]
    assert "4 sentences, 1 whole stories; 0 are left" in said["stories forget"]


def _asked_from_python(platform: Any) -> str:
    """What the page's Python prints, as it stands but for the edge's address."""
    (code,) = _blocks("Served", "python")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code.replace("127.0.0.1:9000", platform.settings.grpc_address), {})
    return out.getvalue()
