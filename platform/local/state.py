"""What `striate up` records: every part's process identity, address and log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from striate.core.errors import PlatformError
from striate.core.files import write_atomic
from striate.core.locks import lock
from striate.core.settings import PLATFORM_FILE
from striate.local.security import EdgeSecurity

LOCK_FILE = "platform.lock"
_LOCK_WAIT_S = 180.0


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlatformProcess(_Document):
    """One process that `striate up` started, the leader of a session of its own.

    Attributes:
        name: ``ray``, ``mlflow``, ``edge``, or ``chip:NAME``.
        pid: process id, which is also its session's id.
        created_s: creation time as the kernel tells it, Unix seconds; a process id alone may
            have been given to another process since.
        port: the port it answers on; None for a chip node.
        log: the file that holds its output.
    """

    name: str
    pid: int
    created_s: float
    port: int | None = None
    log: str


class PlatformState(_Document):
    """The local platform as recorded.

    Attributes:
        id: marks every process of this platform, in its environment.
        host: the interface that the gRPC edge listens on; all else listens on loopback.
        cpus: logical CPUs that the head node offers.
        chips: chip name to how many its node offers.
        security: TLS and tokens of the gRPC edge.
        parts: the processes, in the order they were started.
        addresses: settings' names to addresses, as `striate.core.settings` reads them.
    """

    id: str
    host: str = "127.0.0.1"
    cpus: int = 4
    chips: dict[str, int] = Field(default_factory=dict)
    security: EdgeSecurity = EdgeSecurity()
    parts: tuple[PlatformProcess, ...] = ()
    addresses: dict[str, str] = Field(default_factory=dict)

    def part(self, name: str) -> PlatformProcess | None:
        """The part of that name."""
        return next((part for part in self.parts if part.name == name), None)

    def with_part(self, part: PlatformProcess) -> "PlatformState":
        """The same platform with a part added or replaced."""
        others = tuple(known for known in self.parts if known.name != part.name)
        return self.model_copy(update={"parts": (*others, part)})

    def without(self, name: str) -> "PlatformState":
        """The same platform with a part taken away."""
        return self.model_copy(
            update={"parts": tuple(part for part in self.parts if part.name != name)}
        )


def load(home: Path) -> PlatformState | None:
    """Read the record; None when nothing was brought up.

    Raises:
        PlatformError: the record is damaged.
    """
    path = home / PLATFORM_FILE
    try:
        return PlatformState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise PlatformError(
            f"{path} is damaged.",
            "End the platform's processes by hand, remove the file, then run `striate up`.",
        ) from None


def save(home: Path, state: PlatformState) -> None:
    """Write the record, whole or not at all."""
    write_atomic(home / PLATFORM_FILE, (state.model_dump_json(indent=2) + "\n").encode())


def forget(home: Path) -> None:
    """Remove the record."""
    (home / PLATFORM_FILE).unlink(missing_ok=True)


@contextmanager
def exclusive(home: Path, wait_s: float = _LOCK_WAIT_S) -> Iterator[None]:
    """Hold the platform's lock: one `up` or `down` at a time in a home.

    Raises:
        PlatformError: another one holds it for longer than `wait_s`, or `home` is not writable.
    """
    path = home / LOCK_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise PlatformError(
            f"The folder {home} cannot be written: {error.strerror}.",
            "Set STRIATE_HOME to a folder of your own.",
        ) from None
    with file:
        try:
            lock(file, within_s=wait_s)
        except TimeoutError:
            raise PlatformError(
                f"Another `striate up` or `striate down` has held {path} for {wait_s:.0f} s.",
                "Wait for it or end it, then run the command again.",
            ) from None
        yield
