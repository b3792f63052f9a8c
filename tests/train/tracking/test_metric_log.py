"""The metric log: whatever is torn, repeated or refused, every (key, step) counts once."""

import errno
import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.core.errors import PlatformError
from striate.train.tracking.metric_log import (
    MetricLog,
    MetricLogReader,
    MetricRecord,
    append_note,
    history,
    last_time_ms,
)

pytestmark = pytest.mark.unit

RECORDS = st.lists(
    st.builds(
        MetricRecord,
        key=st.sampled_from(["train/loss", "test/top1"]),
        step=st.integers(0, 9),
        value=st.floats(),
        time_ms=st.integers(0, 2**41),
    ),
    max_size=12,
)
SHARED_FOLDER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def firsts(records: list[MetricRecord]) -> list[MetricRecord]:
    """What must be read back: the first record of each (key, step)."""
    kept: dict[tuple[str, int], MetricRecord] = {}
    for record in records:
        kept.setdefault((record.key, record.step), record)
    return list(kept.values())


def same(left: list[MetricRecord], right: list[MetricRecord]) -> bool:
    """Equality under which NaN equals itself."""
    return [r.line() for r in left] == [r.line() for r in right]


@SHARED_FOLDER
@given(records=RECORDS, cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_a_reader_that_follows_gets_each_step_once(
    tmp_path: Path, records: list[MetricRecord], cuts: list[int]
) -> None:
    """However the file grows between two looks."""
    path = tmp_path / "spool.jsonl"
    content = b"".join(record.line() for record in records)
    path.write_bytes(b"")
    reader, read = MetricLogReader(path), []
    for cut in [*sorted(cuts), len(content)]:
        path.write_bytes(content[:cut])
        read += reader.read()
    assert same(read, firsts(records))


@SHARED_FOLDER
@given(before=RECORDS, after=RECORDS, torn=st.integers(1, 200))
def test_a_torn_line_harms_no_other(
    tmp_path: Path, before: list[MetricRecord], after: list[MetricRecord], torn: int
) -> None:
    """A worker is killed in the middle of a line; its successor appends."""
    path = tmp_path / "spool.jsonl"
    line = MetricRecord(key="killed", step=1, value=1.5, time_ms=1).line()
    path.write_bytes(b"".join(r.line() for r in before) + line[: min(torn, len(line) - 2)])
    writer = MetricLog(path)
    assert writer.append(after)
    writer.close()
    assert same(MetricLogReader(path).read(), firsts(before + after))


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spool.jsonl"
    writer, write = MetricLog(path), os.write
    records = [MetricRecord(key="k", step=step, value=step, time_ms=step) for step in range(20)]
    room = 150

    def refuse(descriptor: int, content: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = content[:room]
        room -= len(part)
        return write(descriptor, part)

    monkeypatch.setattr(os, "write", refuse)
    assert not writer.append(records[:10])
    monkeypatch.setattr(os, "write", write)
    assert writer.append(records[10:])
    writer.close()
    assert MetricLogReader(path).read() == records


def test_what_is_never_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = MetricLog(tmp_path / "spool.jsonl")

    def refuse(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    writer.append([MetricRecord(key="k", step=1, value=1, time_ms=1)])
    with pytest.raises(PlatformError, match="is full"):
        writer.close()


def test_values_that_are_not_finite_survive(tmp_path: Path) -> None:
    writer = MetricLog(tmp_path / "s")
    values = (math.nan, math.inf, -math.inf)
    writer.append(MetricRecord(key="k", step=i, value=v, time_ms=0) for i, v in enumerate(values))
    read = [value for _, value in history(MetricLogReader(tmp_path / "s").read())["k"]]
    assert math.isnan(read[0])
    assert read[1:] == [math.inf, -math.inf]


def test_no_spool_yet_is_no_record(tmp_path: Path) -> None:
    assert MetricLogReader(tmp_path / "absent").read() == []


def test_a_note_is_added_beside_a_writer_and_the_last_time_is_told(tmp_path: Path) -> None:
    path = tmp_path / "spool.jsonl"
    assert last_time_ms(path) is None
    writer = MetricLog(path)
    writer.append([MetricRecord(key="train/loss", step=1, value=1.0, time_ms=7)])
    assert last_time_ms(path) == 7
    append_note(path, "A worker died.")
    writer.close()
    writer.close()
    assert not writer.append([MetricRecord(key="train/loss", step=2, value=1.0, time_ms=8)])
    assert [record.text for record in MetricLogReader(path).read()] == ["", "A worker died."]


def test_a_note_that_a_full_disk_refuses_harms_nothing(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(256 << 10))
    append_note(small_disk / "spool.jsonl", "x" * 10_000)
    append_note(small_disk / "runs" / "spool.jsonl", "x")
