"""The error tree: stable exit codes and statuses, messages that survive a process boundary."""

import pickle

import grpc
import pytest

from striate.core import errors
from striate.core.errors import StriateError, UnknownName, nearest

pytestmark = pytest.mark.unit

# What scripts and callers rely on; a change here is a change of the interface.
TABLE = {
    "StriateError": ("STRIATE", 1, "INTERNAL"),
    "UsageError": ("USAGE", 2, "INVALID_ARGUMENT"),
    "RecipeError": ("RECIPE", 2, "INVALID_ARGUMENT"),
    "SettingsError": ("SETTINGS", 2, "INVALID_ARGUMENT"),
    "UnknownName": ("UNKNOWN_NAME", 2, "NOT_FOUND"),
    "DataError": ("DATA", 3, "DATA_LOSS"),
    "BundleError": ("BUNDLE", 4, "FAILED_PRECONDITION"),
    "CheckpointError": ("CHECKPOINT", 5, "DATA_LOSS"),
    "PlatformError": ("PLATFORM", 6, "UNAVAILABLE"),
    "DiskFull": ("DISK_FULL", 6, "UNAVAILABLE"),
    "TrackingUnavailable": ("TRACKING", 6, "UNAVAILABLE"),
    "TrackingFault": ("TRACKING_FAULT", 6, "UNAVAILABLE"),
    "TrackingRefused": ("TRACKING_REFUSED", 6, "FAILED_PRECONDITION"),
    "RolledBack": ("ROLLED_BACK", 12, "ABORTED"),
    "PlacementError": ("PLACEMENT", 7, "FAILED_PRECONDITION"),
    "UnsupportedLayer": ("UNSUPPORTED_LAYER", 8, "FAILED_PRECONDITION"),
    "RequestError": ("REQUEST", 9, "INVALID_ARGUMENT"),
    "PayloadTooLarge": ("TOO_LARGE", 9, "RESOURCE_EXHAUSTED"),
    "AccessRefused": ("ACCESS", 13, "UNAUTHENTICATED"),
    "ExtensionError": ("EXTENSION", 14, "FAILED_PRECONDITION"),
    "TrainingFailed": ("TRAINING", 10, "INTERNAL"),
    "TrainingStopped": ("STOPPED", 11, "CANCELLED"),
}


def _classes(root: type[StriateError] = StriateError) -> list[type[StriateError]]:
    return [root, *(found for child in root.__subclasses__() for found in _classes(child))]


CLASSES = [found for found in _classes() if found.__module__ == errors.__name__]


def test_the_table_covers_the_tree() -> None:
    assert {found.__name__ for found in CLASSES} == set(TABLE)


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_codes_are_stable(found: type[StriateError]) -> None:
    assert (found.code, found.exit_code, found.grpc_status) == TABLE[found.__name__]
    assert hasattr(grpc.StatusCode, found.grpc_status)


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.__name__)
def test_survives_pickling(found: type[StriateError]) -> None:
    error = pickle.loads(pickle.dumps(found("It broke.", "Mend it.")))  # noqa: S301
    assert type(error) is found
    assert (error.message, error.remedy, str(error)) == (
        "It broke.",
        "Mend it.",
        "It broke. Mend it.",
    )


def test_no_remedy_leaves_no_trailing_space() -> None:
    assert str(StriateError("It broke.")) == "It broke."


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    error = UnknownName.of("model", "lenet6", ["lenet1", "lenet5", "vgg16"])
    assert "'lenet6'" in error.message
    assert error.remedy == "Did you mean lenet5 or lenet1?"


def test_nothing_near_lists_the_known() -> None:
    assert nearest("zzz", ["b", "a"]) == "Known: a, b."
    assert nearest("zzz", []) == "There are none yet."
    assert nearest("zzz", [f"n{i:02d}" for i in range(20)]).endswith("n11, ….")
