"""Enrolling: what is kept, what is found to be there already, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from striate.core.errors import UsageError
from striate.serve.common.face_types import FaceBox, FaceQuality
from striate.serve.identities import schema
from striate.serve.identities.crops import CropFolder
from striate.serve.identities.enroll import enroll
from striate.serve.identities.errors import OtherModel
from striate.serve.identities.face_batch import EnrolmentRules, FaceBatch
from striate.serve.identities.faces import NewFace, QualityLimits
from striate.serve.identities.fingerprint import ModelFingerprint
from striate.serve.identities.listing import list_people
from striate.serve.identities.people import move_faces
from striate.serve.identities.store import IdentityStore, count_rows
from striate.serve.sql.errors import StoreFull

pytestmark = pytest.mark.unit


@pytest.fixture
def enrol(store: IdentityStore, crops: CropFolder, model: ModelFingerprint) -> Any:
    def call(*faces: NewFace, tenant: str = "ours", **rules: Any) -> Any:
        done = enroll(store, crops, tenant, model, faces, who="me", rules=EnrolmentRules(**rules))
        return done.faces

    return call


def test_a_face_is_kept_with_all_that_was_said_of_it(
    store: IdentityStore, crops: CropFolder, enrol: Any, new_face: Any
) -> None:
    face = new_face(
        1, person="Ada", crop=b"picture", box=FaceBox(0.1, 0.2, 0.3, 0.4),
        quality=FaceQuality(80, 12.5, -20, 3),
    )  # fmt: skip
    (done,) = enrol(face)
    assert done.outcome == "enrolled"
    with store.read() as connection:
        row = connection.execute(select(schema.faces)).one()
        vector = connection.execute(select(schema.descriptors.c.vector)).scalar_one()
        code = connection.execute(select(schema.codes.c.code)).scalar_one()
        audit = connection.execute(select(schema.audit)).one()
    assert (row.id, row.person_id, row.photo_id) == (done.face_id, done.person_id, face.photo_id)
    assert (row.left, row.top, row.width, row.height) == (0.1, 0.2, 0.3, 0.4)
    assert (row.size_px, row.sharpness, row.yaw_deg, row.roll_deg) == (80, 12.5, -20, 3)
    assert np.frombuffer(vector, "<f4").tolist() == face.descriptor.tolist()
    assert code == face.code.tobytes()
    assert crops.read(row.crop) == b"picture"
    assert (audit.who, audit.verb, audit.details) == (
        "me", "enroll", '{"enrolled": 1, "known": 0, "refused": 0}',
    )  # fmt: skip


def test_the_same_descriptor_is_known_whatever_the_photo_is_called(
    crops: CropFolder, enrol: Any, new_face: Any
) -> None:
    (first,) = enrol(new_face(1, person="Ada", crop=b"one"))
    (again,) = enrol(new_face(1, person="Bob", photo_id="elsewhere", crop=b"two"))
    assert (again.outcome, again.face_id, again.person_id) == (
        "known", first.face_id, first.person_id,
    )  # fmt: skip
    assert again.error.grpc_status == "ALREADY_EXISTS"
    assert len(crops.keys()) == 1


def test_another_tenant_knows_nothing_of_it(enrol: Any, new_face: Any) -> None:
    (ours,) = enrol(new_face(1, person="Ada"))
    (theirs,) = enrol(new_face(1, person="Ada"), tenant="theirs")
    assert theirs.outcome == "enrolled"
    assert theirs.person_id != ours.person_id


def test_detecting_again_keeps_what_people_corrected(
    store: IdentityStore, enrol: Any, new_face: Any
) -> None:
    """A detector that is run again finds the face a few pixels aside, with another descriptor."""
    (wrong,) = enrol(new_face(1, photo_id="p", person="Ada", box=FaceBox(0.1, 0.1, 0.4, 0.4)))
    (other,) = enrol(new_face(2, person="Bob"))
    move_faces(store, "ours", [wrong.face_id], other.person_id, who="me")
    (again,) = enrol(new_face(3, photo_id="p", person="Ada", box=FaceBox(0.12, 0.1, 0.4, 0.4)))
    assert (again.outcome, again.face_id, again.person_id) == (
        "known", wrong.face_id, other.person_id,
    )  # fmt: skip


def test_an_unnamed_face_takes_the_name_that_comes_later(
    store: IdentityStore, enrol: Any, new_face: Any
) -> None:
    (unnamed,) = enrol(new_face(1))
    assert unnamed.person_id is None
    (named,) = enrol(new_face(1, person="Ada"))
    assert (named.face_id, named.error) == (unnamed.face_id, None)
    assert [(p.name, p.faces) for p in list_people(store, "ours")] == [("Ada", 1)]


def test_a_batch_finds_its_own_duplicates(store: IdentityStore, enrol: Any, new_face: Any) -> None:
    done = enrol(new_face(1), new_face(2), new_face(1, photo_id="again", person="Ada"))
    assert [one.outcome for one in done] == ["enrolled", "enrolled", "known"]
    assert done[2].face_id == done[0].face_id
    assert [(p.name, p.faces) for p in list_people(store, "ours")] == [("Ada", 1)]


def test_the_first_name_that_comes_for_an_unnamed_face_stays(
    store: IdentityStore, enrol: Any, new_face: Any
) -> None:
    enrol(new_face(1))
    first, second = (new_face(1, photo_id=name, person=name) for name in ("Ada", "Bob"))
    assert [one.outcome for one in enrol(first, second)] == ["known", "known"]
    assert [(p.name, p.faces) for p in list_people(store, "ours")] == [("Ada", 1)]


def test_one_person_twice_in_a_photo_is_the_deployments_to_decide(
    enrol: Any, new_face: Any
) -> None:
    left, right = FaceBox(0, 0, 0.4, 1), FaceBox(0.5, 0, 0.4, 1)
    pair = [new_face(s, photo_id="mirror", person="Ada", box=b) for s, b in ((1, left), (2, right))]
    strict = enrol(*pair, tenant="strict", twice_in_a_photo=False)
    assert [one.outcome for one in strict] == ["enrolled", "refused"]
    assert strict[1].error.grpc_status == "ALREADY_EXISTS"
    assert [one.outcome for one in enrol(*pair)] == ["enrolled", "enrolled"]


@pytest.mark.parametrize(
    ("quality", "says"),
    [
        (FaceQuality(39, 50, 0, 0), "39 pixels across"),
        (FaceQuality(40, 9, 0, 0), "sharpness is 9.0"),
        (FaceQuality(40, 10, -61, 0), "turned aside by 61"),
        (FaceQuality(40, 10, 0, 46), "leaning by 46"),
    ],
)
def test_the_gate_names_the_limit_that_a_face_misses(
    store: IdentityStore, crops: CropFolder, enrol: Any, new_face: Any,
    quality: FaceQuality, says: str,
) -> None:  # fmt: skip
    limits = QualityLimits(size_px=40, sharpness=10, yaw_deg=60, roll_deg=45)
    good = new_face(1, quality=FaceQuality(40, 10, 60, -45))
    done = enrol(new_face(2, quality=quality, crop=b"x"), good, limits=limits)
    assert [one.outcome for one in done] == ["refused", "enrolled"]
    assert says in str(done[0].error)
    assert done[0].error.grpc_status == "INVALID_ARGUMENT"
    assert not crops.keys()
    with store.read() as connection:
        assert count_rows(connection, schema.faces) == 1


@pytest.mark.parametrize("field", ["network", "detector", "code_version"])
def test_a_description_of_another_model_is_refused_by_name(
    store: IdentityStore, enrol: Any, new_face: Any, model: ModelFingerprint, field: str
) -> None:
    enrol(new_face(1))
    other = model.model_copy(update={field: "other"})
    with pytest.raises(OtherModel, match=f"its {field.replace('_', ' ')} is other"):
        enroll(store, None, "ours", other, [new_face(2)], who="me")


def test_a_description_of_another_shape_is_refused(
    store: IdentityStore, enrol: Any, new_face: Any, model: ModelFingerprint
) -> None:
    face = new_face(1)
    long = NewFace("p", np.zeros(9, np.float32), face.code)
    short = NewFace("p", face.descriptor, face.code[:31])
    broken = NewFace("p", face.descriptor * np.float32("nan"), face.code)
    for wrong in (long, short, broken):
        with pytest.raises(OtherModel):
            enrol(wrong)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_names_that_nobody_could_show_are_refused(
    store: IdentityStore, enrol: Any, new_face: Any, name: str
) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a person"):
        enrol(new_face(1, person=name))
    with store.read() as connection:
        assert count_rows(connection, schema.faces) == 0


def test_crops_that_no_row_came_to_name_are_swept(
    tmp_path: Path, store: IdentityStore, enrol: Any, new_face: Any
) -> None:
    crops = CropFolder(tmp_path / "crops")
    enrol(new_face(1, crop=b"kept"))
    stray = crops.keep(b"of a process that was killed")
    (named,) = crops.keys() - {stray}
    assert crops.strays({named}) == set()  # it may be about to be named
    assert crops.strays({named}, older_than_s=-1) == {stray}


def test_a_call_that_fails_leaves_no_crop_however_many_it_had(
    crops: CropFolder, enrol: Any, new_face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(batch: FaceBatch) -> int:
        raise StoreFull("The store is full.", "Make room.")

    monkeypatch.setattr(FaceBatch, "insert", refuse)
    monkeypatch.setattr("striate.serve.sql.store.AT_A_TIME", 2)
    with pytest.raises(StoreFull):
        enrol(*(new_face(number, crop=b"%d" % number) for number in range(5)))
    assert not crops.keys()
