"""The client's calls about faces: what is repeated and what is not, pages, and bulk."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.core.errors import PlatformError, UnknownName, UsageError
from striate.serve.client import faces as bulk
from striate.serve.client import people as paging
from striate.serve.client.client import Client
from striate.serve.client.faces import Faces, _packed
from striate.serve.client.people import People
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

pytestmark = pytest.mark.unit
FacePhoto = Callable[..., bytes]


@pytest.fixture
def client(face_server: Any) -> Iterator[Client]:
    """A client of a server of its own."""
    with Client(face_server().address, deadline_s=60) as found:
        yield found


def test_who_is_enrolled_is_found_corrected_and_forgotten(
    client: Client, face_photo: FacePhoto
) -> None:
    (ada,) = client.faces.enroll(face_photo(1), "Ada", "party").faces
    (bob,) = client.faces.enroll(face_photo(2), "Bob").faces
    (found,) = client.faces.search(face_photo(1)).faces
    assert (found.who, found.person_id) == ("Ada", ada.person_id)
    assert client.faces.verify(face_photo(1), face_photo(1)).same
    (described,) = client.faces.describe(face_photo(2)).faces
    assert not client.faces.verify(face_photo(1), described.descriptor).same
    assert client.faces.search(descriptors=[described.descriptor]).faces[0].who == "Bob"
    assert client.people.rename(bob.person_id, "Robert").name == "Robert"
    assert client.people.get(bob.person_id, with_cover=True).cover[:4] == b"\x89PNG"
    assert client.people.hide(bob.person_id).hidden
    assert [one.name for one in client.people.ls()] == ["Ada"]
    assert not client.people.hide(bob.person_id, hidden=False).hidden
    assert [one.id for one in client.people.faces(photo_id="party")] == [ada.face_id]
    new = client.people.split(bob.person_id, [bob.face_id], "Bobby")
    assert client.people.choose_cover(new.id, bob.face_id).cover_face_id == bob.face_id
    assert client.people.move([bob.face_id]).person_id == 0
    assert [one.id for one in client.people.faces()] == [bob.face_id]
    assert client.people.move([bob.face_id], bob.person_id).faces == 1
    assert client.people.move([bob.face_id], new_person="Rob").person_id > new.id
    assert client.people.merge(ada.person_id, bob.person_id).name == "Ada"
    first, *rest = client.people.export(ada.person_id)
    assert first.person.person.name == "Ada" and [one.face.face.id for one in rest] == [ada.face_id]
    assert client.people.forget(person_id=ada.person_id).gone
    with pytest.raises(UnknownName):
        client.people.get(ada.person_id)
    with pytest.raises(UsageError):
        client.people.forget(person_id=1, photo_id="x")
    with pytest.raises(UsageError):
        client.people.move([1], 1, "x")


def test_a_face_that_is_there_is_an_error_unless_it_is_sent_again(
    client: Client, face_photo: FacePhoto
) -> None:
    client.faces.enroll(face_photo(1), "Ada")
    with pytest.raises(UsageError, match="already"):
        client.faces.enroll(face_photo(1), "Ada")
    (again,) = client.faces.enroll(face_photo(1), "Ada", again=True).faces
    assert pb.EnrollOutcome.Name(again.outcome) == "ENROLL_OUTCOME_KNOWN"


class _Lost(grpc.RpcError):
    """A call whose connection broke."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Socket closed"

    def trailing_metadata(self) -> tuple[()]:
        return ()


@pytest.fixture
def broken(client: Client) -> list[Any]:
    """The client's first call is lost on its way back; the messages that are sent."""
    sent: list[Any] = []
    stub = client._stub("striate.v1.FaceRecognition")

    def losing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(message: Any, **how: Any) -> Any:
            sent.append(message)
            answer = method(message, **how)
            if len(sent) == 1:
                raise _Lost
            return answer

        return call

    for name in ("Enroll", "Forget", "HidePerson", "MoveFaces"):
        setattr(stub, name, losing(getattr(stub, name)))
    return sent


def test_an_enrolment_whose_answer_was_lost_is_repeated_as_again(
    client: Client, broken: list[Any], face_photo: FacePhoto
) -> None:
    (known,) = client.faces.enroll(face_photo(1), "Ada").faces
    assert [message.again for message in broken] == [False, True]
    assert pb.EnrollOutcome.Name(known.outcome) == "ENROLL_OUTCOME_KNOWN" and known.person_id


def test_forgetting_is_called_once(
    client: Client, broken: list[Any], face_photo: FacePhoto
) -> None:
    """A second call would say that there is nobody, and lose the counts that prove it."""
    client.faces.import_photos([("a", face_photo(1), "Ada")])
    with pytest.raises(PlatformError, match="does not answer"):
        client.people.forget(person_id=1)
    assert len(broken) == 1


def test_naming_is_called_once_and_hiding_is_repeated(
    client: Client, broken: list[Any], face_photo: FacePhoto
) -> None:
    client.faces.import_photos([("a", face_photo(1), "Ada"), ("b", face_photo(2), "")])
    assert client.people.hide(1).hidden and len(broken) == 2
    broken.clear()
    with pytest.raises(PlatformError):
        client.people.move([2], new_person="Bob")
    assert len(broken) == 1


def test_pages_are_read_to_the_last(
    client: Client, face_photo: FacePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE", 2)
    photos = [(f"p{number}", face_photo(number), f"person {number}") for number in range(5)]
    client.faces.import_photos(photos)
    assert [one.name for one in client.people.ls()] == [f"person {n}" for n in range(5)]
    assert [one.name for one in client.people.ls(name="person 3")] == ["person 3"]
    assert len(list(client.people.faces(photo_id="p1"))) == 1
    assert list(client.people.ls(name="nobody")) == []


def test_an_import_counts_and_names_what_is_wrong(client: Client, face_photo: FacePhoto) -> None:
    photos = [("a", face_photo(1), "Ada"), ("b", b"no photo", ""), ("c", face_photo(), "")]
    done = client.faces.import_photos(iter(photos))
    assert (done.photos, done.enrolled, done.failed, done.without_face) == (3, 1, 1, 1)
    assert {one.photo_id for one in done.failures} == {"b", "c"}
    again = client.faces.import_photos(photos[:1])
    assert (again.enrolled, again.known) == (0, 1)


def test_what_the_callers_iterable_raises_reaches_the_caller(
    client: Client, face_photo: FacePhoto
) -> None:
    def photos() -> Iterator[tuple[str, bytes, str]]:
        for number in range(bulk.PACKED):
            yield f"p{number}", face_photo(1), ""
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.faces.import_photos(photos())


def test_a_method_that_does_not_stream_or_is_not_there(client: Client) -> None:
    with pytest.raises(UnknownName, match="Exprot"):
        list(client.stream("striate.v1.FaceRecognition", "Exprot", pb.ExportRequest()))
    with pytest.raises(UnknownName):
        list(client.people.export(77))


def test_the_region_goes_with_every_call(face_server: Any, face_photo: FacePhoto) -> None:
    address = face_server(region="").address
    with Client(address) as nowhere, Client(address, region="US") as here:
        assert len(here.faces.detect(face_photo(1)).faces) == 1
        with pytest.raises(Exception, match="region"):
            nowhere.faces.detect(face_photo(1))
        with pytest.raises(Exception, match="region"):
            nowhere.faces.import_photos([("a", face_photo(1), "")])


@given(sizes=st.lists(st.integers(0, 6 * 2**20), max_size=60))
def test_photos_are_packed_in_order_and_no_message_is_too_large(sizes: list[int]) -> None:
    class Image(bytes):
        """Bytes that only say how many they are."""

        size: int

        def __len__(self) -> int:
            return self.size

    photos = []
    for number, size in enumerate(sizes):
        image = Image()
        image.size = size
        photos.append((str(number), image, ""))
    messages = list(_packed(photos))
    assert [photo for message in messages for photo in message] == photos
    for message in messages:
        assert 0 < len(message) <= bulk.PACKED
        assert len(message) == 1 or sum(len(p[1]) for p in message) <= bulk.PACKED_BYTES


def test_every_method_of_the_service_can_be_called() -> None:
    methods = pb.DESCRIPTOR.services_by_name["FaceRecognition"].methods_by_name
    calls = {name for kind in (Faces, People) for name in vars(kind) if not name.startswith("_")}
    assert len(calls) == len(methods) + 1  # photos and descriptions are imported by two
