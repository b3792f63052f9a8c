"""Room that nobody claims any more is waited for; room that somebody holds is not, unasked."""

import pytest

from striate.accelerators.placement.room import Claim, Holder, need_of
from striate.core import ray_private
from striate.core.errors import PlacementError
from striate.serve.deployment import make_room as module
from striate.serve.deployment import ray_serve

pytestmark = pytest.mark.unit

CHIP = "chip_anna_talk"
NEED = need_of("second", "anna-talk", {"num_cpus": 0, "resources": {CHIP: 1}}, 1)
WHOLE = {"a": {CHIP: 1.0}}


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, dict[str, float]]]:
    """What Ray says is free, look after look: of one chip, which no actor holds."""
    looks: list[dict[str, dict[str, float]]] = []
    monkeypatch.setattr(module, "read_free", lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    monkeypatch.setattr(module, "read_total", lambda: WHOLE)
    monkeypatch.setattr(module, "read_claims", list)
    monkeypatch.setattr(ray_private, "has_autoscaler", lambda: False)
    monkeypatch.setattr(ray_serve, "states", dict)
    monkeypatch.setattr(module, "GRACE_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    return looks


def test_a_dead_replica_whose_process_ends_slowly_is_waited_for_unasked(
    ray: list[dict[str, dict[str, float]]],
) -> None:
    ray += [{"a": {}}, {"a": {}}, WHOLE]
    told: list[str] = []
    assert module._await_room(NEED, None, False, told.append)
    assert told == ["second waits for 1 chip, held by work that Ray gives no name (1)"]


def test_it_is_not_waited_for_without_end(
    ray: list[dict[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LETTING_GO_S", 0.0)
    ray.append({"a": {}})
    with pytest.raises(PlacementError, match="0 of 1 chip are free; held by work that Ray gives"):
        module._await_room(NEED, None, False, print)


def test_whoever_lives_and_holds_it_is_told_at_once(
    ray: list[dict[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Holder("the application first", "`striate undeploy first`")
    monkeypatch.setattr(module, "read_claims", lambda: [Claim(holder, "a", WHOLE["a"])])
    ray.append({"a": {}})
    with pytest.raises(PlacementError, match="Free it with `striate undeploy first`"):
        module._await_room(NEED, None, False, print)


def test_a_version_that_serve_knows_no_more_is_waited_for_unasked(
    ray: list[dict[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray lists its replica for a moment longer; one that Serve knows, and that runs, is told."""
    holder = Holder("the application first", "`striate undeploy first`")
    monkeypatch.setattr(module, "read_claims", lambda: [Claim(holder, "a", WHOLE["a"], "first.1")])
    ray += [{"a": {}}, {"a": {}}, WHOLE]
    assert module._await_room(NEED, None, False, lambda _: None)
    ray[:] = [{"a": {}}]
    running = ray_serve.AppState("RUNNING")
    monkeypatch.setattr(ray_serve, "states", lambda: {"first.1": running})
    with pytest.raises(PlacementError, match="held by the application first"):
        module._await_room(NEED, None, False, print)
    monkeypatch.setattr(ray_serve, "states", dict)
    monkeypatch.setattr(module, "LETTING_GO_S", 0.0)
    with pytest.raises(PlacementError, match="held by the application first"):
        module._await_room(NEED, None, False, print)
