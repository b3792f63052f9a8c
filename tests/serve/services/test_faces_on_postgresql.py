"""`striate.v1.FaceRecognition` on a real PostgreSQL server, two replicas of it."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


def test_people_are_enrolled_known_and_forgotten(
    serve_faces: Any, face_photo: Callable[..., bytes], postgresql_database: str
) -> None:
    first, second = (serve_faces(url=postgresql_database) for _ in range(2))
    ids = {}
    for look, name in ((1, "Ada"), (2, "Bob"), (3, "")):
        (done,) = first.call("Enroll", image=face_photo(look), person=name).faces
        ids[name] = done
        (found,) = second.call("Search", image=face_photo(look)).faces
        assert (found.known, found.who, found.score) == (True, name, 1.0)
    assert second.refused("Enroll", image=face_photo(1)).code == "DUPLICATE_FACE"
    assert first.refused("Search", image=face_photo(1), photo_id="a\0b").code == "REQUEST"
    moved = second.call("MoveFaces", face_ids=[ids[""].face_id], new_person="Eve")
    assert first.call("Search", image=face_photo(3)).faces[0].who == "Eve" and moved.person_id
    assert first.call("HidePerson", person_id=moved.person_id, hidden=True).hidden
    assert second.call("Search", image=face_photo(3)).faces[0].who == "unknown"
    assert [one.name for one in second.call("ListPeople", limit=2).people] == ["Ada", "Bob"]
    gone = second.call("Forget", person_id=ids["Ada"].person_id)
    assert (gone.faces, gone.crops, gone.gone) == (1, 1, True), gone
    assert not first.call("Search", image=face_photo(1)).faces[0].known
    assert first.call("Forget", everything=True).people == 2
    assert first.refused("Forget", everything=True).status == "NOT_FOUND"
    verbs = [line.verb for line in first.audit()]
    assert verbs[:3] == ["enroll", "search", "enroll"] and "forget tenant" in verbs
