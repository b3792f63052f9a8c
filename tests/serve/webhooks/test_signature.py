"""Signatures that any Standard Webhooks library checks, and secrets that no message shows."""

import base64
from pathlib import Path

import pytest

from striate.core.errors import SettingsError
from striate.serve.webhooks.signature import make_secret, read_secrets, sign

pytestmark = pytest.mark.unit


def test_it_signs_as_the_published_example() -> None:
    """The one in the tests of Standard Webhooks' own libraries."""
    keys = read_secrets("env:S", {"S": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    headers = sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_valid_secret_signs(tmp_path: Path) -> None:
    """So that a receiver can take up a new one before the old one ends."""
    new, old = make_secret(), make_secret()
    (tmp_path / "s").write_text(f"{new}\n{old}\n")
    both = sign(read_secrets(f"file:{tmp_path / 's'}"), "e", 1, b"x")["webhook-signature"].split()
    alone = [
        sign(read_secrets("env:S", {"S": one}), "e", 1, b"x")["webhook-signature"]
        for one in (new, old)
    ]
    assert both == alone and both[0] != both[1]


def test_secrets_are_made_anew() -> None:
    made = {make_secret() for _ in range(3)}
    assert len(made) == 3
    assert all(len(read_secrets("env:S", {"S": one})[0]) == 32 for one in made)


SHORT = "whsec_" + base64.b64encode(b"23 bytes are too short!").decode()


@pytest.mark.parametrize(
    "text", ["", "  \n", "hunter2", SHORT, SHORT.removeprefix("whsec_"), "whsec_!!!!", "whsec_äöü"]
)
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_secrets(f"file:{tmp_path / 's'}")
    assert not text.strip() or text not in str(refused.value)
    assert str(tmp_path / "s") in str(refused.value)


@pytest.mark.parametrize("reference", ["file:/no/such/file", "env:NOT_SET"])
def test_a_secret_that_is_not_there_is_named(reference: str) -> None:
    with pytest.raises(SettingsError, match=reference) as refused:
        read_secrets(reference, {})
    assert "striate faces webhooks secret" in refused.value.remedy
