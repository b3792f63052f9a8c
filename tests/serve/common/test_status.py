"""What a caller is told of an exception."""

import logging

import grpc
import pytest

from striate.core import errors
from striate.serve.common.request_id import REQUEST_ID
from striate.serve.common.status import (
    LONGEST_SENTENCE,
    SERVER_FAULTS,
    NotThroughTheEdge,
    status_of,
)
from striate.serve.server.batcher import QueueFull, TooLate

pytestmark = pytest.mark.unit

TABLE = {
    errors.StriateError: grpc.StatusCode.INTERNAL,
    errors.UsageError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RecipeError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.SettingsError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownName: grpc.StatusCode.NOT_FOUND,
    errors.DataError: grpc.StatusCode.DATA_LOSS,
    errors.BundleError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CheckpointError: grpc.StatusCode.DATA_LOSS,
    errors.PlatformError: grpc.StatusCode.UNAVAILABLE,
    errors.DiskFull: grpc.StatusCode.UNAVAILABLE,
    errors.TrackingUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.TrackingFault: grpc.StatusCode.UNAVAILABLE,
    errors.TrackingRefused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RolledBack: grpc.StatusCode.ABORTED,
    errors.PlacementError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedLayer: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PayloadTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.AccessRefused: grpc.StatusCode.UNAUTHENTICATED,
    errors.ExtensionError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TrainingFailed: grpc.StatusCode.INTERNAL,
    errors.TrainingStopped: grpc.StatusCode.CANCELLED,
    QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooLate: grpc.StatusCode.DEADLINE_EXCEEDED,
    NotThroughTheEdge: grpc.StatusCode.UNAUTHENTICATED,
}


@pytest.mark.parametrize("kind", TABLE)
def test_a_users_error_keeps_its_sentence(kind: type[errors.StriateError]) -> None:
    status, sentence, code = status_of(kind("The thing is wrong.", "Mend it."))
    assert (status, sentence, code) == (TABLE[kind], "The thing is wrong. Mend it.", kind.code)


def test_what_a_caller_can_bring_about_is_no_fault_of_the_server() -> None:
    """A photo over the limit, a full queue, a short deadline, a wrong argument, a wrong token."""
    codes = {status.name for status in grpc.StatusCode}
    assert codes - SERVER_FAULTS == {
        "OK", "CANCELLED", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "UNAUTHENTICATED",
        "DEADLINE_EXCEEDED",
    }  # fmt: skip
    assert codes >= SERVER_FAULTS


def test_the_table_has_every_error_of_the_tree() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert {kind for kind in kinds if issubclass(kind, errors.StriateError)} <= set(TABLE)


def test_a_timeout_is_the_deadlines() -> None:
    assert status_of(TimeoutError("secret"))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "secret" not in status_of(TimeoutError("secret"))[1]


def test_a_sentence_fits_a_header() -> None:
    said = status_of(errors.UnknownName("\ud800" + "x\n" * 5000))[1]
    assert len(said) <= LONGEST_SENTENCE
    assert "\n" not in said
    said.encode()


@pytest.mark.parametrize("kind", [OSError, ValueError, RuntimeError, MemoryError, KeyError])
def test_anything_unexpected_says_nothing_of_the_server(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status, sentence, _ = status_of(kind("/srv/secret/model.bin is gone"))
    assert status is grpc.StatusCode.INTERNAL
    assert "secret" not in sentence
    identity = sentence.split("id ")[1].rstrip(").")
    assert identity in caplog.text
    assert "secret" in caplog.text


def test_the_id_is_the_requests_own() -> None:
    token = REQUEST_ID.set("request-7")
    try:
        assert "(id request-7)" in status_of(OSError())[1]
    finally:
        REQUEST_ID.reset(token)
