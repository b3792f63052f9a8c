"""Places that cannot be: one line that names them, and no traceback."""

import os
from pathlib import Path

import pytest

from striate.cli.main import main

pytestmark = pytest.mark.unit

COMMANDS = [
    ("train", "@"),
    ("data", "ls", "@"),
    ("data", "show", "@"),
    ("data", "verify", "@"),
    ("data", "clean", "@"),
    ("data", "ingest", "images", "@", "/nowhere/out"),
    ("data", "ingest", "digits", "/nowhere/in", "@"),
    ("token", "ls", "--token-file", "@"),
    ("token", "revoke", "name", "--token-file", "@"),
    ("token", "create", "name", "--scope", "tag", "--token-file", "@"),
    ("faces", "migrate", "--store", "@"),
    ("faces", "webhooks", "ls", "--store", "@"),
    ("faces", "webhooks", "secret", "@"),
    ("chips", "report", "@"),
    ("plan", "--photos-per-day", "1e6", "--times", "@"),
]
PLACES = ["", "n" * 300, "/nowhere/x", "a file/x", "bytes", "a\nb", os.fsdecode(b"a\xffb")]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place)[:20])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_place_that_cannot_be_is_one_line(
    words: tuple[str, ...], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    (tmp_path / "a file").write_bytes(b"")
    (tmp_path / "bytes").write_bytes(b"\xff\x80|\n")
    try:
        main([place if word == "@" else word for word in words])
    except SystemExit as ended:
        said = capsys.readouterr().err
        assert not ended.code or (said.startswith("striate: ") and said.count("\n") == 1)
