"""Enrolments on the disk while the index of faces is searched, and searches meanwhile."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from faces_codes import MILLION, TENANT, random_rows
from faces_index_rows import room_for
from harness import Row

from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import enroll
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.faces import NewFace
from striate.serve.identities.fingerprint import CODE_BYTES, ModelFingerprint
from striate.serve.identities.query import Query
from striate.serve.identities.store import IdentityStore

ENROLMENTS_A_SECOND = 2000.0
BATCH = 200
DIMENSION = 128


def rows(folder: Path, quick: bool) -> list[Row]:
    """Faces that are acknowledged a second while one caller searches without a pause."""
    count = room_for((1 if quick else 10) * MILLION)
    seconds, rounds = (0.7, 2) if quick else (10.0, 3)
    store = IdentityStore.open(str(folder / "faces.db"))
    model = ModelFingerprint(network="n", detector="d", dimension=DIMENSION, code_version="c")
    enroll(store, CropFolder(folder / "crops"), "ours", model, _new_faces(0, 1), who="bench")
    index = FaceIndex(store)
    for start in range(MILLION, MILLION + count, MILLION):  # beside what the store has
        index._live.index.update(random_rows(start, min(MILLION, MILLION + count - start)))
    query = Query(TENANT, np.zeros((1, CODE_BYTES), np.uint8), 10)
    alone, beside, rates = [], [], []
    next_face = 1
    for _ in range(rounds):
        alone.append(_searches(index, query, seconds))
        for pace in (None, ENROLMENTS_A_SECOND):
            with _enrolling(store, index, model, next_face, pace) as acknowledged:
                rate = _searches(index, query, seconds)
            next_face += len(acknowledged) * BATCH + BATCH
            if pace is None:
                rates.append(len(acknowledged) * BATCH / seconds)
            else:
                beside.append(rate)
    index.close()
    store.close()
    at = f"{count / MILLION:.0f} million searched"
    enrolled = f"durable enrolments, batches of {BATCH}, {at}"
    searched = f"searches while 2,000 a second are enrolled, {at}, against alone"
    return [
        Row(enrolled, statistics.median(rates), ENROLMENTS_A_SECOND, "faces/s", at_least=1.0),
        Row.paired(searched, beside, alone, "searches/s", at_least=0.8),
    ]


def _searches(index: FaceIndex, query: Query, seconds: float) -> float:
    """Searches a second of one caller without a pause."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        index.search(query)
        count += 1
    return count / (time.perf_counter() - began)


@contextmanager
def _enrolling(
    store: IdentityStore,
    index: FaceIndex,
    model: ModelFingerprint,
    first: int,
    faces_a_second: float | None,
) -> Iterator[list[int]]:
    """Enrol in a thread, each batch known to the index before the next; change numbers."""
    done = threading.Event()
    acknowledged: list[int] = []
    failed: list[Exception] = []

    def work() -> None:
        began, place = time.perf_counter(), 0
        try:
            while not done.is_set():
                faces = _new_faces(first + place, BATCH)
                acknowledged.append(enroll(store, None, "ours", model, faces, who="b").change)
                index.follow(acknowledged[-1])
                place += BATCH
                if faces_a_second is not None:
                    done.wait(max(0.0, began + place / faces_a_second - time.perf_counter()))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield acknowledged
    finally:
        done.set()
        thread.join()
    if failed:
        raise failed[0]


def _new_faces(first: int, count: int) -> list[NewFace]:
    rng = np.random.default_rng(first)
    vectors = rng.standard_normal((count, DIMENSION)).astype(np.float32)
    codes = rng.integers(0, 256, (count, CODE_BYTES), dtype=np.uint8)
    return [
        NewFace(f"photo {first + n}", vectors[n], codes[n], f"person {(first + n) // 5}")
        for n in range(count)
    ]
