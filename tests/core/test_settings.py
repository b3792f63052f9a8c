"""Settings: the environment over the file over the record over the defaults, each checked."""

import json
from pathlib import Path

import pytest

from striate.core.errors import SettingsError
from striate.core.settings import Settings

pytestmark = pytest.mark.unit


def _load(home: Path, **variables: str) -> Settings:
    return Settings.load({"STRIATE_HOME": str(home), **variables})


def _record(home: Path, **addresses: str) -> None:
    (home / "platform.json").write_text(json.dumps({"addresses": addresses, "parts": []}))


def test_defaults_know_no_address(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert settings.home == tmp_path
    assert settings.tracking_uri is None
    assert settings.data_folder == tmp_path / "data"
    assert settings.runs_folder == tmp_path / "runs"


def test_home_is_in_the_user_s_home_by_default() -> None:
    assert Settings.load({}).home == Path.home() / ".striate"


def test_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert _load(Path("here")).home == tmp_path / "here"


def test_environment_over_file_over_record(tmp_path: Path) -> None:
    _record(tmp_path, tracking_uri="http://record:1", grpc_address="record:1")
    assert _load(tmp_path).tracking_uri == "http://record:1"
    (tmp_path / "settings.toml").write_text('tracking_uri = "http://file:1"\n')
    assert _load(tmp_path).tracking_uri == "http://file:1"
    assert _load(tmp_path).grpc_address == "record:1"
    given = _load(tmp_path, MLFLOW_TRACKING_URI="http://variable:1")
    assert given.tracking_uri == "http://variable:1"


def test_an_empty_variable_is_none_at_all(tmp_path: Path) -> None:
    _record(tmp_path, grpc_address="record:1")
    assert _load(tmp_path, STRIATE_GRPC_ADDRESS="").grpc_address == "record:1"


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "auto", "ray://a:1", "[::ffff:127.0.0.1]:1"])
def test_addresses_of_ray(tmp_path: Path, address: str) -> None:
    assert _load(tmp_path, RAY_ADDRESS=address).ray_address == address


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STRIATE_GRPC_ADDRESS", "localhost"),
        ("STRIATE_GRPC_ADDRESS", ":9000"),
        ("STRIATE_GRPC_ADDRESS", "host:70000"),
        ("RAY_ADDRESS", "host:zero"),
        ("STRIATE_RAY_DASHBOARD", "127.0.0.1:8265"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, **{variable: value})
    assert variable in caught.value.message
    assert repr(value) in caught.value.message


def test_a_wrong_value_of_the_file_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('grpc_address = "nowhere"\n')
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        _load(tmp_path)


def test_an_unknown_key_is_met_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('tracking_url = "http://a:1"\n')
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path)
    assert "'tracking_url'" in caught.value.message
    assert "tracking_uri" in caught.value.remedy


@pytest.mark.parametrize("content", [b"= what", b"\xff\xfe"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        _load(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_record_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "platform.json").write_text(content)
    with pytest.raises(SettingsError, match=r"platform\.json") as caught:
        _load(tmp_path)
    assert "striate up" in caught.value.remedy
