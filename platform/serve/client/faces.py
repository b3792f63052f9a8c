"""A Python caller's faces: found, described, enrolled and known again."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from striate.serve.client.face_calls import FACES, FaceCalls
from striate.serve.common.limits import MEBIBYTE
from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

if TYPE_CHECKING:
    from striate.serve.common.face_types import FaceBox

PACKED = 16
"""Photos of a message of an import, at most; they are looked at together."""
PACKED_BYTES = 4 * MEBIBYTE
"""Bytes of their images, but where one alone has more."""
Photo = tuple[str, bytes, str]
"""A photo's id, the encoded image, and whose it is; either name may be empty."""


class Faces(FaceCalls):
    """Calls that look at faces: `Client.faces`."""

    def detect(self, image: bytes) -> pb.DetectResponse:
        """Where the faces of a photo are; none where there is none."""
        return self._call(pb.DetectResponse, "Detect", pb.DetectRequest(image=image))

    def describe(self, image: bytes, only: "FaceBox | None" = None) -> pb.DescribeResponse:
        """The faces of a photo with their descriptors; nothing is kept.

        Args:
            image: an encoded photo.
            only: the face that is here; None for all.
        """
        return self._call(
            pb.DescribeResponse, "Describe", pb.DescribeRequest(image=image, only=_box(only))
        )

    def verify(
        self,
        first: bytes | pb.Descriptor,
        second: bytes | pb.Descriptor,
        threshold: float | None = None,
    ) -> pb.VerifyResponse:
        """Whether two faces are of one person.

        Args:
            first: a photo of one face, or a descriptor.
            second: likewise.
            threshold: least score of one person; None takes the deployment's.

        Raises:
            RequestError: a photo holds no face, or several.
        """
        message = pb.VerifyRequest(
            first=_one_face(first), second=_one_face(second), threshold=threshold
        )
        return self._call(pb.VerifyResponse, "Verify", message)

    def enroll(
        self,
        image: bytes,
        person: str = "",
        photo_id: str = "",
        only: "FaceBox | None" = None,
        *,
        again: bool = False,
    ) -> pb.EnrollResponse:
        """Keep the faces of a photo.

        A call that nobody answered is repeated with `again`, for it may have been done: then a face
        is known that the first attempt has enrolled.

        Args:
            image: an encoded photo.
            person: whose face it is; empty keeps all faces unnamed.
            photo_id: what you call the photo; empty takes the image's SHA-256.
            only: the face that is here; None for all.
            again: the photo may have been enrolled before.

        Raises:
            RequestError: the photo holds no face, several for one name, or a poor one.
            UsageError: every face is there already, and it was not `again`.
        """
        first = pb.EnrollRequest(
            image=image, person=person, photo_id=photo_id, only=_box(only), again=again
        )
        later = pb.EnrollRequest()
        later.CopyFrom(first)
        later.again = True
        return self._call(pb.EnrollResponse, "Enroll", first, later)

    def search(
        self,
        image: bytes = b"",
        descriptors: Sequence[pb.Descriptor] = (),
        *,
        only: "FaceBox | None" = None,
        threshold: float | None = None,
        top_k: int = 1,
        photo_id: str = "",
    ) -> pb.SearchResponse:
        """Who the faces of a photo, or of descriptors, are.

        Args:
            image: an encoded photo; or else `descriptors`.
            descriptors: faces that were described before.
            only: of the photo, the face that is here; None for all.
            threshold: least score of a match; None takes the deployment's.
            top_k: matches a face, at most.
            photo_id: what you call the photo, for webhooks.
        """
        message = pb.SearchRequest(
            image=image,
            descriptors=descriptors,
            only=_box(only),
            threshold=threshold,
            top_k=top_k,
            photo_id=photo_id,
        )
        return self._call(pb.SearchResponse, "Search", message)

    def cluster(
        self, threshold: float | None = None, least_faces: int = 2, limit: int = 100
    ) -> pb.ClusterResponse:
        """Group unnamed faces that are probably of one person, and name people who may be one.

        Args:
            threshold: least score at which two faces may be of one person; None takes the
                deployment's.
            least_faces: of a group.
            limit: groups, and pairs of people, at most.
        """
        make = pb.ClusterRequest
        return self._call(
            pb.ClusterResponse,
            "Cluster",
            make(threshold=threshold, least_faces=least_faces, limit=limit),
        )

    def import_photos(self, photos: Iterable[Photo]) -> pb.ImportResponse:
        """Enrol photos in bulk; what is there already is known, so that it can be sent again.

        Args:
            photos: taken by another thread, as the server takes them.
        """
        return self._import(
            pb.ImportRequest(
                photos=[
                    pb.ImportedPhoto(photo_id=name, image=image, person=person)
                    for name, image, person in some
                ]
            )
            for some in _packed(photos)
        )

    def import_arrow(self, parts: Iterable[bytes], model: pb.FaceModel) -> pb.ImportResponse:
        """Enrol faces in bulk that were described before.

        Args:
            parts: whole Arrow IPC streams, each smaller than a message may be.
            model: what described them: the one that serves.

        Raises:
            RequestError: they are of another model, or a column is missing.
        """
        return self._import(pb.ImportRequest(arrow=part, model=model) for part in parts)

    def reindex(
        self, *, plan_only: bool = False, leave_out: bool = False
    ) -> Iterator[pb.ReindexResponse]:
        """Describe every face anew by the deployment's next model: what it takes, then how far.

        Args:
            plan_only: only say what it takes.
            leave_out: faces without a kept crop are found no more; without this they stop it.
        """
        message = pb.ReindexRequest(plan_only=plan_only, leave_out=leave_out)
        return self._stream("Reindex", message)

    def _import(self, messages: Iterable[Any]) -> pb.ImportResponse:
        (answer,) = self._client.stream(FACES, "Import", self._in_region(messages))
        assert isinstance(answer, pb.ImportResponse)
        return answer

    def _in_region(self, messages: Iterable[Any]) -> Iterator[Any]:
        for message in messages:
            message.region = self._client.region
            yield message


def _box(box: "FaceBox | None") -> dict[str, float] | None:
    return None if box is None else vars(box)


def _one_face(face: bytes | pb.Descriptor) -> pb.OneFace:
    return pb.OneFace(image=face) if isinstance(face, bytes) else pb.OneFace(descriptor=face)


def _packed(photos: Iterable[Photo]) -> Iterator[list[Photo]]:
    """Photos of one message each."""
    some: list[Photo] = []
    size = 0
    for photo in photos:
        if some and (len(some) == PACKED or size + len(photo[1]) > PACKED_BYTES):
            yield some
            some, size = [], 0
        some.append(photo)
        size += len(photo[1])
    if some:
        yield some
