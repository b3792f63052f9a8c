"""Pools from Ray's own lists, and a program run on a chip's node."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.accelerators.emulator.program import Program
from striate.accelerators.placement.pools import (
    PoolKind,
    PoolName,
    chip_resource,
    options_of,
    parse_pool,
    pool_options,
    pools_of,
    read_pools,
)
from striate.core.errors import PlacementError, PlatformError

NODES: list[dict[str, Any]] = [
    {
        "NodeID": "a",
        "Alive": True,
        "Resources": {"CPU": 4.0, "GPU": 2.0, "memory": 1e9, "node:10.0.0.1": 1.0},
        "Labels": {"region": "eu", "zone": "1"},
    },
    {
        "NodeID": "b",
        "Alive": True,
        "Resources": {"CPU": 2.0, "chip_anna_talk": 3.0},
        "Labels": {"chip": "anna-talk", "region": "eu"},
    },
    {"NodeID": "c", "Alive": False, "Resources": {"CPU": 64.0}, "Labels": {}},
]


@pytest.mark.unit
def test_pools_are_read_from_nodes() -> None:
    pools = {pool.name: pool for pool in pools_of(NODES, {"CPU": 5.0, "GPU": 2.0})}
    assert list(pools) == ["cpu", "gpu", "anna-talk"]
    assert (pools["cpu"].total, pools["cpu"].free, pools["cpu"].nodes) == (6, 5, ("a", "b"))
    assert pools["cpu"].labels == {"region": "eu"}
    chip = pools["anna-talk"]
    assert (chip.kind, chip.resource, chip.nodes) == ("chip", chip_resource("anna-talk"), ("b",))
    assert (chip.total, chip.free) == (3, 0), "a resource that is wholly claimed is not listed"


@pytest.mark.unit
def test_options_place_work_or_name_the_pools_there_are() -> None:
    pools = pools_of(NODES, {})
    assert options_of("cpu", pools) == {"num_cpus": 1}
    assert options_of("gpu", pools, 2) == {"num_gpus": 2}
    for name in ("anna-talk", "chip:anna-talk"):
        assert options_of(name, pools) == {"num_cpus": 0, "resources": {"chip_anna_talk": 1}}
    for name in ("anna-1991", "chip:cpu"):
        with pytest.raises(PlacementError, match=r"It has: anna-talk, cpu, gpu\."):
            options_of(name, pools)
    with pytest.raises(PlacementError, match="3 units and 4"):
        options_of("anna-talk", pools, 4)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "kind", "name", "device"),
    [
        ("cpu", "cpu", "cpu", "cpu"),
        ("gpu", "gpu", "gpu", "cuda"),
        ("anna-talk", "chip", "anna-talk", "anna-talk"),
        ("chip:anna-talk", "chip", "anna-talk", "anna-talk"),
        ("chip:gpu", "chip", "gpu", "gpu"),
    ],
)
def test_the_words_for_a_pool(text: str, kind: PoolKind, name: str, device: str) -> None:
    meant = parse_pool(text)
    assert meant == PoolName(kind, name)
    assert meant.device == device


@pytest.mark.unit
@given(st.text(max_size=8))
def test_a_chip_is_the_same_with_and_without_the_word(name: str) -> None:
    if name not in {"cpu", "gpu"} and not name.startswith("chip:"):
        assert parse_pool(name) == parse_pool(f"chip:{name}") == PoolName("chip", name)


@pytest.mark.unit
def test_every_pool_of_the_cluster_is_meant_by_its_name_alone() -> None:
    pools = pools_of(NODES, {})
    for pool in pools:
        assert [item.name for item in pools if parse_pool(pool.name).means(item)] == [pool.name]


@pytest.mark.unit
def test_without_a_cluster_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(PlatformError, match="striate up"):
        read_pools()


@pytest.mark.cluster
def test_a_program_runs_on_the_chips_node(
    ray_cluster: object, programs: dict[str, Program], tmp_path: Any
) -> None:
    """The chip is a second real node; only work that asks for the chip lands there."""
    import ray

    pool = {pool.name: pool for pool in read_pools()}["anna-talk"]
    assert pool.labels["chip"] == "anna-talk"
    assert pool.total >= 1
    program, images = programs["anna-talk"], torch.rand(4, 1, 32, 32)
    program.save(tmp_path / "program")

    def classify(folder: Any, batch: torch.Tensor) -> tuple[str, list[int]]:
        found = Program.load(folder).predict(batch).tolist()
        return ray.get_runtime_context().get_node_id(), found

    placed = ray.remote(classify).options(**pool_options("chip:anna-talk"))
    node, classes = ray.get(placed.remote(tmp_path / "program", images), timeout=60)
    assert (node,) == pool.nodes
    assert node != ray.get_runtime_context().get_node_id()
    assert classes == program.predict(images).tolist()
    with pytest.raises(PlacementError, match="anna-talk"):
        pool_options("anna-1991")
