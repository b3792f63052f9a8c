"""One attempt to hand an event to its receiver, and what follows from it."""

import email.utils
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from striate.core.errors import SettingsError
from striate.core.retry import Backoff
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.outbox import Attempted, Letter
from striate.serve.webhooks.signature import read_secrets, sign

GONE = 410
_MUST_WAIT = (429, 503)


@dataclass(frozen=True)
class Answer:
    """What a receiver said.

    Attributes:
        error: why it has not taken the event; empty where it has.
        final: it never will.
        wait_s: it asks not to be tried again for so long.
    """

    error: str = ""
    final: bool = False
    wait_s: float = 0.0


class Receiver:
    """The far end of one hook; an asynchronous context.

    Of what it answers the status and `retry-after` count, and the body is not read. It is reached
    without proxies or cookies, and no redirect is followed.

    Args:
        hook: whose.
        timeout_s: for everything, from the look-up of its name to its status.

    Raises:
        SettingsError: its authority's file cannot be used.
    """

    def __init__(self, hook: Webhook, timeout_s: float) -> None:
        self._hook = hook
        self._timeout_s = timeout_s
        self._trusted = _trust(hook)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers={"content-type": "application/json", "user-agent": "striate"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def post(self, letter: Letter, unix_s: float) -> Answer:
        """Post an event, signed now.

        Args:
            letter: the event.
            unix_s: seconds since 1970.
        """
        body = letter.body.encode()
        try:
            headers = sign(read_secrets(self._hook.secret), letter.event, int(unix_s), body)
            async with self._session.post(
                self._hook.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return judge(answer.status, answer.headers, unix_s)
        except SettingsError as error:
            return Answer(error.message)
        except TimeoutError:
            return Answer(f"There was no answer within {self._timeout_s:g} s.")
        except aiohttp.ClientConnectorCertificateError:
            return Answer("The certificate of the receiver is not trusted.")
        except aiohttp.ClientConnectorError as error:
            return Answer(f"The receiver cannot be reached: {error.strerror or 'no such host'}.")
        except (aiohttp.ClientError, OSError, ValueError):
            return Answer("The receiver broke off, or speaks no HTTP.")


def judge(status: int, headers: Mapping[str, str], unix_s: float) -> Answer:
    """What a status means: 2xx has taken it, 410 never will, all others may yet.

    Args:
        status: of HTTP.
        headers: of which `retry-after` counts with 429 and 503.
        unix_s: now, in seconds since 1970.
    """
    if 200 <= status < 300:
        return Answer()
    if status == GONE:
        return Answer("The receiver answered 410: it is gone for good.", final=True)
    if 300 <= status < 400:
        return Answer(f"The receiver answered {status}, and no redirect is followed.")
    wait_s = _retry_after(headers.get("retry-after", ""), unix_s) if status in _MUST_WAIT else 0.0
    return Answer(f"The receiver answered {status}.", wait_s=wait_s)


def outcome(
    letter: Letter, answer: Answer, attempts: int, backoff: Backoff, unix_s: float
) -> Attempted:
    """What becomes of a letter.

    Args:
        letter: as it was before the attempt.
        answer: of its receiver.
        attempts: after so many it is dead.
        backoff: the pauses; a longer one that the receiver asks for is kept, up to the longest.
        unix_s: now, in seconds since 1970.
    """
    if not answer.error:
        return Attempted(letter.id)
    made = letter.attempts + 1
    if answer.final or made >= attempts:
        return Attempted(letter.id, answer.error)
    pause_s = max(backoff.pause_s(made), min(answer.wait_s, backoff.longest_s))
    return Attempted(letter.id, answer.error, unix_s + pause_s)


def _retry_after(text: str, unix_s: float) -> float:
    """Seconds of a `retry-after`, which are a number or a date (RFC 9110, section 10.2.3)."""
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - unix_s)
    except (ValueError, OverflowError):
        return 0.0


def _trust(hook: Webhook) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=hook.ca)
    except (OSError, ssl.SSLError):
        raise SettingsError(
            f"The ca of the webhook {hook.name} is no PEM file that can be read.",
            "Name the certificate of the authority that signed the receiver's.",
        ) from None
