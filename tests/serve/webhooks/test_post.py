"""One attempt: what a receiver gets, and what each of its answers means."""

import asyncio
import email.utils
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import SettingsError
from striate.core.retry import Backoff
from striate.serve.edge.certificates import issue, make_authority
from striate.serve.webhooks.config import Webhook
from striate.serve.webhooks.outbox import Attempted, Letter
from striate.serve.webhooks.post import Answer, Receiver, judge, outcome
from striate.serve.webhooks.sightings import Sighting
from striate.serve.webhooks.signature import read_secrets, sign

pytestmark = pytest.mark.unit

NOW_S = 1_700_000_000.5
SEEN = Sighting("ours", "known", "photo 1", 7, "Ada", 0.75, "evt_1", NOW_S)
LETTER = Letter(1, "evt_1", "faces", "door", SEEN.body("faces"), NOW_S, 0, NOW_S, False, "")


def _post(hook: Webhook, timeout_s: float = 10.0) -> Answer:
    async def post() -> Answer:
        async with Receiver(hook, timeout_s) as receiver:
            return await receiver.post(LETTER, NOW_S)

    return asyncio.run(post())


@pytest.fixture
def hook(secret: str) -> Callable[[str], Webhook]:
    """Makes a hook of a URL."""
    return lambda url: Webhook(name="door", url=url, secret=secret)


def test_a_receiver_gets_the_event_signed(
    listen: Any, hook: Callable[[str], Webhook], secret: str
) -> None:
    receiver = listen()
    assert _post(hook(receiver.url)) == Answer()
    posted = receiver.next()
    assert posted.path == "/faces"
    assert posted.headers["content-type"] == "application/json"
    expected = sign(read_secrets(secret), "evt_1", int(NOW_S), posted.body)
    assert expected.items() <= posted.headers.items()
    assert json.loads(posted.body) == {
        "type": "face.known",
        "timestamp": "2023-11-14T22:13:20.500Z",
        "data": {
            "event": "evt_1", "deployment": "faces", "tenant": "ours", "kind": "known",
            "photo_id": "photo 1", "person_id": 7, "person": "Ada", "score": 0.75,
        },
    }  # fmt: skip


def test_no_redirect_is_followed(listen: Any, hook: Callable[[str], Webhook]) -> None:
    elsewhere = listen()
    for status in (301, 302, 303, 307, 308):
        receiver = listen((status, {"location": elsewhere.url}))
        assert "no redirect is followed" in _post(hook(receiver.url)).error
    assert elsewhere.posted.empty()


def test_a_receiver_that_hangs_is_given_up(listen: Any, hook: Callable[[str], Webhook]) -> None:
    receiver = listen("hang")
    assert _post(hook(receiver.url), 0.1).error == "There was no answer within 0.1 s."


def test_an_endless_body_is_not_waited_for(listen: Any, hook: Callable[[str], Webhook]) -> None:
    assert _post(hook(listen("endless").url)) == Answer()


def test_a_receiver_that_is_not_there_is_told_without_its_path(
    pick_port: Callable[[], int], hook: Callable[[str], Webhook]
) -> None:
    said = _post(hook(f"http://127.0.0.1:{pick_port()}/private")).error
    assert "cannot be reached" in said and "private" not in said


def test_what_speaks_no_http_is_told(
    pick_port: Callable[[], int], hook: Callable[[str], Webhook]
) -> None:
    async def talk() -> Answer:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Receiver(hook(f"http://127.0.0.1:{port}/"), 10) as receiver:
            return await receiver.post(LETTER, NOW_S)

    assert "speaks no HTTP" in asyncio.run(talk()).error


def test_a_secret_that_goes_away_fails_the_attempt(
    listen: Any, hook: Callable[[str], Webhook], secret: str
) -> None:
    Path(secret.removeprefix("file:")).unlink()
    receiver = listen()
    assert "cannot be read" in _post(hook(receiver.url)).error
    assert receiver.posted.empty()


def test_only_the_named_authority_is_trusted(
    listen: Any, tmp_path: Path, secret: str, hook: Callable[[str], Webhook]
) -> None:
    ours, theirs = make_authority("ours"), make_authority("theirs")
    served = tmp_path / "server.pem"
    served.write_bytes(issue(ours, ("127.0.0.1",)).pem)
    receiver = listen()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    url = receiver.url.replace("http:", "https:")
    answers = {}
    for name, authority in (("ours", ours), ("theirs", theirs)):
        (tmp_path / name).write_bytes(authority.certificate_pem)
        named = Webhook(name="door", url=url, secret=secret, ca=tmp_path / name)
        answers[name] = _post(named)
    assert answers["ours"] == Answer()
    assert "not trusted" in answers["theirs"].error
    assert "not trusted" in _post(hook(url)).error
    assert receiver.posted.qsize() == 1


def test_an_authority_that_is_none_is_refused(tmp_path: Path, secret: str) -> None:
    (tmp_path / "ca").write_text("Dear Sir or Madam")
    for name in ("ca", "nowhere"):
        named = Webhook(name="door", url="https://x/", secret=secret, ca=tmp_path / name)
        with pytest.raises(SettingsError, match="ca of the webhook door"):
            Receiver(named, 1)


DATE = email.utils.formatdate(NOW_S + 60, usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "taken", "final", "wait_s"),
    [
        (200, {}, True, False, 0),
        (204, {}, True, False, 0),
        (404, {"retry-after": "5"}, False, False, 0),
        (410, {}, False, True, 0),
        (429, {"retry-after": "120"}, False, False, 120),
        (503, {"retry-after": DATE}, False, False, 59.5),
        (503, {"retry-after": "soon"}, False, False, 0),
        (503, {"retry-after": "-5"}, False, False, 0),
        (503, {"retry-after": "9" * 400}, False, False, 999_999_999),
        (500, {}, False, False, 0),
        (101, {}, False, False, 0),
    ],
)
def test_a_status_means(
    status: int, headers: dict[str, str], taken: bool, final: bool, wait_s: float
) -> None:
    answer = judge(status, headers, NOW_S)
    assert (not answer.error, answer.final) == (taken, final)
    assert answer.wait_s == pytest.approx(wait_s)


BACKOFF = Backoff(5.0, 1000.0, jitter=0.5)


@given(made=st.integers(0, 20), wait_s=st.floats(0, 1e6))
def test_pauses_double_and_are_never_shorter_than_asked_for(made: int, wait_s: float) -> None:
    letter = Letter(1, "e", "d", "h", "", 0, made, 0, False, "")
    done = outcome(letter, Answer("no", wait_s=wait_s), 15, BACKOFF, NOW_S)
    if made + 1 >= 15:
        assert done == Attempted(1, "no", None)
        return
    assert done.due_unix_s is not None
    pause_s, full_s = done.due_unix_s - NOW_S, min(5.0 * 2**made, 1000.0)
    least, most = max(full_s / 2, min(wait_s, 1000.0)), max(full_s, min(wait_s, 1000.0))
    assert least - 1e-3 <= pause_s <= most + 1e-3


def test_what_is_gone_for_good_is_dead_at_once() -> None:
    assert outcome(LETTER, Answer("gone", final=True), 15, BACKOFF, 0) == Attempted(1, "gone", None)
    assert outcome(LETTER, Answer(), 15, BACKOFF, 0) == Attempted(1)
