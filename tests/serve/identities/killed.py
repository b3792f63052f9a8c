"""A process that changes a store and is killed at random moments; run by test_kill.py.

    python killed.py URL FOLDER KILLS SEED

It forks a worker that says what it is about to do and when it is acknowledged, kills it after a
random while, and holds the store against what was said: all that was acknowledged is there, and of
what was under way, all or nothing.
"""

import copy
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

Op = dict[str, Any]
State = dict[str, Any]
"""Photos' people by photo; people's names."""
EMPTY: State = {"faces": {}, "people": []}


def main(url: str, folder: Path, kills: int, seed: int) -> None:
    state, done = copy.deepcopy(EMPTY), dict.fromkeys(("enroll", "merge", "forget", "reindex"), 0)
    for round_number in range(kills):
        rng = random.Random(f"{seed}-{round_number}")
        said = _killed_after(lambda out: work(url, folder, state, rng, out), rng)  # noqa: B023
        pending: Op | None = None
        for line in said:
            if "ack" in line:
                assert pending is not None
                state = after(state, pending)
                done[pending["verb"].split(" ")[0]] += 1
                pending = None
            else:
                pending = line
        found = _in_a_child(lambda out: out.write(json.dumps(look(url, folder)) + "\n"))
        allowed = [state] if pending is None else [state, after(state, pending)]
        assert found in allowed, f"round {round_number}, under way: {pending}\n{found}\n{state}"
        state = found
    print(json.dumps(done))


def after(state: State, op: Op) -> State:
    """What a store holds after an operation."""
    faces, people = dict(state["faces"]), set(state["people"])
    if op["verb"] == "enroll":
        faces |= op["faces"]
        people |= set(op["faces"].values())
    elif op["verb"] == "merge":
        faces = {f: op["into"] if p == op["other"] else p for f, p in faces.items()}
        people -= {op["other"]}
    elif op["verb"] == "forget person":
        faces = {f: p for f, p in faces.items() if p != op["person"]}
        people -= {op["person"]}
    elif op["verb"] == "forget photo":
        faces.pop(op["photo"], None)
    return {"faces": dict(sorted(faces.items())), "people": sorted(people)}


def work(url: str, folder: Path, state: State, rng: random.Random, out: TextIO) -> None:
    """Change the store for ever, as far as anybody lets us."""
    store, crops, index = _open(url, folder)
    while True:
        op = _choose(state, rng)
        out.write(json.dumps(op) + "\n")
        out.flush()
        _do(store, crops, index, op, rng)
        out.write('{"ack": true}\n')
        out.flush()
        state = after(state, op)


def _choose(state: State, rng: random.Random) -> Op:
    people, photos = state["people"], list(state["faces"])
    verbs = ["enroll"] * 4 + ["reindex"] * bool(photos)
    if len(people) > 3:
        verbs += ["merge", "merge", "forget person"]
    if len(photos) > 3:
        verbs += ["forget photo"]
    verb = rng.choice(verbs)
    if verb == "enroll":
        names = [f"person {rng.randrange(12)}" for _ in range(rng.randint(1, 8))]
        return {"verb": verb, "faces": {f"photo {rng.getrandbits(60)}": name for name in names}}
    if verb == "merge":
        into, other = rng.sample(people, 2)
        return {"verb": verb, "into": into, "other": other}
    if verb == "forget person":
        return {"verb": verb, "person": rng.choice(people)}
    if verb == "forget photo":
        return {"verb": verb, "photo": rng.choice(photos)}
    return {"verb": verb}


def _do(store: Any, crops: Any, index: Any, op: Op, rng: random.Random) -> None:
    from striate.serve.identities.enroll import enroll
    from striate.serve.identities.forget import forget_person, forget_photo
    from striate.serve.identities.listing import list_people
    from striate.serve.identities.people import merge
    from striate.serve.identities.reindex import reindex

    model = _serving(store)
    ids = {person.name: person.id for person in list_people(store, "ours")}
    if op["verb"] == "enroll":
        faces = [_face(model, photo, name) for photo, name in op["faces"].items()]
        enroll(store, crops, "ours", model, faces, who="me")
    elif op["verb"] == "merge":
        merge(store, "ours", ids[op["into"]], ids[op["other"]], who="me")
    elif op["verb"] == "forget person":
        gone = forget_person(store, crops, [index], "ours", ids[op["person"]], who="me")
        assert not any(gone.left.values()), gone
    elif op["verb"] == "forget photo":
        gone = forget_photo(store, crops, [index], "ours", op["photo"], who="me")
        assert not any(gone.left.values()), gone
    elif op["verb"] == "reindex":
        other = _model("b" if model.network == "a" else "a")
        reindex(store, crops, other, other.network, lambda c: _describe(other, c), who="me")
    if rng.random() < 0.3:
        index.follow()
        index.save()


def look(url: str, folder: Path) -> State:
    """What the store holds; and that its parts, the crops and the index agree."""
    import numpy as np
    from sqlalchemy import func
    from sqlalchemy import select as choose

    from striate.serve.identities import schema
    from striate.serve.identities.forget import finish_forgetting
    from striate.serve.identities.query import Query
    from striate.serve.identities.store import counter, serving_model

    store, crops, index = _open(url, folder)
    finish_forgetting(store, crops)
    faces, people, codes = schema.faces.c, schema.people.c, schema.codes.c
    with store.read() as connection:
        model = serving_model(connection)
        rows = connection.execute(
            choose(faces.id, faces.photo_id, faces.crop, people.name)
            .join(schema.people, people.id == faces.person_id, isouter=True)
            .order_by(faces.photo_id)
        ).all()
        names = list(connection.execute(choose(people.name).order_by(people.name)).scalars())
        newest = counter(connection, "change")
        listed = connection.execute(
            choose(func.count(), func.coalesce(func.max(schema.changes.c.seq), 0))
        ).one()
        assert tuple(listed) == (newest, newest), "a change number is missing"
        for table in (schema.descriptors, schema.codes):
            described = connection.execute(
                choose(table.c.face_id).where(table.c.model_id == (model.id if model else 0))
            ).scalars()
            assert sorted(described) == sorted(row.id for row in rows), "not each face is described"
        held = connection.execute(
            choose(codes.face_id, codes.code).where(codes.model_id == (model.id if model else 0))
        ).all()
    assert {row.crop for row in rows} <= crops.keys(), "a crop is missing"
    if held and model:
        ours = np.frombuffer(b"".join(row.code for row in held), np.uint8).reshape(-1, 32)
        found = index.search(Query(1, ours, 1, model.fingerprint))
        assert (found.distances == 0).all(), "the index lacks a code"
        assert len(index) == len(held), "the index holds more than the store"
    return {"faces": {row.photo_id: row.name for row in rows}, "people": sorted(names)}


def _open(url: str, folder: Path) -> tuple[Any, Any, Any]:
    from striate.serve.identities.crops import CropFolder
    from striate.serve.identities.face_index import FaceIndex
    from striate.serve.identities.store import IdentityStore

    store = IdentityStore.open(url)
    return store, CropFolder(folder / "crops"), FaceIndex(store, folder / "index", threads=1)


def _model(network: str) -> Any:
    from striate.serve.identities.fingerprint import ModelFingerprint

    return ModelFingerprint(network=network, detector="d", dimension=4, code_version="c")


def _serving(store: Any) -> Any:
    from striate.serve.identities.store import serving_model

    with store.read() as connection:
        found = serving_model(connection)
    return found.fingerprint if found else _model("a")


def _face(model: Any, photo: str, person: str) -> Any:
    from striate.serve.identities.faces import NewFace

    vectors, codes = _describe(model, [photo.encode()])
    return NewFace(photo, vectors[0], codes[0], person, crop=photo.encode())


def _describe(model: Any, crops: Any) -> Any:
    import hashlib

    import numpy as np

    found = [hashlib.sha256(model.network.encode() + crop).digest() for crop in crops]
    codes = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)
    return codes[:, :4].astype(np.float32) + codes[:, 4:8] / np.float32(256), codes


def _killed_after(task: Callable[[TextIO], None], rng: random.Random) -> list[Op]:
    """What a forked worker said until it was killed, some time after its first word."""
    reader, child = _fork(task)
    select.select([reader], [], [], 60)
    time.sleep(rng.expovariate(1 / 0.4))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    said = b""
    while block := os.read(reader, 1 << 16):
        said += block
    os.close(reader)
    assert os.WIFSIGNALED(status), f"the worker failed: {said[-3000:].decode()}"
    lines = said.decode().split("\n")[:-1]  # a line that was cut says nothing
    return [json.loads(line) for line in lines]


def _in_a_child(task: Callable[[TextIO], object]) -> State:
    """What a forked process says; FAISS's threads must not be there when the next one forks."""
    reader, child = _fork(task)
    said = b""
    while block := os.read(reader, 1 << 16):
        said += block
    os.close(reader)
    _, status = os.waitpid(child, 0)
    assert status == 0, said[-3000:].decode()
    found: State = json.loads(said)
    return found


def _fork(task: Callable[[TextIO], object]) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return reader, child
    os.close(reader)
    code = 1
    try:
        with os.fdopen(writer, "w") as out:
            try:
                task(out)
                code = 0
            except BaseException:
                import traceback

                out.write(traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    # Imported once, before any fork; FAISS starts no thread until it is used.
    import striate.serve.identities.face_index
    import striate.serve.identities.forget
    import striate.serve.identities.reindex  # noqa: F401

    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
