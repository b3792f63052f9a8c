"""The token file: what it keeps, and what it refuses."""

import stat
import time
from pathlib import Path

import pytest

from striate.core.errors import PlatformError, UnknownName, UsageError
from striate.serve.edge.tokens import NEVER_S, Token, create, digest_of, read_tokens, revoke

pytestmark = pytest.mark.unit


def test_a_token_is_kept_as_its_hash_alone(tmp_path: Path) -> None:
    file = tmp_path / "tokens.map"
    secret, token = create(file, "app", ["infer", "tag"], lifetime_s=60, rate=5)
    assert secret not in file.read_text()
    assert read_tokens(file) == {digest_of(secret): token}
    assert (token.scopes, token.rate) == (("tag", "infer"), 5)
    assert 55 < token.expires_unix_s - time.time() <= 60
    assert not token.expired
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("ends_in_s", "over"), [(-3600, True), (-1, True), (0, True), (1, False)])
def test_a_token_is_over_at_its_very_second(
    ends_in_s: int, over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_700_000_000
    monkeypatch.setattr(time, "time", lambda: float(now))
    token = Token(name="a", scopes=("tag",), expires_unix_s=now + ends_in_s, created_unix_s=now)
    assert token.expired is over


def test_two_tokens_differ_and_one_may_go(tmp_path: Path) -> None:
    file = tmp_path / "tokens.map"
    first, _ = create(file, "first", ["tag"])
    second, kept = create(file, "second", ["admin"])
    assert first != second
    assert kept.expires_unix_s == NEVER_S
    assert revoke(file, "first").name == "first"
    assert list(read_tokens(file)) == [digest_of(second)]
    with pytest.raises(UnknownName, match="second"):
        revoke(file, "first")
    assert create(file, "first", ["tag"])[1].name == "first"  # a token is renewed so


@pytest.mark.parametrize("name", ["", "a b", "a|b", "a\nb", "-a", "A", "a" * 64])
def test_a_name_cannot_write_an_entry(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        create(tmp_path / "tokens.map", name, ["tag"])


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.map"
    with pytest.raises(UnknownName, match="faces"):
        create(file, "a", ["face"])
    with pytest.raises(UsageError, match="scope"):
        create(file, "a", [])
    create(file, "a", ["tag"])
    with pytest.raises(UsageError, match="already"):
        create(file, "a", ["tag"])


ENTRY = "|,tag,|1|0|0"


@pytest.mark.parametrize("line", ["nonsense", *(f"0 {name}{ENTRY}" for name in ("A", "a b", "ä"))])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens.map"
    file.write_text(f"0 a{ENTRY}\n")
    assert list(read_tokens(file)) == ["0"]
    file.write_text(f"# a note\n\n{line}\n")
    with pytest.raises(PlatformError, match="Line 3"):
        read_tokens(file)
