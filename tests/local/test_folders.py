"""Nobody but its user enters the platform's folders, whatever mode they had."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from striate.core import ray_private
from striate.core.errors import PlatformError
from striate.core.settings import Settings
from striate.local import doctor, engines, platform
from striate.local.folders import find_open, keep_private

pytestmark = pytest.mark.unit


def _mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("mode", [None, 0o777, 0o755, 0o750, 0o700])
def test_a_folder_is_made_or_becomes_private(tmp_path: Path, mode: int | None) -> None:
    folder = tmp_path / "home"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    keep_private(folder)
    assert _mode(folder) == 0o700
    assert find_open([folder]) == ""


def test_a_folder_of_everybody_is_refused_and_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(PlatformError, match=r"everybody's.*STRIATE_HOME"):
        keep_private(tmp_path)
    assert _mode(tmp_path) == 0o1777


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(PlatformError, match="another user"):
        keep_private(tmp_path)
    assert "another user" in find_open([tmp_path])
    assert _mode(tmp_path) == 0o755


def test_a_link_is_followed_only_where_nobody_else_can_have_put_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o755)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    with pytest.raises(PlatformError):
        keep_private(link, link=False)
    assert _mode(tmp_path / "real") == 0o755
    keep_private(link)
    assert _mode(tmp_path / "real") == 0o700


@pytest.mark.parametrize("name", ["h", "a-name-that-is-too-long-for-the-sockets-that-ray-makes"])
def test_rays_folder_lies_in_a_private_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    base = tmp_path_factory.mktemp("base")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(base))
    monkeypatch.setattr(ray_private, "FOLDER_BYTES", len(f"{base}/h/ray"))
    home = base / name
    engines.prepare_ray_folder(home)
    folder = engines.ray_folder(home)
    folder.chmod(0o777)  # as Ray does
    assert folder.parent != base
    assert _mode(folder.parent) == 0o700


def test_up_closes_the_home_before_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every `up`, one that finds all of it running included."""
    tmp_path.chmod(0o755)

    def stop(*_: object) -> None:
        assert _mode(tmp_path) == 0o700
        raise InterruptedError

    monkeypatch.setattr(platform, "exclusive", stop)
    with pytest.raises(InterruptedError):
        platform.up(tmp_path)


@pytest.mark.parametrize(("mode", "result"), [(0o755, "warn"), (0o710, "warn"), (0o700, "ok")])
def test_doctor_tells_a_home_that_others_may_enter(tmp_path: Path, mode: int, result: str) -> None:
    tmp_path.chmod(mode)
    settings = Settings.load({"STRIATE_HOME": str(tmp_path)})
    check = doctor.examine_folders(settings.home)
    assert check.result == result
    assert (f"{mode:04o}" in check.found) is (result == "warn")
