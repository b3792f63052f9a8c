"""Whether work has room, and who holds what it lacks, from Ray's own lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.accelerators.placement.room import (
    Claim,
    Need,
    claims_of,
    explain_shortage,
    has_room,
    need_of,
    unnamed_claims,
    with_released,
)
from striate.core.ray_private import RayClaim, RayDriver

pytestmark = pytest.mark.unit

CHIP = "chip_anna_talk"
PHOTOS = need_of("photos", "anna-talk", {"num_cpus": 0, "resources": {CHIP: 1}}, 1)
DRIVERS = {
    "01": RayDriver("", "/opt/venv/bin/python /opt/venv/bin/striate up", 11, "10.0.0.1"),
    "02": RayDriver("lenet5-digits-1f0c", "python -m striate.cli train", 12, "10.0.0.1"),
    "03": RayDriver("", "/usr/bin/python3.12 /bin/striate train lenet5-digits", 13, "10.0.0.2"),
}


def replica(app: str, amounts: dict[str, float], node: str = "a") -> RayClaim:
    return RayClaim(f"SERVE_REPLICA::{app}#Replica#x7k2", "01", node, amounts)


def explained(need: Need, free: dict[str, dict[str, float]], *taken: RayClaim) -> str:
    """The clause on a need where all but what is free is taken."""
    claims = claims_of(taken, DRIVERS)
    total = with_released(free, claims)
    return explain_shortage(need, free, total, claims).text


def test_actors_claim_what_their_options_say() -> None:
    options = {"num_cpus": 0.25, "num_gpus": 1, "memory": 2**30, "resources": {CHIP: 2}}
    need = need_of("photos", "gpu", options, 3)
    assert need.each == {"CPU": 0.25, "GPU": 1, "memory": 2**30, CHIP: 2}
    assert PHOTOS.each == {CHIP: 1}


def test_a_part_lies_whole_on_one_node() -> None:
    pair = Need("photos", "gpu", {"GPU": 2, "CPU": 1})
    halves = {"a": {"GPU": 1.0, "CPU": 8.0}, "b": {"GPU": 1.0, "CPU": 8.0}}
    assert not has_room(pair, halves)
    assert not has_room(pair, {"a": {"GPU": 2.0}, "b": {"CPU": 8.0}})
    assert has_room(pair, {**halves, "c": {"GPU": 2.0, "CPU": 1.0}})
    assert has_room(Need("x", "gpu", {"GPU": 1}, parts=2), halves)
    assert has_room(Need("x", "cpu", {}), {})


@given(st.lists(st.integers(0, 8), max_size=6), st.integers(1, 4), st.integers(1, 8))
def test_it_is_room_where_one_after_the_other_finds_a_place(
    free: list[int], each: int, parts: int
) -> None:
    left = list(free)
    for _ in range(parts):
        place = next((n for n, have in enumerate(left) if have >= each), None)
        if place is None:
            break
        left[place] -= each
    else:
        place = 0
    nodes = {str(n): {"GPU": have / 10} for n, have in enumerate(free)}
    assert has_room(Need("x", "gpu", {"GPU": each / 10}, parts), nodes) == (place is not None)


def test_the_application_that_holds_a_chip_is_named_as_its_user_knows_it() -> None:
    said = explained(PHOTOS, {"a": {"CPU": 4.0}}, replica("tagger.12", {CHIP: 1}))
    assert said == (
        "it asks for 1 chip in the pool anna-talk, 0 of 1 chip are free;"
        " held by the application tagger (1)"
    )


def test_jobs_commands_and_what_has_no_name_are_told_with_what_they_hold() -> None:
    gpus = Need("photos", "gpu", {"CPU": 0.25, "GPU": 1}, parts=2)
    group = RayClaim("", "02", "a", {"CPU": 2.0, "GPU": 1.0})
    own = RayClaim("_ray_internal_job_actor_vgg-77aa", "", "a", {"GPU": 2.0})
    command = RayClaim("", "03", "b", {"GPU": 4.0})
    free = {"a": {"CPU": 3.0, "GPU": 1.0}, "b": {"CPU": 8.0}}
    claims = claims_of([group, own, command], DRIVERS)
    total = {"a": {"CPU": 8.0, "GPU": 4.5}, "b": {"CPU": 8.0, "GPU": 4.0}}
    shortage = explain_shortage(gpus, free, total, claims)
    assert shortage.text == (
        "it asks for 2 GPUs in the pool gpu, 1 of 8.5 GPUs is free;"
        " held by process 13 on 10.0.0.2, `striate train lenet5-digits` (4),"
        " the job vgg-77aa (2), the job lenet5-digits-1f0c (1), work that Ray gives no name (0.5)"
    )
    assert shortage.remedies == (
        "end process 13 on 10.0.0.2",
        "`striate jobs stop vgg-77aa`",
        "`striate jobs stop lenet5-digits-1f0c`",
    )
    assert (shortage.asked, shortage.whole) == ("2 GPUs", "8.5 GPUs")


def test_many_holders_do_not_fill_the_screen() -> None:
    apps = [replica(f"app-{n}.1", {"CPU": 1}) for n in range(9)]
    said = explained(Need("photos", "cpu", {"CPU": 2}), {"a": {}}, *apps)
    assert said.endswith("the application app-3 (1), 5 others")


def test_replicas_of_one_application_are_told_together() -> None:
    said = explained(PHOTOS, {"a": {}}, *(replica("tagger.1", {CHIP: 1}, n) for n in "ab"))
    assert said.endswith("0 of 2 chips are free; held by the application tagger (2)")


def test_what_is_free_on_too_small_nodes_is_told() -> None:
    need = Need("photos", "gpu", {"GPU": 2})
    said = explained(need, {"a": {"GPU": 1.0}, "b": {"GPU": 1.0}})
    assert said.endswith("2 of 2 GPUs are free, on nodes that each have too few")


def test_the_cpus_beside_a_gpu_may_be_what_lacks() -> None:
    need = Need("photos", "gpu", {"GPU": 1, "CPU": 0.25})
    said = explained(need, {"a": {"GPU": 1.0}}, replica("tagger.1", {"CPU": 4}))
    assert "asks for 0.25 CPUs in the pool gpu, 0 of 4 CPUs are free" in said


def test_a_version_that_gives_its_room_up_leaves_it_free() -> None:
    claims = claims_of([replica("photos.1", {CHIP: 1}), replica("tagger.1", {"CPU": 1})], DRIVERS)
    own: list[Claim] = [claim for claim in claims if claim.serve_name == "photos.1"]
    assert not has_room(PHOTOS, {"a": {}})
    assert has_room(PHOTOS, with_released({"a": {}}, own))
    assert has_room(PHOTOS, with_released({}, own))


def test_whose_process_has_ended_is_not_told_to_end_it() -> None:
    (claim,) = claims_of([RayClaim("keeper", "77", "a", {"CPU": 1.0})], DRIVERS)
    assert (claim.holder.what, claim.holder.remedy) == ("work of a process that has ended", "")


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["CPU", CHIP]), st.integers(0, 4)),
        max_size=4,
    ),
    st.dictionaries(st.sampled_from("ab"), st.just({"CPU": 1.0})),
)
def test_what_nobody_claims_is_told_by_node_so_that_all_adds_up_to_the_whole(
    taken: list[tuple[str, str, int]], free: dict[str, dict[str, float]]
) -> None:
    claims = claims_of([replica("x.1", {what: n}, node) for node, what, n in taken], DRIVERS)
    hidden = claims_of([RayClaim("", "09", "a", {CHIP: 2})], DRIVERS)
    total = with_released(free, claims + hidden)
    found = unnamed_claims(free, total, claims)
    assert [(claim.node, claim.amounts) for claim in found] == [("a", {CHIP: 2})]
    assert with_released(free, [*claims, *found]) == total
    assert not unnamed_claims(free, total, claims + hidden)
