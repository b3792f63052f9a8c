"""People and their faces: listed, named, merged, split, moved, hidden."""

from typing import Any

from striate.core.errors import RequestError
from striate.serve.identities import people
from striate.serve.identities.faces import check_photo_id
from striate.serve.identities.kept_faces import KeptFaces
from striate.serve.identities.listing import (
    ListedFace,
    Person,
    crop_key,
    get_person,
    list_faces,
    list_people,
)
from striate.serve.identities.store import check_name
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb
from striate.serve.services.face_context import FaceCall, FaceContext
from striate.serve.services.face_messages import (
    cover_of,
    kept_message,
    person_message,
    read_limit,
    read_numbers,
)

MOST_CROPS = 50
"""Faces of a page with their crops."""


async def list_people_page(
    context: FaceContext, message: Any, face: FaceCall
) -> pb.ListPeopleResponse:
    """People in the order of their numbers."""
    limit = read_limit(message.limit)
    if message.name:
        check_name("person", message.name)
    found = await context.run(
        list_people,
        context.kept.store,
        face.tenant,
        with_hidden=message.with_hidden,
        after=message.after,
        limit=limit + 1,
        name=message.name or None,
    )
    face.details["people"] = len(found[:limit])
    shown = [person_message(person) for person in found[:limit]]
    return pb.ListPeopleResponse(people=shown, more=len(found) > limit)


async def show_person(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """One person."""
    shown = await context.run(
        _shown, context.kept, face.tenant, message.person_id, with_cover=message.with_cover
    )
    face.person_id = message.person_id  # only now: another tenant's is nothing to note
    return shown


async def list_faces_page(
    context: FaceContext, message: Any, face: FaceCall
) -> pb.ListFacesResponse:
    """Faces of a person, of a photo, or without a name."""
    which = message.WhichOneof("which")
    if which is None or not getattr(message, which):
        raise RequestError("The request does not say which faces.", "Name a person or a photo.")
    most = MOST_CROPS if message.with_crops else 1000
    limit = min(read_limit(message.limit), most)
    asked = {"person_id": message.person_id, "photo_id": message.photo_id, "unnamed": True}
    if which == "photo_id":
        check_photo_id(message.photo_id)
    found = await context.run(
        list_faces,
        context.kept.store,
        face.tenant,
        **{which: asked[which]},
        after=message.after,
        limit=limit + 1,
    )
    face.details["faces"] = len(found[:limit])
    face.person_id = message.person_id or None
    shown = await context.run(_with_crops, context.kept, found[:limit], message.with_crops)
    return pb.ListFacesResponse(faces=shown, more=len(found) > limit)


async def rename_person(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """Another name."""
    kept = context.kept
    number = await context.run(
        people.rename,
        kept.store,
        face.tenant,
        message.person_id,
        message.name,
        who=face.who,
        merge=message.merge,
    )
    return await _changed(context, face, number)


async def merge_people(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """Two are one."""
    store = context.kept.store
    await context.run(people.merge, store, face.tenant, message.into, message.other, who=face.who)
    return await _changed(context, face, message.into)


async def split_person(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """Some faces are somebody else's."""
    numbers = read_numbers(message.face_ids)
    number = await context.run(
        people.split,
        context.kept.store,
        face.tenant,
        message.person_id,
        numbers,
        message.name,
        who=face.who,
    )
    return await _changed(context, face, number)


async def move_faces(context: FaceContext, message: Any, face: FaceCall) -> pb.MoveFacesResponse:
    """Whose some faces are."""
    numbers, to = read_numbers(message.face_ids), message.WhichOneof("to")
    store, tenant, who = context.kept.store, face.tenant, face.who
    if to is None or not getattr(message, to):
        raise RequestError(
            "The request does not say whose the faces are.", "Name a person, or set `nobody`."
        )
    if to == "new_person":
        person = await context.run(
            people.name_faces, store, tenant, numbers, message.new_person, who=who
        )
    else:
        person = message.person_id
        await context.run(people.move_faces, store, tenant, numbers, person or None, who=who)
    face.noted = True
    return pb.MoveFacesResponse(faces=len(set(numbers)), person_id=person)


async def hide_person(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """Searches find a person no more, or again."""
    store = context.kept.store
    await context.run(
        people.hide, store, face.tenant, message.person_id, who=face.who, hidden=message.hidden
    )
    return await _changed(context, face, message.person_id)


async def choose_cover(context: FaceContext, message: Any, face: FaceCall) -> pb.Person:
    """Which face stands for a person."""
    await context.run(
        people.choose_cover,
        context.kept.store,
        face.tenant,
        message.person_id,
        message.face_id,
        who=face.who,
    )
    return await _changed(context, face, message.person_id)


async def _changed(context: FaceContext, face: FaceCall, person_id: int) -> pb.Person:
    """The person, after a change that has noted itself."""
    face.noted = True
    return await context.run(_shown, context.kept, face.tenant, person_id, with_cover=False)


def _shown(kept: KeptFaces, tenant: str, person_id: int, *, with_cover: bool) -> pb.Person:
    person = get_person(kept.store, tenant, person_id)
    return person_message(person, _cover(kept, tenant, person) if with_cover else b"")


def _cover(kept: KeptFaces, tenant: str, person: Person) -> bytes:
    key = crop_key(kept.store, tenant, cover_of(person))
    return read_crop(kept, key)


def _with_crops(kept: KeptFaces, faces: list[ListedFace], wanted: bool) -> list[pb.KeptFace]:
    return [kept_message(one, read_crop(kept, one.crop) if wanted else b"") for one in faces]


def read_crop(kept: KeptFaces, key: str | None) -> bytes:
    """A kept crop; nothing where none is kept."""
    crop = kept.crops.read(key) if key is not None else None
    return crop or b""
