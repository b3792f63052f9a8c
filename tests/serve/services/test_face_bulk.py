"""Imports in bulk, a change of model while the old one serves, and stores that cannot be used."""

import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from striate.core.errors import PlatformError
from striate.core.retry import Backoff
from striate.serve.common.limits import Limits
from striate.serve.identities import reindex as reindexing
from striate.serve.identities.errors import NotTheStoresModel
from striate.serve.identities.import_faces import import_schema
from striate.serve.predictors.faces import FacePredictor
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.server.batcher import QueueFull
from striate.serve.services import face_enrolling, face_importing
from striate.serve.services.face_context import FaceContext
from striate.serve.services.face_importing import MOST_PHOTOS
from striate.serve.sql.errors import StoreOutdated

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]


def photos(face_photo: FacePhoto, *looks: int) -> list[pb.ImportedPhoto]:
    return [
        pb.ImportedPhoto(image=face_photo(look), photo_id=f"p{look}", person=f"person {look}")
        for look in looks
    ]


def arrow(described: Any, *names: str, **fields: Any) -> bytes:
    """Faces that were described, as an import takes them."""
    rows = [
        {
            "photo_id": f"photo of {name}",
            "descriptor": list(one.descriptor.vector),
            "code": one.descriptor.code,
            "person": name,
            **fields,
        }
        for one, name in zip(described, names, strict=True)
    ]
    table = pa.Table.from_pylist(rows, import_schema(len(rows[0]["descriptor"])))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_photos_are_imported_in_bulk(faces: Any, face_photo: FacePhoto) -> None:
    blurred = face_photo(8, change=lambda photo: photo.resize((40, 40)))
    odd = [
        pb.ImportedPhoto(image=face_photo(), photo_id="empty"),
        pb.ImportedPhoto(image=b"no image", photo_id="broken"),
        pb.ImportedPhoto(image=blurred, photo_id="tiny"),
        pb.ImportedPhoto(image=face_photo(7), photo_id="named", person="a\nname"),
        pb.ImportedPhoto(image=face_photo(5, 6), photo_id="two", person="person 5"),
    ]
    requests = [
        pb.ImportRequest(photos=photos(face_photo, 1, 2), region="US"),
        pb.ImportRequest(photos=[*photos(face_photo, 3), *odd]),
    ]
    done = faces.send(requests)
    assert (done.photos, done.enrolled, done.known) == (8, 5, 0)
    assert (done.refused, done.without_face, done.failed) == (1, 1, 2)
    said = {one.photo_id: one.failure.code for one in done.failures}
    assert said == {
        "empty": "NO_FACE", "broken": "REQUEST", "tiny": "POOR_FACE", "named": "USAGE",
    }  # fmt: skip
    assert faces.call("Search", image=face_photo(2)).faces[0].who == "person 2"
    assert len(faces.call("ListFaces", photo_id="two").faces) == 2
    assert len(faces.call("ListFaces", unnamed=True).faces) == 1
    again = faces.send(requests)
    assert (again.enrolled, again.known) == (0, 5)
    assert faces.audit()[-1].verb == "import"


def test_a_message_of_photos_does_not_fill_the_server(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    faces = serve_faces(limits=Limits(image_bytes=3_000_000, queued=2))
    done = faces.send([pb.ImportRequest(photos=photos(face_photo, *range(1, 9)), region="US")])
    assert (done.enrolled, done.failed) == (8, 0)
    refusal = faces.refused("Import", photos=[pb.ImportedPhoto()] * (MOST_PHOTOS + 1))
    assert (refusal.status, refusal.code) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")
    assert "1,000" in refusal.sentence


def test_an_import_waits_for_room_that_others_take(
    faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = faces.call("Describe", image=face_photo(7)).faces
    calls = itertools.count()
    see, run = FaceContext.see, FaceContext.run

    def full_at_times(work: Any) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            if next(calls) % 3 != 2:
                raise QueueFull("Others wait.")
            return await work(*arguments, **named)

        return call

    monkeypatch.setattr(FaceContext, "see", full_at_times(see))
    monkeypatch.setattr(FaceContext, "run", full_at_times(run))
    monkeypatch.setattr(face_importing, "_PAUSE", Backoff.constant(0))
    done = faces.call("Import", photos=photos(face_photo, 1, 2, 3))
    assert (done.enrolled, done.failed) == (3, 0)
    model = described[0].descriptor.model
    assert faces.call("Import", arrow=arrow(described, "Ada"), model=model).enrolled == 1
    monkeypatch.setattr(face_importing, "ROOM_WITHIN_S", -1)
    done = faces.call("Import", photos=photos(face_photo, 4, 5))
    assert (done.enrolled, done.failed) == (0, 2)
    assert {one.failure.code for one in done.failures} == {"QUEUE_FULL"}


def test_who_only_looks_or_imports_follows_a_change_of_model(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    first, looking, importing = (serve_faces("network", following="other") for _ in range(3))
    first.call("Enroll", image=face_photo(1), person="Ada")
    assert first.call("Reindex")[-1].serves
    (one,) = looking.call("Describe", image=face_photo(1)).faces
    assert one.descriptor.model.network.name == "other"
    done = importing.call("Import", photos=photos(face_photo, 2))
    assert (done.enrolled, done.failed) == (1, 0)


def test_nothing_is_computed_on_the_event_loop(
    faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = faces.call("Describe", image=face_photo(1, 2, 3)).faces
    where: list[tuple[str, str]] = []

    def watched(name: str, work: Any) -> Any:
        def call(*arguments: Any) -> Any:
            where.append((name, threading.current_thread().name.split("_")[0]))
            return work(*arguments)

        return call

    monkeypatch.setattr(FacePredictor, "encode", watched("encode", FacePredictor.encode))
    hashed = watched("hash", face_enrolling.photo_id_of)
    for module in (face_enrolling, face_importing):
        monkeypatch.setattr(module, "photo_id_of", hashed)
    for one in described:
        one.descriptor.code = b""
    faces.call("Search", descriptors=[one.descriptor for one in described])
    assert where == [("encode", "faces")]
    faces.call("Enroll", image=face_photo(4))
    faces.call("Import", photos=[pb.ImportedPhoto(image=face_photo(5))])
    assert [one for one in where if one[0] == "hash"] == [("hash", "faces")] * 2


def test_faces_that_were_described_are_imported_from_arrow(
    faces: Any, face_photo: FacePhoto, face_model: Any
) -> None:
    described = faces.call("Describe", image=face_photo(1, 2)).faces
    names = ["left", "right"] if described[0].face.box.left < 0.5 else ["right", "left"]
    content, model = arrow(described, *names), described[0].descriptor.model
    done = faces.call("Import", arrow=content, model=model)
    assert (done.enrolled, done.refused, done.photos) == (2, 0, 0)
    assert faces.call("Search", image=face_photo(1)).faces[0].who == "left"
    other = pb.FaceModel.FromString(model.SerializeToString())
    other.network_sha256 = face_model("other").fingerprint.network
    for fields, status, code in (
        ({"arrow": content}, "INVALID_ARGUMENT", "REQUEST"),
        ({"arrow": content, "model": other}, "INVALID_ARGUMENT", "OTHER_MODEL"),
        ({"arrow": content, "model": pb.FaceModel()}, "INVALID_ARGUMENT", "OTHER_MODEL"),
        ({"arrow": b"no arrow", "model": model}, "INVALID_ARGUMENT", "REQUEST"),
        ({"arrow": content[:-200], "model": model}, "INVALID_ARGUMENT", "REQUEST"),
        ({"arrow": content, "photos": photos(face_photo, 1)}, "INVALID_ARGUMENT", "REQUEST"),
    ):
        refusal = faces.refused("Import", **fields)
        assert (refusal.status, refusal.code) == (status, code), refusal


def test_faces_that_were_measured_elsewhere_pass_the_gate_too(
    faces: Any, face_photo: FacePhoto
) -> None:
    described = faces.call("Describe", image=face_photo(1)).faces
    content = arrow(described, "Ada", size_px=12.0, sharpness=500.0)
    done = faces.call("Import", arrow=content, model=described[0].descriptor.model)
    assert (done.enrolled, done.refused) == (0, 1)
    assert done.failures[0].failure.code == "POOR_FACE"


def test_an_imported_crop_must_be_one_that_can_be_described_anew(
    faces: Any, serve_faces: Any, face_photo: FacePhoto
) -> None:
    described = faces.call("Describe", image=face_photo(1)).faces
    model, photo = described[0].descriptor.model, face_photo(1)
    faces.call("Enroll", image=photo, photo_id="kept")
    crop = faces.call("ListFaces", photo_id="kept", with_crops=True).faces[0].crop
    for wrong in (b"no picture", b"", photo, crop + bytes(400_000)):
        done = faces.call("Import", "other", arrow=arrow(described, "Ada", crop=wrong), model=model)
        assert (done.enrolled, done.refused, len(done.failures)) == (0, 1, 1)
    done = faces.call("Import", "other", arrow=arrow(described, "Ada", crop=crop), model=model)
    assert (done.enrolled, done.refused) == (1, 0)
    assert serve_faces("network", following="other").call("Reindex")[-1].serves


def test_a_caller_who_breaks_off_keeps_what_was_answered(faces: Any, face_photo: FacePhoto) -> None:
    looked = threading.Event()

    def requests() -> Iterator[pb.ImportRequest]:
        yield pb.ImportRequest(photos=photos(face_photo, 1), region="US")
        looked.wait(20)
        raise RuntimeError("the caller dies")

    def until_kept() -> None:
        while not faces.call("ListPeople").people:
            pass
        looked.set()

    watching = threading.Thread(target=until_kept)
    watching.start()
    with pytest.raises(grpc.RpcError):
        faces._stub.Import(requests(), timeout=30)
    watching.join()
    assert faces.call("Search", image=face_photo(1)).faces[0].who == "person 1"


def test_faces_are_described_anew_while_the_old_model_serves(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = serve_faces("network")
    for look in (1, 2, 3):
        old.call("Enroll", image=face_photo(look), person=f"person {look}")
    before = old.call("Describe", image=face_photo(1)).faces[0].descriptor
    both = serve_faces("network", following="other")
    beside = serve_faces("network", following="other")
    plan = both.call("Reindex", plan_only=True)
    assert [(one.needed, one.faces, one.waiting, one.serves) for one in plan] == [
        (True, 3, 3, False)
    ]
    assert "Another network" in plan[0].why
    found: list[str] = []
    describe = reindexing._describe

    def looked_at(*arguments: Any) -> int:
        found.append(beside.call("Search", image=face_photo(1)).faces[0].who)
        return describe(*arguments)

    monkeypatch.setattr(reindexing, "_describe", looked_at)
    told = both.call("Reindex", who="operator")
    assert found == ["person 1"], "the old model answered meanwhile"
    assert (told[-1].serves, told[-1].described) == (True, 3)
    for replica in (both, beside):
        assert replica.call("Search", image=face_photo(2)).faces[0].who == "person 2"
        now = replica.call("Describe", image=face_photo(1)).faces[0].descriptor
        assert now.model.network.name == "other" and now.code != before.code
        refusal = replica.refused("Search", descriptors=[before])
        assert refusal.code == "OTHER_MODEL"
        done = replica.call("Enroll", image=face_photo(4), again=True, person="Eve")
        assert done.faces[0].person_id
    (again,) = serve_faces("other").call("Search", image=face_photo(3)).faces
    assert again.who == "person 3"
    assert "reindex" in [line.verb for line in both.audit()]


def test_a_reindex_that_is_broken_off_goes_on_where_it_was(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reindexing, "BATCH", 1)
    faces = serve_faces("network", following="other")
    for look in (1, 2, 3):
        faces.call("Enroll", image=face_photo(look), person=f"person {look}")
    describe = reindexing._describe
    calls: list[int] = []

    def failing(*arguments: Any) -> int:
        calls.append(len(calls))
        if len(calls) == 2:
            raise PlatformError("It is cut off.")
        return describe(*arguments)

    monkeypatch.setattr(reindexing, "_describe", failing)
    assert faces.refused("Reindex").status == "UNAVAILABLE"
    assert faces.call("Search", image=face_photo(1)).faces[0].who == "person 1"
    told = faces.call("Reindex")
    assert (told[0].waiting, told[-1].described, told[-1].serves) == (2, 2, True)


def test_there_must_be_a_next_model_and_crops(serve_faces: Any, face_photo: FacePhoto) -> None:
    plain = serve_faces("network")
    refusal = plain.refused("Reindex")
    assert (refusal.status, refusal.code) == ("INVALID_ARGUMENT", "NO_NEXT_MODEL")
    plain.call("Enroll", image=face_photo(1), person="Ada")
    same = serve_faces("network", following="network").call("Reindex")
    assert [one.needed for one in same] == [False, False] and same[-1].serves
    bare = serve_faces("network", following="other", keep_crops=False)
    assert bare.refused("Reindex").code == "NO_NEXT_MODEL"
    bare.call("Enroll", image=face_photo(2))
    both = serve_faces("network", following="other")
    refusal = both.refused("Reindex")
    assert (refusal.status, refusal.code) == ("INVALID_ARGUMENT", "OTHER_MODEL")
    assert "1 faces cannot be described anew" in refusal.sentence
    assert both.call("Search", image=face_photo(2)).faces[0].known
    told = both.call("Reindex", leave_out=True)
    assert told[-1].serves and told[0].without_crop == 1
    assert not both.call("Search", image=face_photo(2), threshold=1.0).faces[0].known


def test_a_deployment_of_another_model_does_not_start(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    serve_faces("network").call("Enroll", image=face_photo(1))
    with pytest.raises(NotTheStoresModel, match="striate faces reindex"):
        serve_faces("other")


def test_a_store_that_another_holds_is_unavailable(
    serve_faces: Any, face_photo: FacePhoto, tmp_path: Path
) -> None:
    faces = serve_faces(busy_timeout_s=0.1)
    other = sqlite3.connect(tmp_path / "faces.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for method in ("Enroll", "Search", "Detect"):
        refusal = faces.refused(method, image=face_photo(1))
        assert (refusal.status, refusal.code) == ("UNAVAILABLE", "STORE_BUSY"), method
    other.execute("ROLLBACK")
    assert faces.call("Enroll", image=face_photo(1)).faces


def test_a_full_store_is_said_and_nothing_is_half_kept(faces: Any, face_photo: FacePhoto) -> None:
    faces.call("Enroll", image=face_photo(1), person="Ada")
    with faces.kept.store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    refusal = faces.refused("Enroll", image=face_photo(*range(2, 42)))
    assert (refusal.status, refusal.code) == ("RESOURCE_EXHAUSTED", "STORE_FULL")
    assert len(faces.kept.crops.keys()) == 1
    assert [one.faces for one in faces.call("ListPeople").people] == [1]


def test_a_store_of_an_older_schema_is_not_begun_with(
    serve_faces: Any, face_photo: FacePhoto, tmp_path: Path
) -> None:
    faces = serve_faces()
    connection = sqlite3.connect(tmp_path / "faces.db")
    connection.execute("DELETE FROM alembic_version")
    connection.commit()
    with pytest.raises(StoreOutdated, match="striate faces migrate"):
        serve_faces()
    connection.execute("DROP TABLE codes")
    connection.commit()
    refusal = faces.refused("Enroll", image=face_photo(1))
    assert (refusal.status, refusal.code) == ("FAILED_PRECONDITION", "STORE_OUTDATED")
