"""Bearer tokens of the edge: created, listed, revoked; only their hashes are kept.

The file is the map that HAProxy reads: a line for each token, its SHA-256 and what it allows. A
token has 256 random bits, so that its hash needs no salt and no slow function.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from striate.core.errors import DataError, PlatformError, UnknownName, UsageError
from striate.core.files import write_atomic
from striate.core.locks import hold_lock
from striate.core.numbers import Amount, Total
from striate.core.text import decode_text
from striate.serve.common.service_table import token_scopes

NEVER_S = 253_402_300_799  # the last second of the year 9999
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
PREFIX = "striate-"


class Token(BaseModel):
    """What a token allows.

    Attributes:
        name: of whoever holds it: what services know the caller by, and may keep data apart by.
        scopes: names of `token_scopes`.
        expires_unix_s: when it ends; `NEVER_S` for never.
        rate: most calls a second at one edge; 0 for any.
        created_unix_s: when it was made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME.pattern}$")
    scopes: tuple[str, ...]
    expires_unix_s: Total = NEVER_S
    rate: Amount = 0
    created_unix_s: Total

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_unix_s <= time.time()

    def entry(self) -> str:
        """The token's value in the edge's map."""
        scopes = f",{','.join(self.scopes)},"
        fields = (self.name, scopes, self.expires_unix_s, self.rate, self.created_unix_s)
        return "|".join(map(str, fields))

    @classmethod
    def from_entry(cls, entry: str) -> "Token":
        """The token of such a value.

        Raises:
            ValueError: it is none.
        """
        name, scopes, expires, rate, created = entry.split("|")
        return cls(
            name=name,
            scopes=tuple(scopes.strip(",").split(",")),
            expires_unix_s=int(expires),
            rate=int(rate),
            created_unix_s=int(created),
        )


def digest_of(secret: str) -> str:
    """What is kept of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_tokens(file: Path) -> dict[str, Token]:
    """Tokens by their digests; none when there is no file.

    Raises:
        PlatformError: the file is damaged.
    """
    if not file.is_file():
        return {}
    found: dict[str, Token] = {}
    try:
        text = decode_text(file.read_bytes(), str(file))
    except DataError as error:
        raise PlatformError(error.message, "Name the file that `striate token` keeps.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            digest, entry = line.split(maxsplit=1)
            found[digest] = Token.from_entry(entry)
        except ValueError:
            raise PlatformError(
                f"Line {number} of the token file {file} is damaged.", "Remove the line."
            ) from None
    return found


def create(
    file: Path, name: str, scopes: Collection[str], lifetime_s: int | None = None, rate: int = 0
) -> tuple[str, Token]:
    """Make a token and keep its hash.

    Args:
        file: the token file; made when there is none.
        name: of whoever will hold it; not that of another token. To services, whoever gets the
            name of a revoked one is the same caller.
        scopes: what it allows, names of `token_scopes`.
        lifetime_s: after how long it ends; None for never.
        rate: most calls a second; 0 for any.

    Returns:
        The token itself, which is kept nowhere, and what it allows.

    Raises:
        UsageError: the name is taken or not a name, or there is no scope.
        UnknownName: a scope that is none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a token.",
            "Use up to 63 lower-case letters, digits, dots and dashes.",
        )
    known_scopes = token_scopes()
    for scope in scopes:
        if scope not in known_scopes:
            raise UnknownName.of("scope", scope, known_scopes)
    if not scopes:
        raise UsageError("A token needs a scope.", f"Choose from {', '.join(known_scopes)}.")
    now = int(time.time())
    expires = NEVER_S if lifetime_s is None else now + lifetime_s
    kept = tuple(scope for scope in known_scopes if scope in scopes)
    token = Token(name=name, scopes=kept, expires_unix_s=expires, rate=rate, created_unix_s=now)
    secret = PREFIX + secrets.token_urlsafe(32)
    with _lock(file):
        known = read_tokens(file)
        if any(other.name == name for other in known.values()):
            raise UsageError(f"There is a token named {name} already.", "Revoke it first.")
        _write(file, {**known, digest_of(secret): token})
    return secret, token


def revoke(file: Path, name: str) -> Token:
    """Take a token out of the file.

    Raises:
        UnknownName: there is none of that name.
    """
    with _lock(file):
        known = read_tokens(file)
        token = next((token for token in known.values() if token.name == name), None)
        if token is None:
            raise UnknownName.of("token", name, [token.name for token in known.values()])
        _write(file, {digest: other for digest, other in known.items() if other != token})
    return token


def ensure_file(file: Path) -> None:
    """Make an empty token file, readable by this user alone, when there is none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)


def _write(file: Path, tokens: Mapping[str, Token]) -> None:
    lines = [f"{digest} {token.entry()}\n" for digest, token in tokens.items()]
    write_atomic(file, "".join(lines).encode(), mode=0o600)


def _lock(file: Path) -> AbstractContextManager[None]:
    """One writer at a time."""
    ensure_file(file)
    return hold_lock(file.with_name(f".{file.name}.lock"))
