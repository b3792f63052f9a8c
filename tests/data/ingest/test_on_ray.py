"""Ingest on a Ray cluster: the same shards as in one process, and errors as themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from striate.core.errors import DataError
from striate.data.ingest.ingest import ingest
from striate.data.shards.manifest import Manifest

pytestmark = pytest.mark.cluster


@pytest.mark.usefixtures("ray_cluster")
def test_tasks_write_the_same_bytes(digits_source: Path, many_shards: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    report = ingest(
        "digits",
        digits_source,
        tmp_path / "shards",
        shard_mb=0.1,
        workers=2,
        progress=lambda done, total: seen.append(done),
    )
    assert seen == list(range(report.shards + 1))
    for path in many_shards.iterdir():
        assert (tmp_path / "shards" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("ray_cluster")
def test_an_error_in_a_task_keeps_its_kind(digits_source: Path, tmp_path: Path) -> None:
    """The source is cut short after the driver has planned, before the tasks read it."""
    source = tmp_path / "source"
    source.mkdir()
    for path in digits_source.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    images = source / "train-images-idx3-ubyte"

    def cut(done: int, total: int) -> None:
        if done == 0:
            images.write_bytes(images.read_bytes()[:-1])

    with pytest.raises(DataError, match="is truncated"):
        ingest("digits", source, tmp_path / "shards", shard_mb=0.1, progress=cut)
    assert not list((tmp_path / "shards").glob("train-*.arrow"))
    assert not (tmp_path / "shards" / "manifest.json").exists()


def test_the_command_uses_the_platforms_cluster(platform: Any, tmp_path: Path) -> None:
    target = str(tmp_path / "shards")
    done = platform.run(
        "data", "ingest", "digits", str(tmp_path / "idx"), target, "--workers", "2", "--json"
    )
    report = json.loads(done.stdout)
    assert report["sha256"] == Manifest.load(target).sha256
    assert report["splits"] == {"train": 1437, "test": 360}
