"""What can be wrong with faces, beside what `striate.serve.sql.errors` says of their store.

::

    PlatformError
    └── IndexUnavailable     UNAVAILABLE
        └── IndexBuilding    UNAVAILABLE
    UsageError
    └── NameTaken            ALREADY_EXISTS
    RequestError
    ├── NoFace               INVALID_ARGUMENT
    ├── SeveralFaces         INVALID_ARGUMENT
    ├── DuplicateFace        ALREADY_EXISTS
    ├── PoorFace             INVALID_ARGUMENT
    ├── OtherModel           INVALID_ARGUMENT
    └── NoNextModel          INVALID_ARGUMENT
    BundleError
    └── NotTheStoresModel    FAILED_PRECONDITION
"""

from striate.core.errors import (
    BundleError,
    PlatformError,
    RequestError,
    UsageError,
)


class IndexUnavailable(PlatformError):
    """No part of the index answers."""

    code = "INDEX_UNAVAILABLE"


class IndexBuilding(IndexUnavailable):
    """The index is not whole yet, and answers nothing before it is."""

    @classmethod
    def of(cls, done: int, faces: int) -> "IndexBuilding":
        """Say how far it is."""
        return cls(
            f"The index of faces is being built: {done:,} of {faces:,} faces.",
            "Call again when it is whole.",
        )


class NameTaken(UsageError):
    """Another person has the name."""

    code = "NAME_TAKEN"
    grpc_status = "ALREADY_EXISTS"


class NoFace(RequestError):
    """A photo holds no face, or none at the place that was asked for."""

    code = "NO_FACE"


class SeveralFaces(RequestError):
    """A photo holds several faces where one is meant."""

    code = "SEVERAL_FACES"


class DuplicateFace(RequestError):
    """The face is enrolled already."""

    code = "DUPLICATE_FACE"
    grpc_status = "ALREADY_EXISTS"


class PoorFace(RequestError):
    """The face is too small, blurred or turned for what the deployment asks at enrolment."""

    code = "POOR_FACE"


class OtherModel(RequestError):
    """A descriptor or code of another model than the one that serves.

    Not FAILED_PRECONDITION: the caller brings it about, and a version on trial shall not be taken
    back for it.
    """

    code = "OTHER_MODEL"


class NoNextModel(RequestError):
    """Faces shall be described anew, and the deployment names no model to do it."""

    code = "NO_NEXT_MODEL"


class NotTheStoresModel(BundleError):
    """A deployment's models are none whose codes the store holds."""

    code = "NOT_THE_STORES_MODEL"
