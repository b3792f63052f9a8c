"""Shipping metric logs: nothing is lost when the server is away, and nothing sent twice in vain."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from striate.core.errors import TrackingRefused, TrackingUnavailable
from striate.core.retry import wait_until
from striate.train.tracking import uploader
from striate.train.tracking.metric_log import MetricLog, MetricRecord
from striate.train.tracking.uploader import Outbox, Uploader, follow, upload_all

pytestmark = pytest.mark.unit

URI = "http://127.0.0.1:1"


class Server:
    """Stands for MLflow: keeps what it is sent, and may be away."""

    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []
        self.away = False
        self.refused: set[str] = set()

    def send(self, run_id: str, tracking_uri: str, records: Sequence[MetricRecord]) -> None:
        if self.away:
            raise TrackingUnavailable("It is away.")
        if self.refused & {record.key for record in records}:
            raise TrackingRefused("It refuses.")
        assert len(records) <= uploader.BATCH
        self.got += [(record.key, record.step) for record in records]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(uploader, "send", server.send)
    return server


def losses(first: int, last: int) -> list[MetricRecord]:
    return [
        MetricRecord(key="train/loss", step=s, value=s, time_ms=s) for s in range(first, last + 1)
    ]


def steps(server: Server) -> list[int]:
    return [step for _, step in server.got]


def test_publishing_sends_only_what_was_not_acknowledged(tmp_path: Path, server: Server) -> None:
    log = tmp_path / "spool.jsonl"
    writer = MetricLog(log)
    writer.append(losses(1, 2500))
    upload_all("run", URI, [log])
    writer.append(losses(2000, 2600))  # a restart repeats 501 steps
    upload_all("run", URI, [log])
    assert steps(server) == list(range(1, 2601))


def test_what_the_server_refuses_is_sent_when_it_is_back(tmp_path: Path, server: Server) -> None:
    log = tmp_path / "spool.jsonl"
    MetricLog(log).append(losses(1, 10))
    outbox = Outbox(log, "run", URI)
    server.away = True
    with pytest.raises(TrackingUnavailable):
        outbox.ship()
    server.away = False
    MetricLog(log).append(losses(11, 12))
    outbox.ship()
    assert steps(server) == list(range(1, 13))


def test_another_server_gets_all(tmp_path: Path, server: Server) -> None:
    log = tmp_path / "spool.jsonl"
    MetricLog(log).append(losses(1, 5))
    upload_all("run", URI, [log])
    upload_all("run", "http://127.0.0.1:2", [log])
    assert steps(server) == [*range(1, 6), *range(1, 6)]


@pytest.mark.parametrize("note", ["", "{", '{"offset": "x"}', '{"offset": 10000000}'])
def test_a_damaged_acknowledgement_costs_only_time(
    tmp_path: Path, server: Server, note: str
) -> None:
    log = tmp_path / "spool.jsonl"
    MetricLog(log).append(losses(1, 5))
    log.with_suffix(uploader.SHIPPED_SUFFIX).write_text(note)
    upload_all("run", URI, [log])
    assert steps(server) == list(range(1, 6))


def test_a_refusal_ends_neither_the_thread_nor_other_logs(tmp_path: Path, server: Server) -> None:
    """A run that was deleted and is restored while it trains has all its metrics."""
    logs = [tmp_path / "spool.jsonl", tmp_path / "node.jsonl"]
    MetricLog(logs[0]).append(losses(1, 3))
    MetricLog(logs[1]).append([MetricRecord(key="system/load", step=1, value=1.0, time_ms=1)])
    server.refused = {"train/loss"}
    shipping = Uploader("run", URI, lambda: logs, every_s=0.01)
    try:
        assert wait_until(lambda: ("system/load", 1) in server.got, 10.0, 0.01)
        assert not steps_of(server, "train/loss")
        server.refused = set()
        assert wait_until(lambda: steps_of(server, "train/loss") == [1, 2, 3], 10.0, 0.01)
    finally:
        shipping.close()


def steps_of(server: Server, key: str) -> list[int]:
    return [step for name, step in server.got if name == key]


def test_a_log_that_cannot_be_opened_for_now_ends_no_thread(tmp_path: Path, server: Server) -> None:
    """A folder stands in its place, as a storage that fails would."""
    log = tmp_path / "spool.jsonl"
    log.mkdir()
    handed: list[int] = []
    shipping = Uploader("run", URI, lambda: [log], every_s=0.01)
    try:
        with follow(log, lambda records: handed.extend(r.step for r in records), every_s=0.01):
            assert not wait_until(lambda: server.got, 0.1, 0.01)
            log.rmdir()
            MetricLog(log).append(losses(1, 3))
            assert wait_until(lambda: steps(server) == [1, 2, 3], 10.0, 0.01)
    finally:
        shipping.close()
    assert handed == [1, 2, 3]


def test_a_folder_of_logs_that_does_not_answer_ends_no_thread(
    tmp_path: Path, server: Server
) -> None:
    log = tmp_path / "spool.jsonl"
    MetricLog(log).append(losses(1, 3))
    asked: list[int] = []

    def logs() -> list[Path]:
        asked.append(1)
        if len(asked) == 1:
            raise OSError(116, "Stale file handle")
        return [log]

    shipping = Uploader("run", URI, logs, every_s=0.01)
    try:
        assert wait_until(lambda: steps(server) == [1, 2, 3], 10.0, 0.01)
    finally:
        shipping.close()
