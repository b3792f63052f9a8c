"""A Python caller's people: listed, corrected by hand, handed out and forgotten."""

from collections.abc import Iterator, Sequence
from typing import Any

from striate.core.errors import UsageError
from striate.serve.client.face_calls import PAGE, FaceCalls
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

CROPS_IN_PAGE = 50


class People(FaceCalls):
    """Calls that work with people: `Client.people`."""

    def ls(self, *, with_hidden: bool = False, name: str = "") -> Iterator[pb.Person]:
        """People in the order of their numbers.

        Args:
            with_hidden: whether hidden people are listed.
            name: only the person of that name, hidden or not; all if empty.
        """
        make = pb.ListPeopleRequest
        return self._pages(
            "ListPeople",
            "people",
            lambda after: make(with_hidden=with_hidden, name=name, after=after, limit=PAGE),
        )

    def get(self, person_id: int, *, with_cover: bool = False) -> pb.Person:
        """One person, with their cover picture where it is asked for.

        Raises:
            UnknownName: there is none.
        """
        make = pb.GetPersonRequest
        return self._call(pb.Person, "GetPerson", make(person_id=person_id, with_cover=with_cover))

    def faces(
        self,
        *,
        person_id: int | None = None,
        photo_id: str | None = None,
        with_crops: bool = False,
    ) -> Iterator[pb.KeptFace]:
        """Faces of a person or of a photo, and those without a name if neither is given.

        Args:
            person_id: whose.
            photo_id: in which photo.
            with_crops: whether the kept crops are sent.

        Raises:
            UnknownName: there is no such person.
        """
        which: dict[str, Any] = {"unnamed": True}
        if person_id is not None:
            which = {"person_id": person_id}
        elif photo_id is not None:
            which = {"photo_id": photo_id}
        limit = CROPS_IN_PAGE if with_crops else PAGE
        make = pb.ListFacesRequest
        return self._pages(
            "ListFaces",
            "faces",
            lambda after: make(**which, with_crops=with_crops, after=after, limit=limit),
        )

    def rename(self, person_id: int, name: str, *, merge: bool = False) -> pb.Person:
        """Give a person another name.

        Args:
            person_id: who.
            name: the new one.
            merge: where somebody has it already, they are the same person.

        Raises:
            UsageError: somebody has the name, and it was not to `merge`.
        """
        message = pb.RenamePersonRequest(person_id=person_id, name=name, merge=merge)
        return self._call(pb.Person, "RenamePerson", message, once=merge)

    def merge(self, into: int, other: int) -> pb.Person:
        """Two people are one: the first keeps name, number and cover."""
        return self._call(
            pb.Person, "MergePeople", pb.MergePeopleRequest(into=into, other=other), once=True
        )

    def split(self, person_id: int, face_ids: Sequence[int], name: str) -> pb.Person:
        """Some faces of a person are somebody else's: a new person.

        Raises:
            UsageError: somebody has the name.
        """
        message = pb.SplitPersonRequest(person_id=person_id, face_ids=face_ids, name=name)
        return self._call(pb.Person, "SplitPerson", message, once=True)

    def move(
        self, face_ids: Sequence[int], person_id: int | None = None, new_person: str = ""
    ) -> pb.MoveFacesResponse:
        """Say whose some faces are; nobody's where neither a person nor a name is given.

        Args:
            face_ids: the faces.
            person_id: whose.
            new_person: the name of a new person.

        Raises:
            UsageError: both are given, or somebody has the name.
        """
        if person_id is not None and new_person:
            raise UsageError("Faces are one person's.", "Give a person's number or a new name.")
        to: dict[str, Any] = {"nobody": True}
        if person_id is not None or new_person:
            to = {"new_person": new_person} if new_person else {"person_id": person_id}
        message = pb.MoveFacesRequest(face_ids=face_ids, **to)
        return self._call(pb.MoveFacesResponse, "MoveFaces", message, once=bool(new_person))

    def hide(self, person_id: int, hidden: bool = True) -> pb.Person:
        """Searches no longer find a person, or find them again."""
        return self._call(
            pb.Person, "HidePerson", pb.HidePersonRequest(person_id=person_id, hidden=hidden)
        )

    def choose_cover(self, person_id: int, face_id: int) -> pb.Person:
        """Let one of a person's faces stand for them."""
        message = pb.ChooseCoverRequest(person_id=person_id, face_id=face_id)
        return self._call(pb.Person, "ChooseCover", message)

    def forget(
        self, *, person_id: int | None = None, photo_id: str | None = None, everything: bool = False
    ) -> pb.ForgetResponse:
        """Forget a person, a photo, or all that was enrolled, with counts that prove it.

        It is called once: where it is not answered, ask again, and a person or photo that is not
        found is gone.

        Raises:
            UnknownName: there is none.
            UsageError: not exactly one is given.
        """
        if sum((person_id is not None, photo_id is not None, everything)) != 1:
            raise UsageError("One thing is forgotten.", "Give a person, a photo, or everything.")
        message = pb.ForgetRequest(
            person_id=person_id, photo_id=photo_id, everything=everything or None
        )
        return self._call(pb.ForgetResponse, "Forget", message, once=True)

    def export(self, person_id: int) -> Iterator[pb.ExportResponse]:
        """All that is held of one person: first the person, then a message for each face."""
        return self._stream("Export", pb.ExportRequest(person_id=person_id))
