"""A change of model: the old one serves until every face is described anew, then the new one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.core.errors import DataError, RequestError
from striate.serve.identities import face_index, model_index, schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import enroll
from striate.serve.identities.errors import IndexBuilding, OtherModel
from striate.serve.identities.export import export_person
from striate.serve.identities.face_index import FaceIndex
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.listing import list_people
from striate.serve.identities.query import Query
from striate.serve.identities.reindex import Describe, plan_reindex, reindex
from striate.serve.identities.search import identify
from striate.serve.identities.store import IdentityStore, count_rows, serving_model

pytestmark = pytest.mark.unit

COUNT = 150  # more than two batches


@pytest.fixture
def newer(model: ModelFingerprint) -> ModelFingerprint:
    """Another network with descriptors of the same dimension."""
    return model.model_copy(update={"network": "n2"})


@pytest.fixture
def enrolled(
    store: IdentityStore, crops: CropFolder, model: ModelFingerprint, new_face: Any
) -> list[int]:
    faces = [new_face(n, person=f"person {n}", crop=str(n).encode()) for n in range(COUNT)]
    return [one.face_id for one in enroll(store, crops, "ours", model, faces, who="me").faces]


@pytest.fixture
def describe(new_face: Any) -> Describe:
    """The newer network: what the old one says of the number plus 1000."""

    def call(crops: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        faces = [new_face(1000 + int(crop)) for crop in crops]
        return np.stack([f.descriptor for f in faces]), np.stack([f.code for f in faces])

    return call


def test_the_plan_says_what_is_needed(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint,
    newer: ModelFingerprint, new_face: Any,
) -> None:  # fmt: skip
    enroll(store, crops, "ours", model, [new_face(500)], who="me")
    plan = plan_reindex(store, newer)
    assert (plan.needed, plan.faces, plan.waiting, plan.without_crop) == (
        True, COUNT + 1, COUNT, 1,
    )  # fmt: skip
    assert plan.why.startswith("Another network")
    assert not plan_reindex(store, model).needed


def test_the_same_weights_under_a_new_name_need_none(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint
) -> None:
    def never(crops: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("a face was described")

    assert reindex(store, crops, model, "renamed", never, who="me").name == "renamed"
    with store.read() as connection:
        serving = serving_model(connection)
        assert serving is not None and serving.name == "renamed"
        assert count_rows(connection, schema.codes) == COUNT


def test_the_old_model_serves_until_the_switch(
    store: IdentityStore, crops: CropFolder, tmp_path: Path, enrolled: list[int],
    model: ModelFingerprint, newer: ModelFingerprint, describe: Describe, new_face: Any,
) -> None:  # fmt: skip
    index = FaceIndex(store, tmp_path / "index", threads=1)
    index.save()
    told: list[int] = []

    def progress(done: int) -> None:
        """Meanwhile: searches, and one more face that comes late."""
        told.append(done)
        if len(told) == 2:
            enroll(
                store, crops, "ours", model, [new_face(400, person="late", crop=b"400")], who="me"
            )
        index.follow()
        (found,) = identify(store, index, "ours", model, new_face(7).code[None], most=10)
        assert found.who == "person 7"

    reindex(store, crops, newer, "newer", describe, who="me", progress=progress)
    assert sum(told) == COUNT + 1
    for number, name in ((7, "person 7"), (400, "late")):
        code = new_face(1000 + number).code[None]
        (found,) = identify(store, index, "ours", newer, code, most=10)
        assert (found.who, found.score) == (name, 1.0)
    with pytest.raises(OtherModel, match="its network is n1, and the index holds n2"):
        identify(store, index, "ours", model, new_face(7).code[None], most=10)
    with store.read() as connection:
        assert count_rows(connection, schema.codes) == COUNT + 1
        assert count_rows(connection, schema.descriptors) == COUNT + 1
    with pytest.raises(OtherModel):
        enroll(store, crops, "ours", model, [new_face(401)], who="me")
    old = new_face(7).code.tobytes()
    assert not any(old in file.read_bytes() for file in (tmp_path / "index").iterdir())
    person = next(p for p in list_people(store, "ours") if p.name == "person 7")
    (face,) = export_person(store, crops, "ours", person.id, who="me").faces
    assert [one.model for one in face.descriptions] == ["newer"]


def test_searches_are_answered_through_the_switch(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint,
    newer: ModelFingerprint, describe: Describe, new_face: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The new model's index is there before it serves, with whom was enrolled meanwhile."""
    index = FaceIndex(store, threads=1, beside=True)
    index.build()
    index.follow()
    told: list[int] = []

    def found(fingerprint: ModelFingerprint, number: int) -> tuple[str, float | None]:
        at_least, code = store.newest_change(), new_face(number).code[None]
        (one,) = identify(store, index, "ours", fingerprint, code, most=10, at_least=at_least)
        return one.who, one.score

    def progress(done: int) -> None:
        told.append(done)
        if len(told) == 2:
            index.build()  # of what is described so far
            monkeypatch.setattr(model_index, "all_rows", _never)
            late = [new_face(400, person="late", crop=b"400")]
            enroll(store, crops, "ours", model, late, who="me")
        assert found(model, 7) == ("person 7", 1.0)

    reindex(
        store, crops, newer, "newer", describe, who="me", progress=progress, prepare=index.prepare
    )
    assert found(model, 400) == ("late", 1.0), "of the old codes, until it is asked for the new"
    assert found(newer, 1400) == ("late", 1.0)
    assert [found(newer, 1000 + number)[0] for number in (0, 149)] == ["person 0", "person 149"]
    with pytest.raises(OtherModel):
        found(model, 400)


def test_the_new_models_index_is_made_before_the_switch(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint,
    newer: ModelFingerprint, describe: Describe, new_face: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Also where nobody looked after it meanwhile; where it is not there, that is said."""
    prepared, lazy = (FaceIndex(store, threads=1, beside=True) for _ in range(2))
    for index in (prepared, lazy):
        index.build()
        index.follow()
    reindex(store, crops, newer, "newer", describe, who="me", prepare=prepared.prepare)
    monkeypatch.setattr(model_index, "all_rows", _never)
    monkeypatch.setattr(face_index, "BUILT_AT_ONCE", 0)
    query = Query(1, new_face(1007).code[None], 1, newer)
    assert prepared.search(query).face_ids[0, 0] == enrolled[7]
    with pytest.raises(IndexBuilding):
        lazy.search(query)
    assert lazy.search(Query(1, new_face(7).code[None], 1, model)).face_ids[0, 0] == enrolled[7]


def _never(*arguments: Any) -> Any:
    raise AssertionError("an index is made anew")


def test_it_goes_on_where_it_was_interrupted(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], newer: ModelFingerprint,
    describe: Describe,
) -> None:  # fmt: skip
    seen: list[bytes] = []

    def failing(batch: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        if len(seen) >= 64:
            raise DataError("The power went out.")
        seen.extend(batch)
        return describe(batch)

    with pytest.raises(DataError):
        reindex(store, crops, newer, "newer", failing, who="me")
    assert plan_reindex(store, newer).waiting == COUNT - 64
    seen_again: list[bytes] = []

    def going_on(batch: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        seen_again.extend(batch)
        return describe(batch)

    reindex(store, crops, newer, "newer", going_on, who="me")
    assert len(seen_again) == COUNT - 64
    assert not set(seen_again) & set(seen)


def test_faces_without_a_crop_stop_the_switch_until_they_may_be_left_out(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint,
    newer: ModelFingerprint, describe: Describe, new_face: Any,
) -> None:  # fmt: skip
    enroll(store, crops, "ours", model, [new_face(500, person="cropless")], who="me")
    with pytest.raises(OtherModel, match=r"^1 faces cannot be described anew"):
        reindex(store, crops, newer, "newer", describe, who="me")
    index = FaceIndex(store, threads=1)
    assert len(index) == COUNT + 1  # the old one serves on
    reindex(store, crops, newer, "newer", describe, who="me", leave_out=True)
    index.follow()
    assert len(index) == COUNT
    found = index.search(Query(1, new_face(1007).code[None], 1, newer))
    assert found.face_ids[0, 0] == enrolled[7]


def test_a_crop_that_is_no_picture_stops_no_other_face(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], model: ModelFingerprint,
    newer: ModelFingerprint, describe: Describe, new_face: Any,
) -> None:  # fmt: skip
    enroll(store, crops, "other", model, [new_face(500, crop=b"no picture")], who="them")
    asked: list[int] = []

    def strict(batch: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(batch))
        if b"no picture" in batch:
            raise RequestError("It is no picture.")
        return describe(batch)

    with pytest.raises(OtherModel, match=r"^1 faces cannot be described anew"):
        reindex(store, crops, newer, "newer", strict, who="me")
    assert plan_reindex(store, newer).waiting == 1
    assert asked.count(1) == COUNT % 64 + 1, "only the batch with the bad one is taken apart"
    reindex(store, crops, newer, "newer", strict, who="me", leave_out=True)
    with store.read() as connection:
        assert count_rows(connection, schema.codes) == COUNT


def test_two_reindexes_at_once_describe_each_face_once(
    store: IdentityStore, crops: CropFolder, enrolled: list[int], newer: ModelFingerprint,
    describe: Describe,
) -> None:  # fmt: skip
    begun: list[int] = []

    def overtaken(batch: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        if not begun:
            begun.append(1)
            reindex(store, crops, newer, "newer", describe, who="another")
        return describe(batch)

    assert reindex(store, crops, newer, "newer", overtaken, who="me").state == "serving"
    with store.read() as connection:
        assert count_rows(connection, schema.codes) == COUNT
