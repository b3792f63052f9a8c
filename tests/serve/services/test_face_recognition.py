"""`striate.v1.FaceRecognition`: found, described, enrolled, known again; or one clear status."""

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image, ImageFilter
from pydantic import ValidationError
from sqlalchemy import select

from striate.serve.common.tenants import NO_TOKEN
from striate.serve.identities import kept_faces, model_index, schema
from striate.serve.identities.code_index import CodeIndex
from striate.serve.identities.code_rows import CodeRows
from striate.serve.identities.feed import all_rows
from striate.serve.identities.segment import Hashing
from striate.serve.observability.observer import Observers
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_settings import FaceSettings, most_apart
from striate.serve.webhooks.config import Webhook, Webhooks
from striate.serve.webhooks.signature import make_secret

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]
ENROLLED, KNOWN, REFUSED = 1, 2, 3
SECOND = pb.FaceBox(left=0.6, top=0.2, width=0.3, height=0.6)
"""Where the second of two made-up faces is."""


def test_faces_are_found_and_where_there_are_none_none(faces: Any, face_photo: FacePhoto) -> None:
    found = faces.call("Detect", image=face_photo(1, 2, 3))
    assert (found.width_px, found.height_px, found.detector.name) == (240, 80, "detector")
    assert len(found.faces) == 3 and all(one.confidence > 0 for one in found.faces)
    assert found.faces[0].quality.size_px == pytest.approx(48, abs=1)
    assert not found.faces[0].HasField("poor")
    assert len(faces.call("Detect", image=face_photo(*range(40))).faces) == 40
    assert len(faces.call("Detect", image=face_photo()).faces) == 0


def test_each_face_is_described_with_where_it_comes_from(faces: Any, face_photo: FacePhoto) -> None:
    (one,) = faces.call("Describe", image=face_photo(1, 2), only=SECOND).faces
    (alone,) = faces.call("Describe", image=face_photo(2)).faces
    model = one.descriptor.model
    assert (model.network.name, model.network.version) == ("network", "3")
    assert (model.dimension, len(one.descriptor.code)) == (len(one.descriptor.vector), 32)
    assert one.descriptor.code == alone.descriptor.code
    assert faces.call("Describe", image=face_photo()).faces == []


def test_who_is_enrolled_is_known_at_once_and_a_stranger_is_not(
    faces: Any, face_photo: FacePhoto
) -> None:
    done = faces.call("Enroll", image=face_photo(1), person="Ada", photo_id="party")
    (kept,) = done.faces
    assert (done.photo_id, kept.outcome) == ("party", ENROLLED)
    assert kept.face_id and kept.person_id and not kept.HasField("failure")
    found = faces.call("Search", image=face_photo(9, 1))
    assert found.threshold == 0.75 and not found.partial
    known, stranger = sorted(found.faces, key=lambda one: not one.known)
    assert (known.who, known.person_id, known.known) == ("Ada", kept.person_id, True)
    assert known.score > 0.85
    (match,) = known.matches
    assert (match.face_id, match.person, match.photo_id) == (kept.face_id, "Ada", "party")
    assert (stranger.who, stranger.known, stranger.person_id) == ("unknown", False, 0)
    assert list(stranger.matches) == [] and 0.3 < stranger.score < 0.75
    assert stranger.face.box.left < known.face.box.left
    assert faces.call("Search", image=face_photo()).faces == []


def test_hash_tables_find_whom_they_know_and_a_scan_is_for_strangers(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned: list[int] = []
    scan = CodeIndex.search

    def counted(index: CodeIndex, tenant: int, codes: Any, k: int, **options: Any) -> Any:
        scanned.append(len(codes))
        return scan(index, tenant, codes, k, **options)

    monkeypatch.setattr(CodeIndex, "search", counted)
    faces = serve_faces(hash_tables=Hashing(13, 19, 1, least_rows=1))
    for look in (1, 2, 3):
        faces.call("Enroll", image=face_photo(look), person=f"person {look}")
    (known,) = faces.call("Search", image=face_photo(2)).faces
    assert (known.who, known.known, scanned) == ("person 2", True, [])
    both = sorted(faces.call("Search", image=face_photo(9, 3)).faces, key=lambda one: one.who)
    assert [one.who for one in both] == ["person 3", "unknown"]
    assert 0.3 < both[1].score < 0.75  # the nearest face's, which no table led to
    assert scanned == [1]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"tables": 13, "bits": 20}, "13 tables of 20 bits take 260, and a code has 256"),
        ({"tables": 4, "bits": 40}, "less than or equal to 32"),
        ({"tables": 0, "bits": 16}, "greater than or equal to 1"),
        ({"tables": 8, "bits": 8, "flips": 9}, "9 of 8 bits cannot be flipped"),
    ],
)
def test_tables_that_a_code_has_no_room_for_are_refused(
    tables: dict[str, int], sentence: str
) -> None:
    """Of a deployment, and wherever else they are given."""
    with pytest.raises(ValidationError, match=sentence):
        FaceSettings.model_validate({"hash_tables": tables})
    with pytest.raises(ValidationError, match=sentence):
        Hashing(**tables)


def test_a_call_has_its_own_threshold_and_number_of_matches(
    faces: Any, face_photo: FacePhoto
) -> None:
    for look in (1, 2, 3):
        faces.call("Enroll", image=face_photo(look), person=f"person {look}")
    (near,) = faces.call("Search", image=face_photo(7), threshold=0.0, top_k=2).faces
    scores = [match.score for match in near.matches]
    assert near.known and len(scores) == 2 and scores == sorted(scores, reverse=True)
    (far,) = faces.call("Search", image=face_photo(1), threshold=1.0).faces
    assert far.who == "person 1", "a threshold of 1 takes an equal code"
    assert not faces.call("Search", image=face_photo(7), threshold=1.0).faces[0].known


def test_a_search_of_nobody_has_no_score(faces: Any, face_photo: FacePhoto) -> None:
    (stranger,) = faces.call("Search", image=face_photo(1)).faces
    assert stranger.who == "unknown" and not stranger.HasField("score")


def test_a_descriptor_is_searched_as_its_photo_is(faces: Any, face_photo: FacePhoto) -> None:
    faces.call("Enroll", image=face_photo(1), person="Ada")
    described = faces.call("Describe", image=face_photo(1, 2)).faces
    whole = [one.descriptor for one in described]
    by_vector = [pb.Descriptor(vector=one.vector, model=one.model) for one in whole]
    by_code = [pb.Descriptor(code=one.code, model=one.model) for one in whole]
    answers = [faces.call("Search", descriptors=asked) for asked in (whole, by_vector, by_code)]
    names = [[one.who for one in answer.faces] for answer in answers]
    assert sorted(names[0]) == ["Ada", "unknown"] and names[0] == names[1] == names[2]
    assert not answers[0].faces[0].HasField("face")


def test_a_descriptor_of_another_model_is_refused(
    faces: Any, face_photo: FacePhoto, face_model: Any
) -> None:
    one = faces.call("Describe", image=face_photo(1)).faces[0].descriptor
    other = pb.Descriptor.FromString(one.SerializeToString())
    other.model.network_sha256 = face_model("other").fingerprint.network
    short = pb.Descriptor(vector=one.vector[:5], model=one.model)
    no_code = pb.Descriptor(code=b"short", model=one.model)
    nameless = pb.Descriptor(code=one.code)
    infinite = pb.Descriptor(vector=[float("inf")] * one.model.dimension, model=one.model)
    for wrong in (other, short, no_code, nameless, infinite):
        refusal = faces.refused("Search", descriptors=[wrong])
        assert (refusal.status, refusal.code) == ("INVALID_ARGUMENT", "OTHER_MODEL"), wrong
    pair = {"first": pb.OneFace(descriptor=one), "second": pb.OneFace(descriptor=other)}
    assert faces.refused("Verify", **pair).code == "OTHER_MODEL"


def test_two_faces_are_verified_by_the_same_scores_as_searches(
    faces: Any, face_photo: FacePhoto
) -> None:
    first, second = pb.OneFace(image=face_photo(1)), pb.OneFace(image=face_photo(2))
    faces.call("Enroll", image=face_photo(2), person="Bob")
    (nearest,) = faces.call("Search", image=face_photo(1)).faces
    apart = faces.call("Verify", first=first, second=second)
    assert (apart.same, apart.score, apart.threshold) == (False, nearest.score, 0.75)
    loose = faces.call("Verify", first=first, second=second, threshold=apart.score)
    assert loose.same, "a score that reaches the threshold"
    described = faces.call("Describe", image=face_photo(1)).faces[0].descriptor
    other = pb.OneFace(descriptor=described)
    assert faces.call("Verify", first=first, second=other).score == 1
    two = pb.OneFace(image=face_photo(5, 2), only=SECOND)
    assert faces.call("Verify", first=two, second=second).same
    for wrong, code in (
        (pb.OneFace(image=face_photo()), "NO_FACE"),
        (pb.OneFace(image=face_photo(1, 2)), "SEVERAL_FACES"),
        (pb.OneFace(), "REQUEST"),
    ):
        refusal = faces.refused("Verify", first=wrong, second=second)
        assert (refusal.status, refusal.code) == ("INVALID_ARGUMENT", code)


def test_a_photo_that_cannot_be_enrolled_has_one_clear_status(
    faces: Any, face_photo: FacePhoto
) -> None:
    sharp = face_photo(1)
    tiny = face_photo(1, change=lambda photo: photo.resize((40, 40)))
    blur = ImageFilter.GaussianBlur(12)
    blurred = face_photo(1, change=lambda photo: photo.resize((320, 320)).filter(blur))
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"image": face_photo()}, "INVALID_ARGUMENT", "NO_FACE"),
        (
            {"image": sharp, "only": pb.FaceBox(width=0.1, height=0.1)},
            "INVALID_ARGUMENT",
            "NO_FACE",
        ),
        ({"image": face_photo(1, 2), "person": "Ada"}, "INVALID_ARGUMENT", "SEVERAL_FACES"),
        ({"image": tiny}, "INVALID_ARGUMENT", "POOR_FACE"),
        ({"image": blurred}, "INVALID_ARGUMENT", "POOR_FACE"),
        ({"image": sharp, "person": " "}, "INVALID_ARGUMENT", "USAGE"),
        ({"image": sharp, "person": "x" * 201}, "INVALID_ARGUMENT", "USAGE"),
        ({"image": sharp, "photo_id": "x" * 201}, "INVALID_ARGUMENT", "REQUEST"),
        ({"image": sharp, "photo_id": "a\0b"}, "INVALID_ARGUMENT", "REQUEST"),
        ({"image": sharp, "only": pb.FaceBox(left=float("nan"))}, "INVALID_ARGUMENT", "REQUEST"),
        ({"image": b""}, "INVALID_ARGUMENT", "REQUEST"),
        ({"image": b"GIF89a"}, "INVALID_ARGUMENT", "REQUEST"),
        ({"image": bytes(3_000_001)}, "RESOURCE_EXHAUSTED", "TOO_LARGE"),
    ]
    for fields, status, code in cases:
        refusal = faces.refused("Enroll", **fields)
        assert (refusal.status, refusal.code) == (status, code), (fields.keys(), refusal)
    assert faces.call("ListFaces", unnamed=True).faces == []
    assert faces.call("ListPeople").people == []


def test_what_enrolment_would_refuse_detection_says(faces: Any, face_photo: FacePhoto) -> None:
    tiny = face_photo(1, change=lambda photo: photo.resize((40, 40)))
    (found,) = faces.call("Detect", image=tiny).faces
    assert (found.poor.code, found.poor.status) == ("POOR_FACE", 3)
    assert "pixels across" in found.poor.message


def test_a_face_is_kept_once_and_sent_again_is_known(faces: Any, face_photo: FacePhoto) -> None:
    (first,) = faces.call("Enroll", image=face_photo(1)).faces
    assert first.person_id == 0
    refusal = faces.refused("Enroll", image=face_photo(1))
    assert (refusal.status, refusal.code) == ("ALREADY_EXISTS", "DUPLICATE_FACE")
    assert f"face {first.face_id}" in refusal.sentence
    (named,) = faces.call("Enroll", image=face_photo(1), person="Ada").faces
    assert (named.outcome, named.face_id) == (KNOWN, first.face_id)
    assert named.person_id and not named.HasField("failure")
    assert faces.refused("Enroll", image=face_photo(1), person="Bob").status == "ALREADY_EXISTS"
    (again,) = faces.call("Enroll", image=face_photo(1), person="Bob", again=True).faces
    assert (again.outcome, again.person_id) == (KNOWN, named.person_id)
    assert again.failure.code == "DUPLICATE_FACE"
    assert [person.name for person in faces.call("ListPeople").people] == ["Ada"]


def test_of_several_faces_those_that_can_be_are_kept(faces: Any, face_photo: FacePhoto) -> None:
    photo = face_photo(1, 2)
    faces.call("Enroll", image=photo, person="Bob", only=SECOND)
    done = faces.call("Enroll", image=photo)
    assert sorted(one.outcome for one in done.faces) == [ENROLLED, KNOWN]
    assert done.photo_id == hashlib.sha256(photo).hexdigest()
    (second,) = faces.call("Enroll", image=face_photo(7, 8), person="Eve", only=SECOND).faces
    assert second.outcome == ENROLLED and second.face.box.left > 0.5


def test_one_person_twice_in_a_photo_is_the_deployments_to_decide(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    photo = face_photo(1, 2)
    first = pb.FaceBox(left=0.1, top=0.2, width=0.3, height=0.6)
    strict = serve_faces(twice_in_a_photo=False)
    strict.call("Enroll", image=photo, photo_id="p", person="Ada", only=first)
    refusal = strict.refused("Enroll", image=photo, photo_id="p", person="Ada", only=SECOND)
    assert (refusal.status, refusal.code) == ("ALREADY_EXISTS", "DUPLICATE_FACE")
    lax = serve_faces()
    (done,) = lax.call("Enroll", image=photo, photo_id="p", person="Ada", only=SECOND).faces
    assert done.outcome == ENROLLED


def test_tenants_meet_nobody_of_each_other(serve_faces: Any, face_photo: FacePhoto) -> None:
    faces = serve_faces(tenants={"new-phone": "phone"})
    (ours,) = faces.call("Enroll", "phone", image=face_photo(1), person="Ada").faces
    faces.call("Enroll", image=face_photo(2), person="Ada")
    for stranger in ("laptop", ""):
        assert not faces.call("Search", stranger, image=face_photo(1)).faces[0].known
        assert faces.refused("GetPerson", stranger, person_id=ours.person_id).status == "NOT_FOUND"
        assert faces.refused("Forget", stranger, person_id=ours.person_id).status == "NOT_FOUND"
    assert faces.call("Search", "new-phone", image=face_photo(1)).faces[0].who == "Ada"
    assert [p.id for p in faces.call("ListPeople", "phone").people] == [ours.person_id]


def test_replicas_see_each_others_enrolments_at_once(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    first, second = serve_faces(), serve_faces()
    for look in range(1, 4):
        first.call("Enroll", image=face_photo(look), person=f"person {look}")
        assert second.call("Search", image=face_photo(look)).faces[0].who == f"person {look}"


def test_webhooks_are_told_of_what_searches_saw(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOOR", make_secret())
    hook = Webhook(name="door", url="http://127.0.0.1:1/", secret="env:DOOR")
    events: queue.Queue[tuple[str, str, int]] = queue.Queue()
    observer = Observers()
    monkeypatch.setattr(observer, "record_event", lambda *event: events.put(event))
    faces = serve_faces(webhooks=Webhooks(hooks=(hook,), wait=True), observer=observer)
    ada = faces.call("Enroll", image=face_photo(1), person="Ada").faces[0].person_id
    faces.call("Search", image=face_photo(1, 9), photo_id="morning")
    faces.call("Search", image=face_photo(), photo_id="night")
    with faces.kept.store.read() as connection:
        rows = list(connection.execute(select(schema.webhook_events.c.body)).scalars())
    told = [json.loads(row)["data"] for row in rows]
    seen = sorted((one["kind"], one["photo_id"], one["person"]) for one in told)
    assert seen == [
        ("known", "morning", "Ada"),
        ("no_face", "night", ""),
        ("unknown", "morning", ""),
    ]
    assert {one["tenant"] for one in told} == {NO_TOKEN}
    (held, *_) = faces.call("Export", person_id=ada)
    assert [json.loads(body)["data"]["person_id"] for body in held.person.events] == [ada]
    gone = faces.call("Forget", person_id=ada)
    assert gone.events == 1 and gone.left["events"] == 0
    assert events.get(timeout=30) == ("door", "failed", 1), "nobody listens there"


def test_every_call_is_noted_and_no_picture_is(faces: Any, face_photo: FacePhoto) -> None:
    (kept,) = faces.call("Enroll", "phone", image=face_photo(1), person="Ada").faces
    faces.call("Detect", "phone", image=face_photo(1, 2))
    faces.call("Search", "phone", image=face_photo(1, 3))
    faces.call("GetPerson", "phone", person_id=kept.person_id)
    faces.refused("Search", "phone", image=b"no image")
    faces.refused("Search", image=face_photo(1), region="DE")
    lines = [(one.who, one.verb, json.loads(one.details)) for one in faces.audit()]
    assert lines == [
        ("phone", "enroll", {"enrolled": 1, "known": 0, "refused": 0}),
        ("phone", "detect", {"faces": 2}),
        ("phone", "search", {"faces": 2, "known": 1, "people": [kept.person_id]}),
        ("phone", "show person", {}),
        ("phone", "search", {"status": 3}),
        ("", "search", {"status": 7}),
    ]
    assert faces.audit()[3].person_id == kept.person_id


@pytest.mark.parametrize("region", ["DE", "EU", ""])
def test_every_call_passes_the_regions_policy(
    faces: Any, face_photo: FacePhoto, region: str
) -> None:
    """But for what is a person's right wherever they are."""
    service = pb.DESCRIPTOR.services_by_name["FaceRecognition"]
    for method in service.methods_by_name:
        refusal = faces.refused(method, region=region)
        off = (refusal.status, refusal.code) == ("PERMISSION_DENIED", "FACES_OFF")
        assert off != (method in ("Forget", "Export", "Reindex")), (method, refusal)


def test_a_deployment_may_say_where_photos_come_from(
    serve_faces: Any, face_photo: FacePhoto
) -> None:
    here = serve_faces(region="us-ca")
    assert here.call("Detect", image=face_photo(1), region="").faces
    assert here.refused("Detect", image=face_photo(1), region="FR").code == "FACES_OFF"
    assert here.refused("Detect", image=face_photo(1), region="Bavaria").code == "REQUEST"
    with pytest.raises(ValueError, match="no region"):
        FaceSettings(region="Bavaria")


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_what_cannot_be_meant_is_refused(
    faces: Any, face_photo: FacePhoto, threshold: float
) -> None:
    for method in ("Search", "Verify", "Cluster"):
        fields = {"image": face_photo(1)} if method == "Search" else {}
        refusal = faces.refused(method, threshold=threshold, **fields)
        assert (refusal.status, refusal.code) == ("INVALID_ARGUMENT", "REQUEST")


def test_a_search_takes_an_image_or_descriptors(faces: Any, face_photo: FacePhoto) -> None:
    one = faces.call("Describe", image=face_photo(1)).faces[0].descriptor
    for fields in (
        {},
        {"image": face_photo(1), "descriptors": [one]},
        {"descriptors": [one] * 1001},
        {"image": face_photo(1), "top_k": 1001},
        {"image": face_photo(1), "photo_id": "x" * 201},
    ):
        assert faces.refused("Search", **fields).code == "REQUEST"
    assert len(faces.call("Search", descriptors=[one] * 1000).faces) == 1000


def test_thresholds_are_distances() -> None:
    from struct import pack, unpack

    assert [most_apart(score) for score in (1.0, 0.75, 0.5, 0.0)] == [0, 64, 128, 256]
    for distance in range(257):
        (score,) = unpack("f", pack("f", 1 - distance / 256))  # as a message carries it
        assert most_apart(score) == distance
    assert FaceSettings().tenant_of("") == NO_TOKEN and FaceSettings().tenant_of("a") == "a"


def test_turned_pictures_are_as_upright_ones(faces: Any, face_photo: FacePhoto) -> None:
    import io

    faces.call("Enroll", image=face_photo(1), person="Ada")
    upright = Image.open(io.BytesIO(face_photo(9, 1)))
    for orientation, turn in ((3, 180), (6, 90), (8, 270)):
        exif, out = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        upright.rotate(turn, expand=True).save(out, "PNG", exif=exif)
        found = faces.call("Search", image=out.getvalue()).faces
        (known,) = [one for one in found if one.known]
        assert known.who == "Ada" and known.face.box.left > 0.5


def test_a_server_starts_while_its_index_is_being_built_and_says_so(
    serve_faces: Any, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_faces().call("Enroll", image=face_photo(1), person="Ada")
    go_on = threading.Event()

    def slow(*arguments: Any) -> Iterator[CodeRows]:
        go_on.wait(60)
        yield from all_rows(*arguments)

    monkeypatch.setattr(model_index, "all_rows", slow)
    monkeypatch.setattr(kept_faces, "WHOLE_WITHIN_S", 0)
    faces = serve_faces()
    try:
        refusal = faces.refused("Search", image=face_photo(1))
        assert (refusal.status, refusal.code) == ("UNAVAILABLE", "INDEX_UNAVAILABLE")
        assert "is being built" in refusal.sentence
        assert faces.call("Enroll", image=face_photo(2), person="Bob").faces[0].outcome == ENROLLED
    finally:
        go_on.set()
    assert faces.kept.index.progress(60).ready
    for look, name in ((1, "Ada"), (2, "Bob")):
        assert faces.call("Search", image=face_photo(look)).faces[0].who == name
