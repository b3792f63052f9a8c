"""Jobs of a Ray cluster that Striate submitted: sent, listed, followed, stopped over HTTP."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from striate.core import ray_private
from striate.core.errors import PlatformError, UnknownName, UsageError

RECIPE_KEY = "striate.recipe"
_ANSWER_WITHIN_S = 5.0
_SILENCE_S = 60.0  # then the connection is made anew: a machine that is gone says nothing
_LOST_S = 60.0
_OVERRIDING = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")  # Ray prefers them to what it is given


class SubmittedJob(BaseModel):
    """One submitted job.

    Attributes:
        job_id: by which it is named.
        recipe: that it trains.
        status: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.
        message: what Ray says of it.
        started_unix_s: when it was submitted.
        seconds: until its end, or None while it runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    recipe: str
    status: str
    message: str
    started_unix_s: float
    seconds: float | None

    @property
    def ended(self) -> bool:
        """Whether it ran to an end, good or bad."""
        return self.status in {"SUCCEEDED", "FAILED", "STOPPED"}

    @classmethod
    def of(cls, details: Any) -> Self:
        """The job of what Ray tells."""
        began, ended = (details.start_time or 0) / 1000, details.end_time
        return cls(
            job_id=details.submission_id,
            recipe=(details.metadata or {}).get(RECIPE_KEY, ""),
            status=str(details.status),
            message=details.message or "",
            started_unix_s=began,
            seconds=ended / 1000 - began if ended else None,
        )


class JobServer:
    """The job server of a cluster's head.

    Args:
        address: ``http://HOST:PORT``.
        token: Ray's token to present, or None.

    Raises:
        UsageError: `address` is no web address.
        PlatformError: nothing answers there, or it refuses the token.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address.rstrip("/")
        _refuse_silent(self.address)
        # An empty header keeps Ray from showing this user's local token to any machine.
        headers = {"Authorization": f"Bearer {token}" if token else ""}
        with self._said(), _without(_OVERRIDING):
            from ray.job_submission import JobSubmissionClient

            ray_private.quiet_job_client()
            self._client = JobSubmissionClient(self.address, headers=headers)

    def submit(
        self,
        job_id: str,
        entrypoint: str,
        metadata: Mapping[str, str],
        runtime: dict[str, Any],
        cpus: float = 0,
        gpus: float = 0,
    ) -> None:
        """Send a job; what its runtime names on this machine is uploaded first.

        Args:
            job_id: by which it shall be named.
            entrypoint: its command.
            metadata: kept with it.
            runtime: Ray's runtime environment.
            cpus: that its own process takes; it waits for them.
            gpus: likewise.

        Raises:
            PlatformError: the cluster does not take it.
        """
        with self._said():
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=job_id,
                metadata=dict(metadata),
                runtime_env=runtime,
                entrypoint_num_cpus=cpus or None,
                entrypoint_num_gpus=gpus or None,
            )

    def jobs(self) -> list[SubmittedJob]:
        """The jobs that Striate submitted, newest first.

        Raises:
            PlatformError: the head does not answer.
        """
        with self._said():
            found = self._client.list_jobs()
        ours = [job for job in found if job.submission_id and RECIPE_KEY in (job.metadata or {})]
        return sorted(map(SubmittedJob.of, ours), key=lambda job: -job.started_unix_s)

    def job(self, job_id: str) -> SubmittedJob:
        """A job by its id, or by a part of it that only one has.

        Raises:
            UnknownName: there is none, or there are several.
            PlatformError: the head does not answer.
        """
        known = {job.job_id: job for job in self.jobs()}
        if job_id in known:
            return known[job_id]
        matching = [job for name, job in known.items() if job_id and job_id in name]
        if len(matching) != 1:
            raise UnknownName.of("job", job_id, known)
        return matching[0]

    def log(self, job_id: str) -> str:
        """All that a job has printed.

        Raises:
            PlatformError: the head does not answer.
        """
        with self._said():
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """End a job; whether it ran.

        Raises:
            PlatformError: the head does not answer.
        """
        with self._said():
            return bool(self._client.stop_job(job_id))

    def follow(self, job_id: str) -> Iterator[str]:
        """The lines that a job prints, from its first one to its end.

        A connection that breaks is made anew, and no line is told twice.

        Raises:
            PlatformError: the head does not answer for a minute.
        """
        told, lost_since = 0, None
        while True:
            try:
                for number, line in enumerate(_lines(self._chunks(job_id))):
                    if number >= told:
                        told += 1
                        yield line
                if self.job(job_id).ended:
                    return
                lost_since = None
            except (PlatformError, RuntimeError, OSError) as error:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > _LOST_S:
                    raise _silent(self.address) from error
            time.sleep(1.0)

    def _chunks(self, job_id: str) -> Iterator[str]:
        chunks = self._client.tail_job_logs(job_id)

        async def following() -> str | None:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    return str(await anext(chunks))
            except (StopAsyncIteration, TimeoutError):
                return None

        with asyncio.Runner() as runner:
            while (chunk := runner.run(following())) is not None:
                yield chunk

    @contextmanager
    def _said(self) -> Iterator[None]:
        """One sentence for what can go wrong between here and the head."""
        from ray.exceptions import AuthenticationError
        from requests.exceptions import RequestException

        try:
            yield
        except AuthenticationError as error:
            does = "asks for a" if "Missing" in str(error) else "refuses the"
            raise PlatformError(
                f"The cluster at {self.address} {does} token.",
                "Set RAY_AUTH_TOKEN to the token of that cluster.",
            ) from error
        except (RequestException, ConnectionError) as error:
            raise _silent(self.address) from error
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())[:200]
            raise PlatformError(
                f"The cluster at {self.address} does not take the request: {why}",
                "See that it is the address of a Ray head, and that it runs Ray 2.60 or later.",
            ) from error


def _lines(chunks: Iterator[str]) -> Iterator[str]:
    """Whole lines out of pieces of a text, without their ends."""
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split("\n")
        yield from lines
    if rest:
        yield rest


def _refuse_silent(address: str) -> None:
    """Say within seconds what a client would wait for."""
    parts = urlsplit(address)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname:
        raise UsageError(
            f"{address!r} is no address of a cluster.", "Write http://HOST:8265, Ray's dashboard."
        )
    try:
        socket.create_connection((parts.hostname, port), timeout=_ANSWER_WITHIN_S).close()
    except OSError as error:
        raise _silent(address) from error


def _silent(address: str) -> PlatformError:
    return PlatformError(
        f"The cluster at {address} does not answer.",
        "See that its head runs and that the address is that of Ray's dashboard.",
    )


@contextmanager
def _without(variables: tuple[str, ...]) -> Iterator[None]:
    before = {name: os.environ.pop(name) for name in variables if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
