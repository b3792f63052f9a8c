"""What a webhook may be: an address that is named in full, and encrypted on its way there."""

import pytest
from pydantic import ValidationError

from striate.serve.webhooks.config import Webhook, Webhooks

pytestmark = pytest.mark.unit

GOOD = {"name": "door", "url": "https://door.example/faces", "secret": "env:HOOK"}


@pytest.mark.parametrize(
    "url",
    [
        "https://door.example/faces",
        "https://door.example:8443/",
        "http://127.0.0.1:8000/x",
        "http://localhost/x",
        "http://[::1]:80/",
    ],
)
def test_https_and_this_machine_are_taken(url: str) -> None:
    assert Webhook(**{**GOOD, "url": url}).url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://door.example/faces", "must be https"),
        ("http://169.254.169.254/latest", "must be https"),
        ("http://127.0.0.1.door.example/", "must be https"),
        ("ftp://door.example/", "web address"),
        ("file:///etc/passwd", "web address"),
        ("https://", "web address"),
        ("https://door.example:99999/", "web address"),
        ("door.example", "web address"),
        ("", "web address"),
        ("https://me:secret@door.example/", "user"),
        ("https://door.example/#x", "fragment"),
        ("https://door.example/\r\nx: y", "user"),
    ],
)
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Webhook(**{**GOOD, "url": url})


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": "whsec_abc"},
        {"secret": "file:"},
        {"name": "Front door"},
        {"name": ""},
        {"events": ()},
        {"events": ("somebody",)},
        {"colour": "red"},
    ],
)
def test_what_is_no_webhook_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Webhook(**{**GOOD, **changed})


def test_hooks_are_told_apart_by_their_names() -> None:
    hook = Webhook(**GOOD)
    assert hook.host == "door.example"
    with pytest.raises(ValidationError, match="different names"):
        Webhooks(hooks=(hook, hook))
