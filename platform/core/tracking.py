"""Connecting to MLflow so that it answers, or is said not to answer, within seconds.

What it answers is one of three: yes, a fault of its own that may pass, or a refusal.
"""

import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from striate.core.errors import (
    StriateError,
    TrackingFault,
    TrackingRefused,
    TrackingUnavailable,
    UnknownName,
)
from striate.core.retry import Backoff, retry
from striate.core.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_Result = TypeVar("_Result")
RECIPE_TAG = "striate.recipe"
"""The tag that every run of Striate has."""
FAULT_WITHIN_S = 30.0
"""How long a server that answers with faults of its own is waited for before anything starts."""
RUNS_TOLD = 3
"""Runs that the error for one that is not there tells of."""
_ANSWER_WITHIN_S = 5.0
_MAY_PASS = {408, 425, 429}  # too slow, too early, too many: as a fault, not as a refusal
_STATUS = re.compile(r"failed with error code (\d{3})|too many (\d{3}) error responses")
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


def run_page(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """The address of a run's page in MLflow.

    >>> run_page("http://host:5000/", "1", "4c64")
    'http://host:5000/#/experiments/1/runs/4c64'
    """
    return f"{tracking_uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


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
    """Turn whatever MLflow's client raises into one sentence.

    Raises:
        TrackingUnavailable: the server does not answer.
        TrackingFault: it answers with an error of its own, which may pass.
        TrackingRefused: it answers, and refuses.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    except RequestException as error:
        if error.response is None:
            raise unavailable(tracking_uri) from error
        raise _answered(tracking_uri, error.response.status_code, error.response.text) from error
    except (ConnectionError, TimeoutError) as error:
        raise unavailable(tracking_uri) from error
    except MlflowException as error:
        found = _STATUS.search(str(error))
        if found is None and "API request" in str(error) and "failed with exc" in str(error):
            raise unavailable(tracking_uri) from error
        status = int(found[1] or found[2]) if found else int(error.get_http_status_code())
        raise _answered(tracking_uri, status, str(error)) from error


def every_page(search: Callable[..., Any], *arguments: Any) -> list[Any]:
    """All that one of MLflow's searches finds; it answers in pages.

    Args:
        search: a method of MLflow's client that takes a `page_token`.
        arguments: of it.
    """
    page = search(*arguments)
    found = list(page)
    while page.token:
        page = search(*arguments, page_token=page.token)
        found += page
    return found


def find_latest_runs(client: "MlflowClient") -> list[tuple[str, str]]:
    """The ids and names of the latest `RUNS_TOLD` runs of Striate, newest first."""
    experiments = [one.experiment_id for one in every_page(client.search_experiments)]
    runs = client.search_runs(
        experiments,
        f"tags.`{RECIPE_TAG}` != ''",
        max_results=RUNS_TOLD,
        order_by=["attributes.start_time DESC"],
    )
    return [(run.info.run_id, run.info.run_name) for run in runs]


def unknown_run(run_id: str, latest: Sequence[tuple[str, str]], where: str = "") -> UnknownName:
    """The error for a run that is not there.

    Args:
        run_id: what was asked for.
        latest: ids and names of runs that are there, newest first; `RUNS_TOLD` are told.
        where: words on where it is not, with a blank before them.
    """
    told = f"The latest are {_listed(latest)}." if latest else "There are none yet."
    return UnknownName(f"There is no run {run_id!r}{where}.", told)


def ambiguous_run(beginning: str, matching: Sequence[tuple[str, str]]) -> UnknownName:
    """The error for several runs whose ids begin so; ids and names of them, newest first."""
    return UnknownName(
        f"Several runs begin with {beginning!r}.",
        f"Give more of the id: {_listed(matching, len(beginning) + 4)}.",
    )


def _listed(runs: Sequence[tuple[str, str]], digits: int = 8) -> str:
    """Some runs in words, an id at the length at which `striate runs ls` shows it, or longer."""
    return ", ".join(f"{run_id[: max(8, digits)]} ({name})" for run_id, name in runs[:RUNS_TOLD])


def patiently(
    tracking_uri: str,
    action: Callable[[], _Result],
    tell: Callable[[str], None] = lambda _: None,
    within_s: float | None = None,
) -> _Result:
    """Ask MLflow, and again while it answers with faults of its own.

    Args:
        tracking_uri: of the server.
        action: the call.
        tell: takes one sentence, once, if it is waited for.
        within_s: how long; `FAULT_WITHIN_S` when None.

    Raises:
        TrackingUnavailable, TrackingFault, TrackingRefused: as `explain_unavailable`.
    """
    within_s = FAULT_WITHIN_S if within_s is None else within_s
    said: list[Exception] = []

    def attempt() -> _Result:
        with explain_unavailable(tracking_uri):
            return action()

    def wait(error: Exception) -> None:
        if not said:
            assert isinstance(error, StriateError)
            tell(f"{error.message} It is asked again for {within_s:.0f} s.")
        said.append(error)

    return retry(attempt, within_s, (TrackingFault,), Backoff(0.5, 5.0), refused=wait)


def _answered(tracking_uri: str, status: int, said: str) -> StriateError:
    """The error for a server that answered, and not with what it was asked for."""
    if status >= 500 or status in _MAY_PASS:
        return TrackingFault(
            f"MLflow at {tracking_uri} answers with an error ({status}).",
            "See its log, or whatever stands between; try again when it is mended.",
        )
    reason = _first_sentence(said)
    return TrackingRefused(
        f"MLflow at {tracking_uri} refuses ({status}){reason and f': {reason}'}.",
        _remedy_for(status, said),
    )


def _remedy_for(status: int, said: str) -> str:
    if status in {401, 403}:
        return "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD, to who may."
    if status == 413:
        return "Raise the size that the server, or a proxy before it, takes in one request."
    if "deleted" in said.lower() or status == 404:
        return (
            "If it was deleted, restore it: `mlflow runs restore --run-id RUN`,"
            " `mlflow experiments restore -x EXPERIMENT`."
        )
    return "See the server's log, and that its version of MLflow is that of this machine."


def _first_sentence(said: str) -> str:
    """What a server says for people, without pages of HTML and the client's own words."""
    text = " ".join(said.partition("Response body:")[2].split() or said.split()).strip("'\" ")
    text = re.sub(r"^[A-Z_]+: ", "", text)
    if text.startswith("<") or "API request" in text:
        return ""
    return re.split(r"(?<=[.!])\s", text)[0].rstrip(".!")[:200]
