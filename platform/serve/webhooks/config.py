"""Who is told of what: the webhooks of a deployment."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from striate.core.addresses import is_loopback
from striate.core.numbers import Count, Positive
from striate.core.retry import Backoff

Kind = Literal["known", "unknown", "no_face"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NO_ADDRESS = "must be a web address, for example https://door.example/faces"
_SECRET = re.compile(r"(file|env):.+")


class Webhook(BaseModel):
    """A receiver of events.

    Attributes:
        name: what the outbox and `striate faces webhooks` call it.
        url: where events are posted: ``https://…``, or ``http://`` to this machine alone, for an
            event names a person. No redirect is followed, so that nobody else is posted to.
        secret: where what it is signed with is found: ``file:PATH`` or ``env:VARIABLE``; see
            `striate.serve.webhooks.signature.read_secrets`.
        events: the kinds that it is told of.
        ca: PEM file of the authority that its certificate must come from; None trusts the
            machine's own authorities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    url: str
    secret: str
    events: tuple[Kind, ...] = KINDS
    ca: Path | None = None

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be 1 to 40 small letters, digits and hyphens")
        return name

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError(_NO_ADDRESS) from None
        if not host or parts.scheme not in ("http", "https"):
            raise ValueError(_NO_ADDRESS)
        if parts.scheme == "http" and not is_loopback(host):
            raise ValueError("must be https, since an event names a person")
        if parts.username or parts.password or parts.fragment or not url.isprintable():
            raise ValueError("must hold no user, password or fragment")
        return url

    @field_validator("secret")
    @classmethod
    def _reference(cls, secret: str) -> str:
        if not _SECRET.fullmatch(secret):
            raise ValueError("must say where the secret is found: file:PATH or env:VARIABLE")
        return secret

    @field_validator("events")
    @classmethod
    def _some(cls, events: Sequence[Kind]) -> tuple[Kind, ...]:
        if not events:
            raise ValueError(f"must name one at least of {', '.join(KINDS)}")
        return tuple(dict.fromkeys(events))

    @property
    def host(self) -> str:
        """Its host and port alone: what may be shown of its address."""
        return urlsplit(self.url).netloc


class Webhooks(BaseModel):
    """The webhooks of a deployment, and how hard an event is tried.

    With the defaults the fifteenth and last attempt is up to 18 hours after the first.

    Attributes:
        hooks: who is told; nobody by default.
        wait: whether a search is answered only once its events are on the disk; else it waits for
            nothing, and a killed process loses what it saw in its last moment.
        most: events that wait for a hook, dead letters among them: what comes then takes the
            place of the oldest dead letters, and is dropped where there are none.
        attempts: after so many an event is a dead letter.
        first_s: pause after the first attempt; each is twice as long as the one before, less up to
            half of it at random.
        longest_s: the longest pause.
        timeout_s: how long a receiver may take to answer.
        at_once: events on their way to a hook at the same time.
        keep_s: how long an event is kept from when it was, delivered or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hooks: tuple[Webhook, ...] = ()
    wait: bool = False
    most: Count = 100_000
    attempts: Count = 15
    first_s: Positive = 5.0
    longest_s: Positive = 14_400.0
    timeout_s: Positive = 15.0
    at_once: Count = Field(default=8, le=256)
    keep_s: Positive = 604_800.0

    @field_validator("hooks")
    @classmethod
    def _told_apart(cls, hooks: Sequence[Webhook]) -> tuple[Webhook, ...]:
        if len({hook.name for hook in hooks}) < len(hooks):
            raise ValueError("must have different names")
        return tuple(hooks)

    @property
    def backoff(self) -> Backoff:
        """The pauses between attempts."""
        return Backoff(self.first_s, self.longest_s, jitter=0.5)
