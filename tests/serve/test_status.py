"""What a caller is told of an exception."""

import logging

import grpc
import pytest

from striate.core import errors
from striate.serve.status import status_of

pytestmark = pytest.mark.unit

TABLE = {
    errors.UsageError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownName: grpc.StatusCode.NOT_FOUND,
    errors.DataError: grpc.StatusCode.DATA_LOSS,
    errors.BundleError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.PlatformError: grpc.StatusCode.UNAVAILABLE,
    errors.TrackingUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.PlacementError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnsupportedLayer: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PayloadTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TrainingFailed: grpc.StatusCode.INTERNAL,
}


@pytest.mark.parametrize("kind", TABLE)
def test_a_users_error_keeps_its_sentence(kind: type[errors.StriateError]) -> None:
    status, sentence, code = status_of(kind("The thing is wrong.", "Mend it."))
    assert (status, sentence, code) == (TABLE[kind], "The thing is wrong. Mend it.", kind.code)


def test_every_error_of_the_tree_has_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, errors.StriateError):
            assert grpc.StatusCode[kind.grpc_status]


def test_anything_unexpected_says_nothing_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        status, sentence, _ = status_of(OSError("/srv/secret/model.bin is gone"))
    assert status is grpc.StatusCode.INTERNAL
    assert "secret" not in sentence
    identity = sentence.split("id ")[1].rstrip(").")
    assert identity in caplog.text
    assert "secret" in caplog.text
