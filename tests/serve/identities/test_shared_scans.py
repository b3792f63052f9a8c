"""Searches that come while another one scans are answered by one scan, each with its own rows."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from striate.serve.identities import code_index
from striate.serve.identities.answers import Nearest
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.shared_scans import SharedScans

pytestmark = pytest.mark.unit

KEY, OTHER = "key", "other"


class Scans:
    """Answers each code by its first byte; the first scan of `KEY` waits to be let go."""

    def __init__(self) -> None:
        self.shared: SharedScans[str] = SharedScans(self.scan)
        self.asked: list[list[int]] = []
        self.began, self.let_go = threading.Event(), threading.Event()
        self.threads = ThreadPoolExecutor(8)

    def scan(self, key: str, codes: np.ndarray) -> Nearest:
        first = codes[:, :1].astype(np.int64)
        self.asked.append(first[:, 0].tolist())
        if key == KEY and not self.began.is_set():
            self.began.set()
            assert self.let_go.wait(10)
        if (first == 99).any():
            raise ValueError("a scan that fails")
        return Nearest(first, first.astype(np.int32), (3,))

    def search(self, *values: int, key: str = KEY) -> "Future[Nearest]":
        codes = np.zeros((len(values), 32), np.uint8)
        codes[:, 0] = values
        return self.threads.submit(self.shared.search, key, codes)

    def held(self, *values: int) -> "list[Future[Nearest]]":
        """Searches of which the first scans, and the others wait."""
        first = self.search(values[0])
        assert self.began.wait(10)
        others = [self.search(value) for value in values[1:]]
        until(lambda: len(self.shared._waiting[KEY]) == len(others))
        return [first, *others]


def until(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.001)


def test_those_who_wait_share_the_next_scan_and_get_their_own_rows() -> None:
    scans = Scans()
    futures = scans.held(1, 2, 3, 4)
    scans.let_go.set()
    found = [future.result(10) for future in futures]
    assert [one.face_ids.tolist() for one in found] == [[[1]], [[2]], [[3]], [[4]]]
    assert all(one.missing_shards == (3,) for one in found)
    assert scans.asked[0] == [1] and sorted(scans.asked[1]) == [2, 3, 4] and len(scans.asked) == 2


def test_a_search_that_finds_no_other_scans_by_itself() -> None:
    scans = Scans()
    scans.let_go.set()
    for value in (1, 2):
        assert scans.search(value, value + 10).result(10).face_ids.tolist() == [
            [value],
            [value + 10],
        ]
    assert scans.asked == [[1, 11], [2, 12]]


def test_another_key_waits_for_nobody() -> None:
    scans = Scans()
    (first,) = scans.held(1)
    assert scans.search(7, key=OTHER).result(10).face_ids.tolist() == [[7]]
    assert not first.done()
    scans.let_go.set()
    first.result(10)


def test_a_scan_that_fails_fails_those_who_share_it_and_no_other() -> None:
    scans = Scans()
    first, *others = scans.held(1, 99, 2)
    scans.let_go.set()
    assert first.result(10).face_ids.tolist() == [[1]]
    for one in others:
        with pytest.raises(ValueError, match="a scan that fails"):
            one.result(10)
    assert scans.search(5).result(10).face_ids.tolist() == [[5]]


def test_the_index_answers_many_threads_as_it_answers_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (400, 32), dtype=np.uint8)
    index = CodeIndex(threads=2, segment_rows=50)
    numbers = np.arange(1, 401)
    index.update(CodeRows(numbers, np.ones(400, np.int64), np.zeros(400, bool), codes))
    queries = [codes[place : place + 1 + place % 3] ^ np.uint8(1) for place in range(200)]
    with ThreadPoolExecutor(8) as threads:
        shared = list(threads.map(lambda query: index.search(1, query, 5), queries))
    monkeypatch.setattr(code_index, "MOST_SHARING", 0)
    for query, found in zip(queries, shared, strict=True):
        alone = index.search(1, query, 5)
        assert (found.face_ids == alone.face_ids).all()
        assert (found.distances == alone.distances).all()
    index.close()
