"""Calls that look at faces, over gRPC, beside the codes of millions: how late are answers?

Callers are in a process of their own and come when they come (Poisson arrivals), whether or not
those before are answered; the 99th percentile of all calls counts from when each was due. Half of
the searches are for somebody who is enrolled, half for strangers. `Analyze` tags a photo, finds its
two faces, describes them by DeepFace of the published size, and looks both up.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from faces_codes import MILLION
from faces_index_rows import HASHED_BYTES_A_ROW, TABLES, room_for
from faces_server import NAME, REGION, faces_served, photo_of
from harness import Row
from serve import write_tagger
from serve_calls import Target, closed, loaded
from serve_sides import SPAWN

from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.protos.striate.v1 import photos_pb2 as photos

SEARCHES_A_SECOND, SEARCH_MS = 50.0, 60.0
DEADLINE_MS, IN_TIME = 2000.0, 99.0
LOAD = 0.5
"""Of what saturates the server, where a row asks for no rate."""
CALLERS, ROUNDS = 4, 2
SEARCH = "/striate.v1.FaceRecognition/Search"
ANALYZE = "/striate.v1.Photos/Analyze"


@dataclass(frozen=True)
class _Server:
    callers: ProcessPoolExecutor
    address: str
    quick: bool

    def target(self, method: str, message: Any) -> Target:
        return Target(self.address, method, message.SerializeToString())

    def load(
        self, targets: Sequence[Target], rate: float, quick_calls: int, calls: int
    ) -> tuple[np.ndarray, list[bytes]]:
        """The latency of each of some `calls` in milliseconds, and the answers."""
        rounds = 1 if self.quick else ROUNDS
        seconds = (quick_calls if self.quick else calls) / rate / rounds
        latencies, answers = [], []
        for seed in range(rounds):
            result, got = self.callers.submit(loaded, targets, rate, seconds, seed).result()
            assert result.answered.all(), result.counts()
            latencies.append(1000 * result.latency_s)
            answers += got
        return np.concatenate(latencies), answers

    def modest(self, target: Target, seconds: float) -> float:
        """Calls a second that leave the server time."""
        return LOAD * float(self.callers.submit(closed, target, CALLERS, seconds).result())


def rows(folder: Path, quick: bool) -> list[Row]:
    """`Search` by descriptors and by photos, and `Analyze`."""
    codes = room_for((2 if quick else 20) * MILLION) // 2  # each service has an index
    tagger = write_tagger(folder / "tagger")
    with (
        faces_served(folder, tagger, codes) as (address, known),
        ProcessPoolExecutor(1, mp_context=SPAWN) as callers,
    ):
        server = _Server(callers, address, quick)
        found = [*_searched(server, known, codes), *_searched_photos(server), *_analyzed(server)]
    return found if quick else [*found, *_looked_up(folder, tagger)]


def _looked_up(folder: Path, tagger: Path) -> list[Row]:
    """`Search` by descriptors where known people are looked up in hash tables."""
    codes = room_for(6 * MILLION, HASHED_BYTES_A_ROW) // 2
    place = folder / "looked-up"
    place.mkdir()
    with (
        faces_served(place, tagger, codes, TABLES[1]) as (address, known),
        ProcessPoolExecutor(1, mp_context=SPAWN) as callers,
    ):
        rows = _searched(_Server(callers, address, False), known, codes)
        return [replace(row, name=f"{row.name}, hash tables") for row in rows]


def _searched(server: _Server, known: pb.Descriptor, codes: int) -> Iterator[Row]:
    """By what `Describe` answered before."""
    rng, asked = np.random.default_rng(0), []
    for _ in range(8):
        stranger = pb.Descriptor(vector=known.vector, code=rng.bytes(32), model=known.model)
        asked += [known, stranger]
    messages = [pb.SearchRequest(descriptors=[one], region=REGION) for one in asked]
    targets = [server.target(SEARCH, message) for message in messages]
    server.load(targets, SEARCHES_A_SECOND, 20, 50)  # warms connections
    found, answers = server.load(targets, SEARCHES_A_SECOND, 120, 3000)
    who = [pb.SearchResponse.FromString(answer).faces[0].who for answer in answers]
    assert 0 <= 2 * who.count(NAME) - len(who) <= ROUNDS, "not half of them are known"
    name = f"Search by descriptors, {codes / MILLION:.0f} million codes, 50 calls/s"
    yield _late(name, found, SEARCH_MS, at_least=1.0)


def _searched_photos(server: _Server) -> Iterator[Row]:
    """By photos of one face: found, described and looked up."""
    target = server.target(SEARCH, pb.SearchRequest(image=photo_of(1), region=REGION))
    rate = server.modest(target, 0.6 if server.quick else 5.0)
    found, _ = server.load([target], rate, 4, 200)
    yield _late(f"Search by photos of a face, {rate:.1f} calls/s", found, SEARCH_MS)


def _analyzed(server: _Server) -> Iterator[Row]:
    """Photos of two faces: answers with every part, of all, and when."""
    message = photos.AnalyzeRequest(image=photo_of(1, 2), region=REGION)
    target = server.target(ANALYZE, message)
    rate = server.modest(target, 0.6 if server.quick else 5.0)
    found, answers = server.load([target], rate, 4, 300)
    whole = [_is_whole(photos.AnalyzeResponse.FromString(answer)) for answer in answers]
    name = f"Analyze, both networks, two faces, {rate:.1f} calls/s"
    share = 100 * sum(whole) / len(whole)
    yield Row(f"{name}: whole answers, of all", share, IN_TIME, "%", at_least=1.0)
    yield _late(name, found, DEADLINE_MS, at_least=1.0)


def _is_whole(answer: photos.AnalyzeResponse) -> bool:
    """Whether every part was ready, each face looked up."""
    ready = {answer.tags.status, answer.faces.status} == {photos.PART_STATUS_OK}
    faces = answer.faces.faces
    return ready and len(faces) == 2 and all(face.HasField("found") for face in faces)


def _late(name: str, found_ms: np.ndarray, allowed_ms: float, at_least: float | None = None) -> Row:
    """What is allowed over the 99th percentile."""
    p50, p99 = (float(value) for value in np.percentile(found_ms, (50, 99)))
    row = f"{name}: p50 {p50:.1f} ms; {allowed_ms:,.0f} ms / p99"
    return Row(row, allowed_ms, p99, "ms", at_least)
