"""The index against brute force: any order of updates, any type, any mask, any tie."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.serve.identities.answers import NOBODY, Nearest, merge_nearest
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.segment import Hashing
from striate.serve.identities.sharding import shards_of

pytestmark = pytest.mark.unit

TENANT = 7
SMALL_HASHING = Hashing(16, 16, 1, least_rows=1)
Search = Callable[[CodeRows, np.ndarray, int], Nearest]


def rows_of(face_ids: np.ndarray, codes: np.ndarray, tenant: int = TENANT) -> CodeRows:
    count = len(face_ids)
    return CodeRows(face_ids.astype(np.int64), np.full(count, tenant), np.zeros(count, bool), codes)


def brute(rows: CodeRows, queries: np.ndarray, k: int, within: int = 256) -> Nearest:
    """By distance, then by number, in the plainest way."""
    found = Nearest.nothing(len(queries), k)
    for place, query in enumerate(queries):
        distances = np.bitwise_count(rows.codes ^ query).sum(axis=1)
        order = np.lexsort((rows.face_ids, distances))
        order = order[distances[order] <= within][:k]
        found.face_ids[place, : len(order)] = rows.face_ids[order]
        found.distances[place, : len(order)] = distances[order]
    return found


def same(one: Nearest, other: Nearest) -> bool:
    return bool((one.face_ids == other.face_ids).all() and (one.distances == other.distances).all())


def tied_codes(count: int, seed: int, spread: int = 4) -> np.ndarray:
    """Codes of which many are equally far from anything: they differ in a few bits at most."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (3, 32), dtype=np.uint8)
    codes = base[rng.integers(0, 3, count)]
    codes[:, 0] ^= rng.integers(0, spread, count).astype(np.uint8)
    return codes


def flat(rows: CodeRows, queries: np.ndarray, k: int) -> Nearest:
    index = CodeIndex(threads=1)
    index.update(rows)
    return index.search(TENANT, queries, k)


def in_small_segments(rows: CodeRows, queries: np.ndarray, k: int) -> Nearest:
    index = CodeIndex(threads=2, segment_rows=16)
    for start in range(0, len(rows), 10):
        index.update(rows.take(np.arange(start, min(start + 10, len(rows)))))
    return index.search(TENANT, queries, k)


def in_shards(rows: CodeRows, queries: np.ndarray, k: int) -> Nearest:
    share = shards_of(rows.face_ids, 3)
    parts = [flat(rows.take(share == shard), queries, k) for shard in range(3)]
    return merge_nearest(parts, len(queries), k)


def hashed(rows: CodeRows, queries: np.ndarray, k: int) -> Nearest:
    index = CodeIndex(SMALL_HASHING, threads=1)
    index.update(rows)
    return index.look_up(TENANT, queries, k, within=20)


EXACT: dict[str, Search] = {
    "flat": flat, "small segments": in_small_segments, "shards": in_shards,
}  # fmt: skip
ALL: dict[str, Search] = {**EXACT, "hashed": hashed}

faces = st.lists(st.integers(1, 1 << 52), min_size=1, max_size=60, unique=True)


@pytest.mark.parametrize("search", EXACT.values(), ids=EXACT)
@given(face_ids=faces, seed=st.integers(0, 1000), k=st.integers(1, 20))
def test_equal_distances_are_ordered_by_number(
    search: Search, face_ids: list[int], seed: int, k: int
) -> None:
    """Whatever the order in which the rows came."""
    codes = tied_codes(len(face_ids), seed)
    rows = rows_of(np.array(face_ids), codes)
    assert same(search(rows, codes[:3], k), brute(rows, codes[:3], k))


@pytest.mark.parametrize("search", ALL.values(), ids=ALL)
@settings(max_examples=20)
@given(face_ids=faces, seed=st.integers(0, 1000), mask=st.binary(min_size=32, max_size=32))
def test_one_mask_on_all_codes_and_queries_changes_no_answer(
    search: Search, face_ids: list[int], seed: int, mask: bytes
) -> None:
    codes = tied_codes(len(face_ids), seed)
    numbers, over = np.array(face_ids), np.frombuffer(mask, np.uint8)
    plain = search(rows_of(numbers, codes), codes[:3], 10)
    masked = search(rows_of(numbers, codes ^ over), codes[:3] ^ over, 10)
    assert same(plain, masked)


@given(face_ids=faces, seed=st.integers(0, 1000), k=st.integers(1, 20))
@settings(max_examples=20)
def test_hash_tables_find_all_that_they_promise_in_the_same_order(
    face_ids: list[int], seed: int, k: int
) -> None:
    codes = tied_codes(len(face_ids), seed)
    rows = rows_of(np.array(face_ids), codes)
    assert same(hashed(rows, codes[:3], k), brute(rows, codes[:3], k, within=20))


def test_hash_tables_are_sure_below_their_promise() -> None:
    """Bits turned over one in each piece: the farthest that is still sure to be found."""
    assert SMALL_HASHING.sure_below == 32
    index = CodeIndex(SMALL_HASHING, threads=1)
    codes = np.random.default_rng(99).integers(0, 256, (5000, 32), dtype=np.uint8)
    crowd = rows_of(np.arange(1, 5001), codes)
    index.update(crowd)
    bits = np.unpackbits(crowd.codes[:50], axis=1).reshape(50, 16, 16)
    bits[:, :, :2] ^= 1
    bits[:, 0, 0] ^= 1  # 31 bits in all, two in most pieces
    queries = np.packbits(bits.reshape(50, 256), axis=1)
    found = index.look_up(TENANT, queries, 1, within=31)
    assert found.face_ids[:, 0].tolist() == crowd.face_ids[:50].tolist()


class Steps:
    """Brute force beside an index, through any series of updates."""

    def __init__(self, index: CodeIndex) -> None:
        self.index = index
        self.rows: dict[int, tuple[int, bool, bytes]] = {}

    def update(self, rows: CodeRows, gone: list[int]) -> None:
        self.index.update(rows, np.array(gone, np.int64))
        for face in gone:
            self.rows.pop(face, None)
        for face, tenant, hidden, code in zip(
            rows.face_ids.tolist(), rows.tenant_ids.tolist(), rows.hidden.tolist(), rows.codes,
            strict=True,
        ):  # fmt: skip
            self.rows[face] = (tenant, hidden, code.tobytes())

    def expected(self, tenant: int, queries: np.ndarray, k: int, with_hidden: bool) -> Nearest:
        chosen = [
            (face, code)
            for face, (owner, hidden, code) in self.rows.items()
            if owner == tenant and (with_hidden or not hidden)
        ]
        codes = np.frombuffer(b"".join(code for _, code in chosen), np.uint8).reshape(-1, 32)
        return brute(rows_of(np.array([face for face, _ in chosen]), codes), queries, k)


@given(
    steps=st.lists(
        st.tuples(
            st.lists(st.integers(1, 80), max_size=12, unique=True),
            st.lists(st.integers(1, 80), max_size=12, unique=True),
            st.integers(0, 100),
        ),
        max_size=25,
    ),
    rows_a_segment=st.sampled_from([4, 16, 1000]),
)
def test_any_series_of_updates_equals_brute_force(
    steps: list[tuple[list[int], list[int], int]], rows_a_segment: int
) -> None:
    """Adds, replacements and removals of two tenants, hidden faces among them, and compaction."""
    index = CodeIndex(threads=1, segment_rows=rows_a_segment)
    both = Steps(index)
    queries = tied_codes(2, 5)
    for number, (added, removed, seed) in enumerate(steps):
        face_ids = np.array([face for face in added if face not in removed], np.int64)
        rows = CodeRows(
            face_ids, face_ids % 2, (face_ids + number) % 3 == 0, tied_codes(len(face_ids), seed)
        )
        both.update(rows, removed)
        if seed % 7 == 0:
            index.compact()
        assert len(index) == len(both.rows)
        for tenant in (0, 1):
            for with_hidden in (False, True):
                found = index.search(tenant, queries, 6, with_hidden=with_hidden)
                assert same(found, both.expected(tenant, queries, 6, with_hidden))
    assert {f for rows in index.rows() for f in rows.face_ids.tolist()} == set(both.rows)
    index.compact()
    gone = np.setdiff1d(np.arange(1, 81), np.array(sorted(both.rows), np.int64))
    assert index.count_faces(gone) == 0


def test_a_tenant_that_is_gone_leaves_the_others() -> None:
    index = CodeIndex(threads=1)
    codes = tied_codes(20, 1)
    index.update(rows_of(np.arange(1, 11), codes[:10], tenant=1))
    index.update(rows_of(np.arange(11, 21), codes[10:], tenant=2))
    index.update(CodeRows.empty(), gone_tenants=[1])
    assert (index.count(1), index.count(2)) == (0, 10)
    assert (index.search(1, codes[:1], 5).face_ids == NOBODY).all()


def test_searches_see_an_update_whole_or_not_at_all() -> None:
    """While codes are replaced by others again and again, each answer is of one state."""
    index = CodeIndex(threads=2, segment_rows=50)
    numbers = np.arange(1, 201)
    states = [np.full((200, 32), fill, np.uint8) for fill in (0x00, 0xFF)]
    index.update(rows_of(numbers, states[0]))
    wrong: list[np.ndarray] = []
    done = threading.Event()

    def search() -> None:
        query = np.zeros((1, 32), np.uint8)
        while not done.is_set():
            found = index.search(TENANT, query, 200)
            if len(np.unique(found.distances)) != 1 or (found.face_ids[0] != numbers).any():
                wrong.append(found.distances)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(100):
        index.update(rows_of(numbers, states[(turn + 1) % 2]))
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_no_code_is_refused() -> None:
    index = CodeIndex(threads=1)
    for wrong in (np.zeros((1, 31), np.uint8), np.zeros((1, 32), np.int8), np.zeros(32, np.uint8)):
        with pytest.raises(OtherModel):
            index.search(TENANT, wrong, 1)


@given(st.integers(1, 16), st.integers(0, 1 << 40))
def test_shards_are_even_and_depend_on_the_number_alone(shards: int, first: int) -> None:
    numbers = np.arange(first, first + 4000) * 8  # as if one tenant enrolled every eighth face
    share = shards_of(numbers, shards)
    counts = np.bincount(share, minlength=shards)
    assert len(counts) == shards
    assert counts.min() > 0.7 * 4000 / shards
    assert (shards_of(numbers[::-1], shards)[::-1] == share).all()


def test_rows_come_through_arrow_unchanged() -> None:
    rows = rows_of(np.arange(1, 50), tied_codes(49, 3))
    back = CodeRows.from_arrow(rows.to_arrow().slice(10, 20))
    assert back.face_ids.tolist() == rows.face_ids[10:30].tolist()
    assert (back.codes == rows.codes[10:30]).all()
    assert back.tenant_ids.tolist() == [TENANT] * 20
