"""The index of faces: exact scans and hash tables.

Sizes follow the memory that is free. Exact scans are held against what this machine can read from
its memory, and against FAISS's flat index through its own Python API; hash tables against the exact
scan, at each of several sizes of table, on people with five codes each whose pairs differ in some
29 bits.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import psutil
from faces_codes import CODES_A_PERSON, MILLION, TENANT, people, random_rows
from harness import Row, in_turns

from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.fingerprint import CODE_BITS, CODE_BYTES
from striate.serve.identities.segment import Hashing

WHOLE = 800 * MILLION
BYTES_A_ROW = 50
"""Of a code with its number and marks, in memory."""
HASHED_BYTES_A_ROW = 2200
"""The same with up to 16 hash tables; measured: 21 GB at 10 million."""
WITHIN = 50
TABLES = (
    Hashing(16, 16, 0),
    Hashing(13, 19, 1),
    Hashing(16, 16, 1),
    Hashing(14, 18, 0),
    Hashing(14, 18, 1),
    Hashing(12, 20, 1),
    Hashing(12, 21, 0),
    Hashing(12, 21, 1),
    Hashing(11, 22, 1),
    Hashing(10, 24, 0),
    Hashing(10, 24, 1),
    Hashing(9, 28, 1),
    Hashing(8, 32, 1),
    Hashing(8, 32, 2),
)


def rows(quick: bool) -> list[Row]:
    """All rows."""
    free_rows = room_for(100 * MILLION)
    return [
        *_exact(min((2 if quick else 100) * MILLION, free_rows), 3 if quick else 9),
        *_against_faiss(min((1 if quick else 10) * MILLION, free_rows // 2), 3 if quick else 11),
        *_tables(room_for(MILLION // 4 if quick else 10 * MILLION, HASHED_BYTES_A_ROW), quick),
    ]


def room_for(count: int, bytes_a_row: int = BYTES_A_ROW) -> int:
    """So many codes, or as many as two fifths of the free memory hold."""
    return min(count, int(psutil.virtual_memory().available * 0.4) // bytes_a_row)


def _exact(count: int, rounds: int) -> Iterator[Row]:
    """One query at a time over all codes, against reading as many bytes."""
    index = CodeIndex()
    for start in range(0, count, MILLION):
        index.update(random_rows(start, min(MILLION, count - start)))
    query = np.zeros((1, CODE_BYTES), np.uint8)
    size_gb = count * CODE_BYTES / 1e9
    memory = np.ones(count * CODE_BYTES // 8, np.int64)
    with ThreadPoolExecutor(2) as pool:
        scan, read = in_turns(
            [
                lambda: size_gb / _seconds(lambda: index.search(TENANT, query, 10)),
                lambda: size_gb / _seconds(lambda: _read(memory, pool)),
            ],
            rounds,
        )
    name = f"exact search, {count / MILLION:.0f} million codes, against reading memory"
    yield Row.paired(name, scan, read, "GB/s", at_least=0.8)
    whole_s = WHOLE * CODE_BYTES / 1e9 / statistics.median(scan)
    name = f"800 million at that rate: {whole_s:.2f} s (extrapolated), against 5 s"
    yield Row(name, 1 / whole_s, 1 / 5, "1/s", at_least=1.0)
    index.close()


def _read(memory: np.ndarray, pool: ThreadPoolExecutor) -> None:
    """Read every byte once, in pieces as large as a segment of the index."""
    piece = (1 << 25) // memory.itemsize
    list(pool.map(lambda at: memory[at : at + piece].max(), range(0, len(memory), piece)))


def _against_faiss(count: int, rounds: int) -> Iterator[Row]:
    rows = random_rows(0, count)
    flat = faiss.IndexBinaryFlat(CODE_BITS)
    flat.add(rows.codes)
    index = CodeIndex()
    index.update(rows)
    for batch in (1, 64):
        queries = np.ascontiguousarray(rows.codes[:batch]) ^ np.uint8(3)
        ours, peer = in_turns(
            [
                lambda: batch / _seconds(lambda: index.search(TENANT, queries, 10)),  # noqa: B023
                lambda: batch / _seconds(lambda: flat.search(queries, 10)),  # noqa: B023
            ],
            rounds,
        )
        name = f"exact search, {count / MILLION:.0f} million codes, batch {batch}, against FAISS"
        yield Row.paired(name, ours, peer, "queries/s", at_least=0.95)
    index.close()


def _tables(count: int, quick: bool) -> Iterator[Row]:
    """Queries a second and the share of a person's own codes that is found, a row a table."""
    rows, queries, owners = people(count, queries=256 if quick else 2048)
    exact = CodeIndex()
    exact.update(rows)
    sample = queries[:64]
    exact_rate = len(sample) / _seconds(lambda: exact.search(TENANT, sample, CODES_A_PERSON))
    found = exact.search(TENANT, queries[:256], CODES_A_PERSON)
    yield Row(
        f"exact scan, {count / MILLION:g} million: recall {_recall(found, owners[:256]):.4f}",
        exact_rate,
        exact_rate,
        "queries/s",
    )
    exact.close()
    curve = []
    for hashing in TABLES[:2] if quick else TABLES:
        index = CodeIndex(hashing)
        index.update(rows)
        began = time.perf_counter()
        answer = index.look_up(TENANT, queries, CODES_A_PERSON, WITHIN)
        seconds = time.perf_counter() - began
        recall, rate = _recall(answer, owners), len(queries) / seconds
        curve.append((recall, rate / exact_rate))
        name = f"{hashing.tables} tables of {hashing.bits} bits, {hashing.flips} flips: "
        yield Row(f"{name}recall {recall:.4f}", rate, exact_rate, "queries/s")
        index.close()
    good = [speed for recall, speed in curve if recall >= 0.99]
    yield Row("hash tables: speed where recall is 0.99, against 20 times", max(good, default=0.0),
              20.0, "times")  # fmt: skip


def _recall(found: object, owners: np.ndarray) -> float:
    """The share of a person's own codes among the five nearest."""
    faces: np.ndarray = found.face_ids  # type: ignore[attr-defined]
    return float((((faces - 1) // CODES_A_PERSON == owners[:, None]) & (faces >= 0)).mean())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
