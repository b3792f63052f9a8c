"""An index in two shares of two copies over two Ray nodes, of which parts are killed; writes what
held to FOLDER/held.txt, a line each: Ray prints a dead node's log to standard output at any moment.
Run by test_sharded_index.py.

    python two_nodes.py FOLDER
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
import ray
from ray.cluster_utils import Cluster

from striate.serve.identities import shared_index
from striate.serve.identities.answers import Nearest
from striate.serve.identities.enroll import enroll
from striate.serve.identities.errors import IndexUnavailable, OtherModel
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.faces import NewFace
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.forget import forget_photo
from striate.serve.identities.query import Query
from striate.serve.identities.shard_actors import ShardLayout, start_shards
from striate.serve.identities.sharded_index import ShardedIndex
from striate.serve.identities.sharding import shards_of
from striate.serve.identities.shared_index import SharedIndex
from striate.serve.identities.store import IdentityStore

MODEL = ModelFingerprint(network="n", detector="d", dimension=2, code_version="c")
FACES = 600


def main(folder: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    other = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    store = IdentityStore.open(str(folder / "faces.db"))
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (FACES, 32), dtype=np.uint8)  # near one another: many ties
    vectors = rng.standard_normal((FACES, 2)).astype(np.float32)
    faces = [NewFace(f"p{n}", vectors[n], codes[n]) for n in range(FACES)]
    enroll(store, None, "ours", MODEL, faces, who="me")
    local = FaceIndex(store, threads=1)
    layout = ShardLayout(shards=2, replicas=2)
    actors = start_shards(
        str(folder / "faces.db"), str(folder / "index"), layout, follow_every_s=30
    )
    index = ShardedIndex(actors.shards, actors.groups, deadline_s=30)
    index.progress(60, 60)
    query = Query(1, codes[:20], 12, MODEL)
    whole = local.search(query)
    _say("same as one index", _same(index.search(query), whole))
    nodes = [[_node(handle) for handle in copies] for copies in index._shards]
    _say("copies apart", all(len(set(copies)) == 2 for copies in nodes))

    _say("no room is said at the start", _has_no_room(str(folder / "faces.db")))

    late = enroll(store, None, "ours", MODEL, [_late(rng)], who="me")
    asked = Query(1, _code_of(store, late.faces[0].face_id), 1, MODEL, at_least=late.change)
    _say("an acknowledged face is found at once", index.search(asked).distances[0, 0] == 0)
    index.save()
    gone = forget_photo(store, None, [index, local], "ours", "p7", who="me")
    _say("forgotten by every copy", not any(gone.left.values()))
    whole = local.search(query)

    with _Searching(index, query, whole) as searching:
        os.kill(ray.get(index._shards[0][0].pid.remote()), signal.SIGKILL)
        searching.more(20)
    _say("whole while an actor dies", searching.all_whole)
    with _Searching(index, query, whole) as searching:
        cluster.remove_node(other, allow_graceful=False)
        searching.more(20)
    _say("whole while a node dies", searching.all_whole)

    for handle in index._shards[1]:
        ray.kill(handle)
    index._deadline_s = 3.0
    part = index.search(query)
    _say("said to be partial", part.missing_shards == (1,))
    alone = FaceIndex(store, threads=1, shard=0, shards=2).search(query)
    _say("and right in what it has", _same(part, alone))
    held = part.face_ids[part.face_ids >= 0]
    _say("of the other share alone", bool((shards_of(held, 2) == 0).all()))
    try:
        index.search(Query(1, codes[:1], 1, MODEL.model_copy(update={"network": "x"})))
    except OtherModel:
        _say("another model is refused", True)
    for handle in index._shards[0]:
        ray.kill(handle)
    try:
        index.search(query)
    except IndexUnavailable:
        _say("no share at all is an error", True)
    index.close()
    shared = SharedIndex(str(folder / "faces.db"), None, ShardLayout(shards=2, cpus=0.5))
    _say("one that is shared answers", _same(shared.search(query), whole))
    shared.close()
    ray.shutdown()
    cluster.shutdown()


def _has_no_room(url: str) -> bool:
    """All CPUs are taken by then."""
    with mock.patch.multiple(shared_index, BEGUN_WITHIN_S=3.0, WHOLE_WITHIN_S=0.0):
        try:
            SharedIndex(url, None, ShardLayout(cpus=2))
        except IndexUnavailable as error:
            return "1 times 2 CPUs" in error.remedy
    return False


class _Searching:
    """Searches in a thread, without a pause, while the block runs."""

    def __init__(self, index: ShardedIndex, query: Query, whole: Nearest) -> None:
        self._index, self._query, self._whole = index, query, whole
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._search)
        self.answers: list[bool] = []
        self.errors: list[BaseException] = []

    def __enter__(self) -> "_Searching":
        self._thread.start()
        self.more(3)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self.errors:
            print("errors", self.errors, file=sys.stderr)

    @property
    def all_whole(self) -> bool:
        return not self.errors and bool(self.answers) and all(self.answers)

    def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted, limit = len(self.answers) + count, time.monotonic() + 120
        while len(self.answers) < wanted and self._thread.is_alive() and time.monotonic() < limit:
            time.sleep(0.01)

    def _search(self) -> None:
        while not self._done.is_set():
            try:
                found = self._index.search(self._query)
                self.answers.append(not found.partial and _same(found, self._whole))
            except BaseException as error:
                self.errors.append(error)
                return


def _late(rng: np.random.Generator) -> NewFace:
    code = rng.integers(0, 256, 32, dtype=np.uint8)
    return NewFace("late", np.ones(2, np.float32), code)


def _code_of(store: IdentityStore, face_id: int) -> np.ndarray:
    from sqlalchemy import select

    from striate.serve.identities import schema

    with store.read() as connection:
        code = connection.execute(
            select(schema.codes.c.code).where(schema.codes.c.face_id == face_id)
        ).scalar_one()
    return np.frombuffer(code, np.uint8)[None]


def _node(handle: object) -> str:
    told = handle.__ray_call__.remote(  # type: ignore[attr-defined]
        lambda _: ray.get_runtime_context().get_node_id()
    )
    return str(ray.get(told))


def _same(one: Nearest, other: Nearest) -> bool:
    return bool((one.face_ids == other.face_ids).all() and (one.distances == other.distances).all())


def _say(what: str, held: object) -> None:
    with (Path(sys.argv[1]) / "held.txt").open("a") as file:
        file.write(f"{what}: {bool(held)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
