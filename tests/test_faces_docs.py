"""docs/faces.md: the walk runs as it stands, and its receiver checks what Striate signs."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from striate.serve.webhooks.signature import make_secret, read_secrets, sign

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "faces.md").read_text(encoding="utf-8")
# Trained in tests/train, which takes minutes; here stand in networks that need no training.
TRAINED = ("train", "data", "faces codes")
NAMES = {"deepface-identities-mini": "network", "face-pose-mini": "detector"}


def _blocks(section: str, language: str = "") -> list[str]:
    """The fenced blocks of a language in a section."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```([a-z]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for kind, content in found if kind == language]


def _walk() -> list[list[str]]:
    lines = "\n".join(_blocks("The whole way")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line)[1:] for line in lines if line.startswith("striate ")]
    return [one for one in words if not " ".join(one).startswith(TRAINED)]


@pytest.mark.e2e
def test_the_walk_runs_on_a_real_platform(
    platform: Any, face_bundles: dict[str, Path], face_photo: Callable[..., bytes],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _register(platform, face_bundles)
    monkeypatch.chdir(tmp_path)
    photos = {"ada": [1], "party": [3, 1], "party-ada": [1]}
    for name, looks in photos.items():
        Path(f"{name}.jpg").write_bytes(face_photo(*looks))
    Path("family/Bob").mkdir(parents=True)
    Path("family/Bob/1.png").write_bytes(face_photo(2))
    said = {}
    for words in _walk():
        if words[0] == "undeploy":
            _ask_from_python(platform)
        extra = ["--set", f"store={tmp_path / 'people.db'}", "--set", f"kept={tmp_path}"]
        given = [*words, *(extra if words[0] == "deploy" else [])]
        said[" ".join(words[:3])] = platform.run(*given).stdout
    assert "2 faces" in said["faces detect party.jpg"]
    found = said["faces search party.jpg"]
    assert "Ada Lovelace" in found and "unknown" in found
    assert "the same person" in said["faces verify ada.jpg"]
    assert "Ada Lovelace" in said["faces people ls"] and "Bob" in said["faces people ls"]
    assert "Augusta Ada King" in said["faces people rename"]
    assert (tmp_path / "augusta" / "person.json").is_file()
    assert re.search(r"left: index rows\s+0", said["faces forget Augusta Ada King"])


def _register(platform: Any, bundles: dict[str, Path]) -> None:
    from striate.core.bundle import Bundle
    from striate.core.registry import register
    from striate.core.tracking import connect
    from striate.train.tracking.mlflow_run import LOADER_MODULE

    uri = platform.settings.tracking_uri
    run = connect(uri).create_run("0").info.run_id
    for name, bundle in NAMES.items():
        register(Bundle.open(bundles[bundle]), name, run, uri, LOADER_MODULE, promoted=True)


def _ask_from_python(platform: Any) -> None:
    """Run the page's Python as it stands, but for the edge's address."""
    (code,) = _blocks("The whole way", "python")
    exec(code.replace("127.0.0.1:9000", platform.settings.grpc_address), {})


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    """The page's check of an event."""
    (code,) = _blocks("Webhooks", "python")
    found: dict[str, Any] = {}
    exec(code, found)
    check: Callable[..., bool] = found["is_genuine"]
    return check


@pytest.mark.unit
def test_the_pages_receiver_takes_what_is_ours_once_and_refuses_the_rest(
    is_genuine: Callable[..., bool],
) -> None:
    ours, theirs = make_secret(), make_secret()
    keys = [read_secrets("env:S", {"S": one})[0] for one in (theirs, ours)]
    body = b'{"type": "face.known"}'

    def check(headers: dict[str, str], content: bytes = body, at: float = 1000.0) -> bool:
        return is_genuine(headers, content, ours + "\n", seen, lambda: at)

    seen: set[str] = set()
    signed = sign(keys[1:], "evt_1", 1000, body)
    assert not check(signed, body + b" ")
    assert not check({**signed, "webhook-timestamp": "1001"})
    assert not check({**signed, "webhook-id": "evt_2"})
    assert not check(sign(keys[:1], "evt_1", 1000, body))
    assert not check(signed, at=1301)
    assert not check(signed, at=699)
    assert check(signed) and not check(signed), "it is taken once"
    assert check(sign(keys, "evt_3", 1000, body)), "while a secret changes there are two signatures"


@pytest.mark.unit
def test_the_page_tells_the_defaults_of_the_code() -> None:
    from striate.serve.services.face_settings import FaceSettings
    from striate.serve.webhooks.config import Webhooks

    settings, webhooks = FaceSettings(), Webhooks()
    assert f"| `threshold` | {settings.threshold} |" in PAGE
    quality = ", ".join(f'"{k}": {v:g}' for k, v in settings.quality.model_dump().items())
    assert f"`{{{quality}}}`" in PAGE
    text = " ".join(PAGE.split())
    assert f"after {webhooks.first_s:g} seconds" in text
    assert f"up to {webhooks.longest_s / 3600:g} hours" in text
    assert f"After {webhooks.attempts} attempts" in text
    assert f"holds {webhooks.most:,} events" in text and webhooks.keep_s == 7 * 86_400
