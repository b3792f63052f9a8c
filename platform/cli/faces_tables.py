"""Faces and people as tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from striate.cli.numbers import format_mean, format_probability, format_share
from striate.cli.output import format_time
from striate.cli.tables import Column, Table, facts, show_id

if TYPE_CHECKING:
    from striate.serve.protos.striate.v1 import face_recognition_pb2 as pb

_PLACE = (
    Column("left", 3, show=format_share), Column("top", 3, show=format_share),
    Column("width", 3, show=format_share), Column("height", 3, show=format_share),
)  # fmt: skip


def detected_table(title: str, faces: "Iterable[pb.DetectedFace]") -> Table:
    """Where the faces of a photo are, and how good."""
    columns = (
        Column("face", 0), *_PLACE, Column("sure", 1, show=format_probability),
        Column("px", 1, show=format_mean), Column("sharp", 2, show=format_mean),
        Column("yaw", 2, show=format_mean), Column("roll", 2, show=format_mean),
        Column("not enrolled, for", 1, folds=True),
    )  # fmt: skip
    rows = [
        [number, *_place(one.box), one.confidence, *_quality(one.quality), one.poor.message or None]
        for number, one in enumerate(faces, 1)
    ]
    return Table(title, columns, rows)


def described_table(title: str, faces: "Iterable[pb.DescribedFace]") -> Table:
    """What the faces of a photo are described by."""
    columns = (
        Column("face", 0), *_PLACE, Column("floats", 2), Column("code", 0, folds=True),
        Column("network", 1), Column("version", 2, show=show_id),
    )  # fmt: skip
    rows = [
        [
            number, *_place(one.face.box), len(one.descriptor.vector),
            one.descriptor.code.hex(" ", 8),
            one.descriptor.model.network.name, one.descriptor.model.network.version,
        ]
        for number, one in enumerate(faces, 1)
    ]  # fmt: skip
    return Table(title, columns, rows)


def enrolled_table(title: str, faces: "Iterable[pb.EnrolledFace]") -> Table:
    """What became of the faces of a photo."""
    from striate.serve.protos.striate.v1.face_recognition_pb2 import EnrollOutcome

    columns = (
        Column("outcome", 0), Column("face", 1, show=show_id), Column("person", 1, show=show_id),
        Column("left", 2, show=format_share), Column("top", 2, show=format_share),
        Column("why", 1, folds=True),
    )  # fmt: skip
    rows = [
        [
            EnrollOutcome.Name(one.outcome).removeprefix("ENROLL_OUTCOME_").lower(),
            one.face_id or None, one.person_id or None, one.face.box.left, one.face.box.top,
            one.failure.message or None,
        ]
        for one in faces
    ]  # fmt: skip
    return Table(title, columns, rows)


def found_table(title: str, faces: "Iterable[pb.FoundFace]") -> Table:
    """Who the faces of a photo are; a row a match."""
    columns = (
        Column("face", 0), Column("who", 0, folds=True),
        Column("score", 0, show=format_probability),
        Column("person", 1, show=show_id), Column("enrolled face", 2, show=show_id),
        Column("in the photo", 3, folds=True),
    )  # fmt: skip
    rows: list[list[Any]] = []
    for number, one in enumerate(faces, 1):
        if not one.known:
            score = one.score if one.HasField("score") else None
            rows.append([number, "unknown", score, None, None, None])
        rows += [
            [
                number, match.person or "(no name)", match.score, match.person_id or None,
                match.face_id, match.photo_id,
            ]
            for match in one.matches
        ]  # fmt: skip
    return Table(title, columns, rows)


def people_table(title: str, people: "Iterable[pb.Person]") -> Table:
    """People."""
    columns = (
        Column("person", 0, show=show_id), Column("name", 0, folds=True), Column("faces", 1),
        Column("hidden", 2), Column("cover", 3, show=show_id),
    )  # fmt: skip
    rows = [[one.id, one.name, one.faces, one.hidden, one.cover_face_id or None] for one in people]
    return Table(title, columns, rows)


def kept_table(title: str, faces: "Iterable[pb.KeptFace]") -> Table:
    """Enrolled faces."""
    columns = (
        Column("face", 0, show=show_id), Column("person", 1, show=show_id),
        Column("photo", 0, folds=True), *_PLACE, Column("px", 3, show=format_mean),
        Column("by hand", 2), Column("enrolled", 1),
    )  # fmt: skip
    rows = [
        [
            one.id, one.person_id or None, one.photo_id, *_place(one.box), one.quality.size_px,
            one.by_hand, format_time(one.enrolled_unix_s),
        ]
        for one in faces
    ]  # fmt: skip
    return Table(title, columns, rows)


def cluster_tables(answer: "pb.ClusterResponse") -> list[Table]:
    """Groups of unnamed faces, and people who may be one."""
    groups = Table(
        "Unnamed faces that are probably of one person",
        (
            Column("faces", 0), Column("ids", 0, folds=True),
            Column("cover", 2, show=show_id), Column("near person", 1, show=show_id),
            Column("score", 1, show=format_probability),
        ),
        [
            [
                len(group.face_ids), _some(group.face_ids), group.cover_face_id,
                group.nearest_person_id or None, group.score if group.nearest_person_id else None,
            ]
            for group in answer.groups
        ],
    )  # fmt: skip
    same = Table(
        "People who may be the same",
        (
            Column("person", 0, show=show_id), Column("other", 0, show=show_id),
            Column("score", 0, show=format_probability), Column("near pairs", 1),
        ),
        [[one.person_id, one.other_id, one.score, one.pairs] for one in answer.same_people],
    )  # fmt: skip
    return [groups, same]


def forgotten_table(title: str, gone: "pb.ForgetResponse") -> Table:
    """What went, and what was found of it afterwards."""
    names = ("faces", "descriptors", "codes", "people", "crops", "events")
    rows: list[tuple[str, Any]] = [(name, getattr(gone, name)) for name in names]
    rows += [(f"left: {name}", count) for name, count in sorted(gone.left.items())]
    return facts(title, rows)


def imported_table(title: str, done: "pb.ImportResponse") -> Table:
    """What became of an import."""
    names = ("photos", "enrolled", "known", "refused", "without_face", "failed")
    return facts(title, [(name.replace("_", " "), getattr(done, name)) for name in names])


def failures_table(failures: "Iterable[pb.ImportFailure]") -> Table:
    """What was wrong with photos and faces of an import."""
    columns = (Column("photo", 0, folds=True), Column("why", 0, folds=True))
    return Table("Not enrolled", columns, [[one.photo_id, one.failure.message] for one in failures])


def _place(box: "pb.FaceBox") -> list[float]:
    return [box.left, box.top, box.width, box.height]


def _quality(quality: "pb.FaceQuality") -> list[float]:
    return [quality.size_px, quality.sharpness, quality.yaw_deg, quality.roll_deg]


def _some(numbers: Iterable[int], most: int = 12) -> str:
    """The first numbers of a list."""
    listed = list(map(str, numbers))
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")
