"""Connecting to MLflow so that it answers, or is said not to answer, within seconds."""

import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from striate.core.errors import TrackingUnavailable
from striate.core.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ANSWER_WITHIN_S = 5.0
_REMEDY = "Run `striate up`, or set MLFLOW_TRACKING_URI to a server that runs."


def tracking_uri_of(settings: Settings) -> str:
    """The tracking server to use.

    Raises:
        TrackingUnavailable: none is known.
    """
    if settings.tracking_uri is None:
        raise TrackingUnavailable("No MLflow tracking server is known.", _REMEDY)
    return settings.tracking_uri


def connect(tracking_uri: str) -> "MlflowClient":
    """A client of a tracking server that answers now.

    Raises:
        TrackingUnavailable: it does not answer within 5 seconds.
    """
    if tracking_uri.startswith(("http://", "https://")):
        _check_answers(tracking_uri)
    from mlflow import MlflowClient
    from mlflow import environment_variables as variables

    # MLflow's own defaults wait for minutes; who calls us retries where that makes sense.
    for variable, value in (
        (variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES, 1),
        (variables.MLFLOW_HTTP_REQUEST_TIMEOUT, 10),
        (variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, "true"),  # --json must stay parseable
    ):
        if not variable.is_set():
            variable.set(value)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def _check_answers(tracking_uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{tracking_uri.rstrip('/')}/health", timeout=_ANSWER_WITHIN_S):
            return
    except urllib.error.HTTPError:
        return  # something answers; a client's call will say more
    except (OSError, ValueError) as error:
        raise unavailable(tracking_uri) from error


def unavailable(tracking_uri: str) -> TrackingUnavailable:
    """The error for a tracking server that does not answer."""
    return TrackingUnavailable(f"MLflow at {tracking_uri} does not answer.", _REMEDY)


@contextmanager
def explain_unavailable(tracking_uri: str) -> Iterator[None]:
    """Turn a lost connection to MLflow into one sentence; other MLflow errors pass."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except (RequestException, ConnectionError, TimeoutError) as error:
        raise unavailable(tracking_uri) from error
    except MlflowException as error:
        if "API request" in str(error) and "failed with exception" in str(error):
            raise unavailable(tracking_uri) from error
        raise
