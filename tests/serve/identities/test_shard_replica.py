"""A copy of a share, in this process: it fills beside, and goes on following by itself."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from striate.core.retry import wait_until
from striate.serve.identities import model_index
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.enroll import enroll
from striate.serve.identities.feed import all_rows
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.shard_replica import ShardReplica
from striate.serve.identities.store import IdentityStore

pytestmark = pytest.mark.unit
OFTEN_S, WITHIN_S = 0.01, 30.0


def test_it_begins_at_once_fills_beside_and_follows_and_saves_by_itself(
    store: IdentityStore, tmp_path: Path, model: ModelFingerprint, new_face: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    enroll(store, None, "ours", model, [new_face(1), new_face(2)], who="me")
    go_on = threading.Event()

    def slow(*arguments: Any) -> Iterator[CodeRows]:
        assert go_on.wait(WITHIN_S)
        yield from all_rows(*arguments)

    monkeypatch.setattr(model_index, "all_rows", slow)
    snapshots, url = tmp_path / "index", str(tmp_path / "faces.db")
    replica = ShardReplica(url, str(snapshots), 0, 1, 0, 1, None, OFTEN_S, OFTEN_S)
    try:
        assert not replica.progress().ready
        go_on.set()
        assert replica.progress(WITHIN_S).ready
        enroll(store, None, "ours", model, [new_face(3)], who="me")
        assert wait_until(lambda: replica.rows() == 3, WITHIN_S, OFTEN_S)
        assert wait_until(lambda: list(snapshots.glob("*/*/codes-*")), WITHIN_S, OFTEN_S)
    finally:
        go_on.set()
        replica._beside.close()
