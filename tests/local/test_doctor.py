"""What `striate doctor` says of this installation, check by check."""

import pytest

from striate.core import ray_private
from striate.core.ray_private import PrivatePart
from striate.local.doctor import examine_private_parts

pytestmark = pytest.mark.unit


def test_rays_private_names_are_as_they_were_read() -> None:
    assert examine_private_parts().result == "ok"


def test_a_name_that_ray_has_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = PrivatePart("ray.serve:no_such_name", "ends versions")
    monkeypatch.setattr(ray_private, "PARTS", {"serve": (gone,)})
    ray_private.find_changes.cache_clear()
    told = examine_private_parts()
    ray_private.find_changes.cache_clear()
    assert told.result == "fail"
    assert "ray.serve.no_such_name, by which Striate ends versions: it is gone" in told.found
    assert f"ray=={ray_private.READ_IN}" in told.remedy
