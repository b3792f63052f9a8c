"""The errors a user can cause, as one small tree.

::

    StriateError                exit  gRPC
    ├── UsageError                2   INVALID_ARGUMENT
    │   ├── RecipeError           2   INVALID_ARGUMENT
    │   ├── SettingsError         2   INVALID_ARGUMENT
    │   └── UnknownName           2   NOT_FOUND
    ├── DataError                 3   DATA_LOSS
    ├── BundleError               4   FAILED_PRECONDITION
    ├── CheckpointError           5   DATA_LOSS
    ├── PlatformError             6   UNAVAILABLE
    │   ├── DiskFull              6   UNAVAILABLE
    │   ├── TrackingUnavailable   6   UNAVAILABLE
    │   │   └── TrackingFault     6   UNAVAILABLE
    │   ├── TrackingRefused       6   FAILED_PRECONDITION
    │   └── RolledBack           12   ABORTED
    ├── PlacementError            7   FAILED_PRECONDITION
    ├── UnsupportedLayer          8   FAILED_PRECONDITION
    ├── RequestError              9   INVALID_ARGUMENT
    │   └── PayloadTooLarge       9   RESOURCE_EXHAUSTED
    ├── AccessRefused            13   UNAUTHENTICATED
    ├── ExtensionError           14   FAILED_PRECONDITION
    └── TrainingFailed           10   INTERNAL
        └── TrainingStopped      11   CANCELLED

Every message is one sentence that names the thing; `remedy` is one that says what to do. Both
reach the command line and a gRPC caller, so neither may hold a trace or a path of the server
that the caller did not send.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class StriateError(Exception):
    """Something a user can cause and mend.

    Args:
        message: one sentence that names the thing that is wrong.
        remedy: one sentence that says what to do about it; may be empty.
    """

    code: ClassVar[str] = "STRIATE"
    exit_code: ClassVar[int] = 1
    grpc_status: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)  # both in `args`, so that pickling keeps both
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(StriateError):
    """A command, field or value that cannot be meant."""

    code = "USAGE"
    exit_code = 2
    grpc_status = "INVALID_ARGUMENT"


class RecipeError(UsageError):
    """A recipe's field or value is wrong."""

    code = "RECIPE"


class SettingsError(UsageError):
    """A setting from the environment or the settings file is wrong."""

    code = "SETTINGS"


class UnknownName(UsageError):
    """A name that is not among the known ones."""

    code = "UNKNOWN_NAME"
    grpc_status = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> "UnknownName":
        """Name the thing asked for and the nearest valid names."""
        return cls(f"There is no {kind} named {name!r}.", nearest(name, known))


class DataError(StriateError):
    """A corpus, shard or sample is damaged or missing."""

    code = "DATA"
    exit_code = 3
    grpc_status = "DATA_LOSS"


class BundleError(StriateError):
    """A bundle is damaged, of another version, or not what was asked for."""

    code = "BUNDLE"
    exit_code = 4
    grpc_status = "FAILED_PRECONDITION"


class CheckpointError(StriateError):
    """No checkpoint can be used."""

    code = "CHECKPOINT"
    exit_code = 5
    grpc_status = "DATA_LOSS"


class PlatformError(StriateError):
    """A process, port, disk or server that Striate needs is not to be had."""

    code = "PLATFORM"
    exit_code = 6
    grpc_status = "UNAVAILABLE"


class DiskFull(PlatformError):
    """A disk has no room left for what is to be written."""

    code = "DISK_FULL"


class TrackingUnavailable(PlatformError):
    """The tracking server does not answer; what was to be logged is kept in the metric log."""

    code = "TRACKING"


class TrackingFault(TrackingUnavailable):
    """The tracking server answers with an error of its own (5xx), which may pass."""

    code = "TRACKING_FAULT"


class TrackingRefused(PlatformError):
    """The tracking server answers, and refuses what it is asked (4xx): waiting does not help."""

    code = "TRACKING_REFUSED"
    grpc_status = "FAILED_PRECONDITION"


class RolledBack(PlatformError):
    """A new version was tried, did not keep its limits, and was taken back."""

    code = "ROLLED_BACK"
    exit_code = 12
    grpc_status = "ABORTED"


class PlacementError(StriateError):
    """No pool can take the work."""

    code = "PLACEMENT"
    exit_code = 7
    grpc_status = "FAILED_PRECONDITION"


class UnsupportedLayer(StriateError):
    """A chip cannot run a layer of the model."""

    code = "UNSUPPORTED_LAYER"
    exit_code = 8
    grpc_status = "FAILED_PRECONDITION"


class RequestError(StriateError):
    """A request's payload cannot be used."""

    code = "REQUEST"
    exit_code = 9
    grpc_status = "INVALID_ARGUMENT"


class PayloadTooLarge(RequestError):
    """A request's payload is over a limit."""

    code = "TOO_LARGE"
    grpc_status = "RESOURCE_EXHAUSTED"


class AccessRefused(StriateError):
    """A caller did not prove that it may call, or may not do what it asks."""

    code = "ACCESS"
    exit_code = 13
    grpc_status = "UNAUTHENTICATED"


class ExtensionError(StriateError):
    """A package or module that adds to Striate cannot be used."""

    code = "EXTENSION"
    exit_code = 14
    grpc_status = "FAILED_PRECONDITION"


class TrainingFailed(StriateError):
    """A run ended without a model."""

    code = "TRAINING"
    exit_code = 10


class TrainingStopped(TrainingFailed):
    """A run was asked to end before its end; it wrote a checkpoint and can be resumed."""

    code = "STOPPED"
    exit_code = 11
    grpc_status = "CANCELLED"


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the valid names nearest to `name`, or all of a short list.

    >>> nearest("lenet6", ["lenet1", "lenet5", "vgg16"])
    'Did you mean lenet5 or lenet1?'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not names:
        return "There are none yet."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}."
