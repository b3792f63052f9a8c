"""Signatures by which a receiver knows that an event is ours: Standard Webhooks 1.0.

`webhook-id`, `webhook-timestamp` and the body, with full stops between them, are signed by
HMAC-SHA256; `webhook-signature` is a list of ``v1,BASE64``, one for each secret that is valid now.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.core.errors import SettingsError

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret, by the specification."""


def make_secret() -> str:
    """A new secret of 32 random bytes, as it is written down."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def read_secrets(reference: str, environment: Mapping[str, str] | None = None) -> list[bytes]:
    """The secrets that a reference leads to, the newest first.

    It may lead to several, with blanks or ends of lines between them: each event is signed with all
    of them, so that a receiver can take up the new one before the old one ends. They are read each
    time, so a new one needs no new deployment.

    Args:
        reference: ``file:PATH`` or ``env:VARIABLE``.
        environment: the variables; the process's own when None.

    Raises:
        SettingsError: there is none, or one that is no secret; the message shows none.
    """
    kind, _, place = reference.partition(":")
    if kind == "file":
        try:
            text = Path(place).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise SettingsError(
                f"The webhooks' secret {reference} cannot be read.",
                "`striate faces webhooks secret FILE` makes one.",
            ) from None
    else:
        text = (os.environ if environment is None else environment).get(place, "")
    found = [_decode(word, reference) for word in text.split()]
    if not found:
        raise SettingsError(
            f"The webhooks' secret {reference} is empty.",
            "`striate faces webhooks secret FILE` makes one.",
        )
    return found


def _decode(word: str, reference: str) -> bytes:
    try:
        key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not word.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise SettingsError(
            f"What {reference} holds is no secret of webhooks.",
            f"A secret is {PREFIX} and the base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes.",
        )
    return key


def sign(keys: Sequence[bytes], event: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The headers that go with a body.

    Args:
        keys: the secrets, one signature each.
        event: the event's id.
        unix_s: when it is sent.
        body: as it is sent, byte for byte.
    """
    content = f"{event}.{unix_s}.".encode() + body
    signatures = (
        base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys
    )
    return {
        "webhook-id": event,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
