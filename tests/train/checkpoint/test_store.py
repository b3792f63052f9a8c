"""Checkpoints on a real disk: whole, damaged in every file, interrupted, and out of room."""

import errno
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from striate.core.errors import CheckpointError, PlatformError
from striate.train.checkpoint import store as module
from striate.train.checkpoint.store import Checkpoint, CheckpointStore

pytestmark = pytest.mark.unit


def checkpoint_at(step: int) -> Checkpoint:
    tensors = {"model.w": torch.full((4,), float(step)), "random.0": torch.get_rng_state()}
    return Checkpoint(step, tensors, {"cursor": 64 * step, "groups": [{"lr": 0.1}]})


def assert_same(left: Checkpoint, right: Checkpoint) -> None:
    assert (left.step, left.document) == (right.step, right.document)
    assert left.tensors.keys() == right.tensors.keys()
    assert all(torch.equal(left.tensors[name], right.tensors[name]) for name in left.tensors)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(bytes(content))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit of the tensors": lambda p: flip(p / module.TENSORS_FILE),
    "a bit of the document": lambda p: flip(p / module.DOCUMENT_FILE),
    "half the tensors": lambda p: (p / module.TENSORS_FILE).write_bytes(b"\x08"),
    "no tensors": lambda p: (p / module.TENSORS_FILE).unlink(),
    "no hashes": lambda p: (p / module.HASHES_FILE).unlink(),
    "hashes that are none": lambda p: (p / module.HASHES_FILE).write_text("[]"),
    "empty hashes": lambda p: (p / module.HASHES_FILE).write_text(""),
}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "c")
    store.save(checkpoint_at(7))
    loaded, complaints = store.load_latest()
    assert loaded is not None
    assert_same(loaded, checkpoint_at(7))
    assert complaints == []


def test_a_checkpoint_can_be_sent(tmp_path: Path) -> None:
    sent = checkpoint_at(3)
    assert_same(Checkpoint.from_bytes(sent.to_bytes()), sent)


def test_a_run_without_checkpoints_starts_fresh(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path / "absent").load_latest() == (None, [])


def test_the_latest_are_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    for step in (5, 10, 15):
        store.save(checkpoint_at(step))
    assert store.steps() == [10, 15]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_an_older_one_used(tmp_path: Path, damage: str) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint_at(1))
    store.save(checkpoint_at(2))
    DAMAGES[damage](store.path(2))
    loaded, complaints = store.load_latest()
    assert loaded is not None
    assert_same(loaded, checkpoint_at(1))
    assert len(complaints) == 1
    assert "step-00000002" in complaints[0]


def test_when_none_is_good_the_run_does_not_start_over_silently(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint_at(1))
    flip(store.path(1) / module.TENSORS_FILE)
    with pytest.raises(CheckpointError, match=r"state\.safetensors .* step-00000001 is damaged"):
        store.load_latest()


def test_an_interrupted_write_is_no_checkpoint(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint_at(1))
    leftover = tmp_path / ".tmp-0123456789ab-step-00000002"
    leftover.mkdir()
    (leftover / module.TENSORS_FILE).write_bytes(b"half")
    assert store.steps() == [1]
    store.sweep()
    assert not leftover.exists()


def test_nothing_is_pickled(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint_at(1))
    names = {path.name for path in store.path(1).iterdir()}
    assert names == {module.TENSORS_FILE, module.DOCUMENT_FILE, module.HASHES_FILE}
    assert json.loads((store.path(1) / module.DOCUMENT_FILE).read_text())["cursor"] == 64


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 256 KB; where mounting is not allowed, writes past that size fail."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        write = Path.write_bytes

        def refuse(path: Path, content: bytes) -> int:
            if len(content) > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", refuse)
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_older_checkpoints_stay(small_disk: Path) -> None:
    store = CheckpointStore(small_disk / "checkpoints")
    store.save(checkpoint_at(1))
    large = Checkpoint(2, {"w": torch.zeros(200_000)}, {"cursor": 0})
    with pytest.raises(PlatformError, match="is full"):
        store.save(large)
    assert store.steps() == [1]
    loaded, _ = store.load_latest()
    assert loaded is not None
    assert_same(loaded, checkpoint_at(1))
    assert not list((small_disk / "checkpoints").glob(".tmp-*"))


def test_a_process_killed_while_it_writes_leaves_whole_checkpoints(tmp_path: Path) -> None:
    """At whatever moment: what is there can be read, and no older one is missing."""
    chance = random.Random(3)
    store = CheckpointStore(tmp_path, keep=2)
    store.save(checkpoint_at(1))
    for _ in range(8):
        last = store.steps()[-1]
        child = os.fork()
        if child == 0:
            for step in range(last + 1, last + 1000):
                store.save(Checkpoint(step, {"w": torch.full((50_000,), 1.0)}, {"cursor": step}))
            os._exit(0)
        time.sleep(chance.uniform(0.005, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loaded, complaints = store.load_latest()
        assert complaints == []
        assert loaded is not None and loaded.step >= last
        store.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {
            store.path(step).name for step in store.steps()
        }


def test_a_storage_that_does_not_answer_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint_at(1))

    def refuse(path: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(module, "sha256_of", refuse)
        store.load_latest()
    loaded, complaints = store.load_latest()
    assert loaded is not None and complaints == []
