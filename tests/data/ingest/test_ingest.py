"""Ingest: the same bytes whatever interrupts it, nothing half-written, nothing lost in silence."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from striate.core.errors import DataError, PlatformError, UnknownName, UsageError
from striate.core.files import atomic_folder
from striate.data.corpora import CORPORA
from striate.data.corpora.base import Corpus
from striate.data.ingest.ingest import IngestReport, ingest
from striate.data.shards.manifest import Manifest
from striate.data.shards.schema import (
    FieldKind,
    LabelColumn,
    PayloadColumn,
    Sample,
    Skipped,
)
from striate.data.shards.verify import verify
from striate.data.storage import Target

pytestmark = pytest.mark.unit

SHARD_MB = 0.1

KILLED = """
import os, signal, sys
from striate.data.ingest.ingest import ingest
how, when, source, target = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if how == "between":
    def progress(done, total):
        if done == when:
            die()
    ingest("digits", source, target, shard_mb=0.1, progress=progress)
sync, calls = os.fsync, 0
def fsync(descriptor):
    global calls
    calls += 1
    if calls == when:
        die()
    sync(descriptor)
os.fsync = fsync
ingest("digits", source, target, shard_mb=0.1)
"""


def content(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("how", "when"), [("between", 1), ("between", 9), ("during", 1), ("during", 14), ("during", 27)]
)
def test_killed_and_started_again_it_writes_the_same(
    digits_source: Path, many_shards: Path, tmp_path: Path, how: str, when: int
) -> None:
    target = tmp_path / "shards"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, how, str(when), str(digits_source), str(target)],
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL
    assert not (target / "manifest.json").exists()
    whole = content(many_shards)
    for name in content(target):
        if name.endswith(".arrow") and not Path(name).name.startswith("."):
            assert (target / name).read_bytes() == whole[name]
    report = ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert report.written + report.kept == report.shards
    if how == "between":
        assert report.kept == when
    assert content(target) == whole


@pytest.mark.parametrize("after", [0, 1, 6, 13])
def test_two_ingests_into_one_target_both_end_well(
    digits_source: Path, many_shards: Path, tmp_path: Path, after: int
) -> None:
    """The second goes all the way, and sweeps, while the first has finished `after` shards."""
    target = tmp_path / "shards"
    others: list[IngestReport] = []

    def meanwhile(done: int, total: int) -> None:
        del total
        if done == after and not others:
            others.append(ingest("digits", digits_source, target, shard_mb=SHARD_MB))

    first = ingest("digits", digits_source, target, shard_mb=SHARD_MB, progress=meanwhile)
    assert [other.sha256 for other in others] == [first.sha256]
    assert content(target) == content(many_shards)


def test_what_another_ingest_is_writing_is_not_swept(digits_source: Path, tmp_path: Path) -> None:
    target = tmp_path / "shards"
    target.mkdir()
    cut_off, being_written = target / ".tmp-1-train", target / ".tmp-2-train"
    cut_off.touch()
    ingest(
        "digits",
        digits_source,
        target,
        shard_mb=SHARD_MB,
        progress=lambda done, total: being_written.touch(),
    )
    assert (cut_off.exists(), being_written.exists()) == (False, True)


@pytest.mark.parametrize("vanishing", ["list", "exists", "read"])
def test_records_that_another_ingest_sweeps_are_not_missed(
    digits_source: Path,
    many_shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    vanishing: str,
) -> None:
    """The records go in the very moment in which they are asked for."""
    target = tmp_path / "shards"

    def stop(done: int, total: int) -> None:
        del total
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest("digits", digits_source, target, shard_mb=SHARD_MB, progress=stop)
    asked = getattr(Target, vanishing)

    def swept(self: Target, relative: str = "", *rest: bool) -> object:
        if relative.startswith(".ingest"):
            shutil.rmtree(target / ".ingest", ignore_errors=True)
        return asked(self, relative, *rest)

    monkeypatch.setattr(Target, vanishing, swept)
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert content(target) == content(many_shards)


def test_two_ingests_write_their_source_but_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for replace in (True, False):
        with atomic_folder(source, replace=replace) as folder:
            (folder / "written").write_text(str(replace))
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    assert (source / "written").read_text() == "True"


def test_a_second_run_keeps_everything(digits_source: Path, tmp_path: Path) -> None:
    first = ingest("digits", digits_source, tmp_path / "a", shard_mb=SHARD_MB)
    before = content(tmp_path / "a")
    again = ingest("digits", digits_source, tmp_path / "a", shard_mb=SHARD_MB)
    assert (first.written, again.written, again.kept) == (first.shards, 0, first.shards)
    assert content(tmp_path / "a") == before


def test_a_damaged_shard_is_mended(digits_source: Path, many_shards: Path, tmp_path: Path) -> None:
    target = tmp_path / "shards"
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    victim = target / "train-00003.arrow"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    (target / "test-00000.arrow").unlink()
    assert ingest("digits", digits_source, target, shard_mb=SHARD_MB).written == 2
    assert content(target) == content(many_shards)


def test_a_damaged_manifest_is_written_anew(
    digits_source: Path, many_shards: Path, tmp_path: Path
) -> None:
    target = tmp_path / "shards"
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    (target / "manifest.json").write_text("{")
    ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert content(target) == content(many_shards)


def test_other_shards_are_not_overwritten(digits_source: Path, tmp_path: Path) -> None:
    ingest("digits", digits_source, tmp_path / "shards", shard_mb=1)
    before = content(tmp_path / "shards")
    with pytest.raises(DataError, match="holds other shards"):
        ingest("digits", digits_source, tmp_path / "shards", shard_mb=2)
    assert content(tmp_path / "shards") == before


def test_an_abandoned_plan_leaves_nothing(digits_source: Path, tmp_path: Path) -> None:
    target = tmp_path / "shards"
    with pytest.raises(KeyboardInterrupt):
        ingest("digits", digits_source, target, shard_mb=SHARD_MB, progress=interrupt)
    report = ingest("digits", digits_source, target, shard_mb=100)
    assert (report.kept, report.splits) == (0, {"train": 1437, "test": 360})
    assert {path.name for path in target.iterdir()} == {
        "manifest.json",
        "test-00000.arrow",
        "train-00000.arrow",
    }


def interrupt(done: int, total: int) -> None:
    if done == total - 2:
        raise KeyboardInterrupt


def test_a_full_disk_is_said_and_finished_shards_stay(
    digits_source: Path, many_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "shards"
    sync, calls = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(PlatformError, match="is full"):
            ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    report = ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert report.kept == 3
    assert content(target) == content(many_shards)


def test_a_disk_that_really_fills_keeps_what_was_finished(
    digits_source: Path, many_shards: Path, small_disk: Path
) -> None:
    target = small_disk / "shards"
    with pytest.raises(PlatformError, match="is full"):
        ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    finished = {path.name for path in target.glob("*.arrow")}
    command = ["mount", "-o", "remount,size=64m", str(small_disk)]  # room is made
    subprocess.run(command, check=True)
    report = ingest("digits", digits_source, target, shard_mb=SHARD_MB)
    assert 0 < report.kept == len(finished) < report.shards
    assert content(target) == content(many_shards)


def test_progress_counts_shards(digits_source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    ingest("digits", digits_source, tmp_path / "s", progress=lambda *step: seen.append(step))
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_a_bundled_corpus_is_written_first(tmp_path: Path) -> None:
    ingest("digits", tmp_path / "source", tmp_path / "shards")
    assert (tmp_path / "source" / "t10k-labels-idx1-ubyte").is_file()
    assert verify(tmp_path / "shards").splits == {"train": 1437, "test": 360}


class _Flawed:
    """Ten 2×2 images of which three cannot be used."""

    labels = ("dark", "light")
    payload = PayloadColumn.raw(1, 2, 2)
    label = LabelColumn()
    fields: dict[str, FieldKind] = {}  # noqa: RUF012
    assets: dict[str, str] = {}  # noqa: RUF012
    source_sha256 = "0" * 64
    item_bytes = {"train": np.full(10, 4, np.int64)}  # noqa: RUF012

    def read(self, split: str, start: int, stop: int) -> Iterator[Sample | Skipped]:
        for item in range(start, stop):
            if item in {2, 5}:
                yield Skipped(item, "truncated")
            elif item == 9:
                yield Skipped(item, "no image")
            else:
                yield Sample(item, bytes([item] * 4), item % 2)


def test_what_is_skipped_is_counted_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CORPORA, "flawed", Corpus("flawed", lambda _: _Flawed()))
    report = ingest("flawed", tmp_path, tmp_path / "shards", shard_mb=16e-6)
    assert report.skipped == {"no image": 1, "truncated": 2}
    assert report.splits == {"train": 7}
    assert [shard.rows for shard in Manifest.load(tmp_path / "shards").shards] == [3, 3, 1]
    assert ingest("flawed", tmp_path, tmp_path / "shards", shard_mb=16e-6).skipped == report.skipped


def test_what_cannot_be_ingested_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="digits"):
        ingest("digit", tmp_path, tmp_path / "t")
    with pytest.raises(UsageError, match="0 MB"):
        ingest("digits", tmp_path, tmp_path / "t", shard_mb=0)
    with pytest.raises(UsageError, match="0 workers"):
        ingest("digits", tmp_path, tmp_path / "t", workers=0)
    with pytest.raises(DataError, match="no folder"):
        ingest("mnist", tmp_path / "absent", tmp_path / "t")
    assert not (tmp_path / "t").exists()
