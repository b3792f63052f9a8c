"""The local platform as a whole: bring it up, take it down, say how it is."""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.core import ray_private
from striate.core.addresses import plain_address
from striate.core.errors import PlatformError
from striate.core.progress import OnProgress
from striate.core.retry import Backoff, retry
from striate.local import engines, loopback, ports, probes, processes, token
from striate.local.addresses import PREFERRED, SETTING, addresses_of, listening_host
from striate.local.folders import keep_private
from striate.local.security import EdgeSecurity
from striate.local.state import PlatformProcess, PlatformState, exclusive, forget, load, save
from striate.serve.edge.app_table import edge_folder

READY_S = 90.0


@dataclass(frozen=True)
class PlatformOptions:
    """What `up` was asked for.

    Attributes:
        host: interface that the gRPC edge listens on; None for loopback. All else stays there.
        cpus: logical CPUs of the head node; None for at least 4, so that two training workers
            and a served model fit on a machine with two cores.
        chips: chip name to count, each offered by a node of its own.
        ports: ports insisted on, by the names of `PREFERRED`.
        security: TLS and tokens of the gRPC edge; None for neither, or for what there is.
    """

    host: str | None = None
    cpus: int | None = None
    chips: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    security: EdgeSecurity | None = None


def up(
    home: Path,
    options: PlatformOptions = PlatformOptions(),
    on_progress: OnProgress = lambda _: None,
) -> PlatformState:
    """Bring up what does not run yet, and wait until all of it answers.

    Args:
        home: the folder that holds the platform's files and record.
        options: interface, CPUs, chips, ports.
        on_progress: told what is waited for.

    Raises:
        PlatformError: the home is another user's, a port is taken, or a part does not come up:
            then what this call started is taken down again.
    """
    home = home.expanduser().absolute()
    keep_private(home)
    with exclusive(home):
        token.ensure(os.environ)
        former = _cleaned(home, load(home))
        _refuse_changes(former, options)
        started = _Start(home, options, former, on_progress)
        try:
            return started.run()
        except BaseException:
            started.undo()
            raise


def down(home: Path) -> list[str]:
    """End every process that `up` started in this home, and wait until they are gone.

    Returns:
        What was ended, one entry for each part with its process id.

    Raises:
        PlatformError: a process cannot be ended, or the record is damaged.
    """
    home = home.expanduser().absolute()
    if not home.is_dir():
        return []
    with exclusive(home):
        state = load(home)
        if state is None:
            return []
        names = {part.pid: part.name for part in state.parts}
        ended = processes.end(state, reversed(state.parts))
        forget(home)
        others = sum(process.pid not in names for process in ended)
        said = [f"{names[p.pid]} (process {p.pid})" for p in ended if p.pid in names]
        return [*said, f"{others} processes that they had started"] if others else said


class _Start:
    """One run of `up`: knows what it started, so that it can take that back."""

    def __init__(
        self,
        home: Path,
        options: PlatformOptions,
        former: PlatformState | None,
        on_progress: OnProgress,
    ) -> None:
        self.home = home
        self.options = options
        self.on_progress = on_progress
        self.new: list[PlatformProcess] = []
        cpus = options.cpus or max(4, os.cpu_count() or 1)
        host = options.host or loopback.HOST
        security = options.security or EdgeSecurity()
        self.state = former or PlatformState(
            id=uuid.uuid4().hex, host=host, cpus=cpus, security=security
        )
        self.variables = engines.environment(os.environ, home, self.state.id)
        self.taken: set[int] = set()

    def run(self) -> PlatformState:
        self._choose_ports()
        save(self.home, self.state)  # the mark is on record before the first process bears it
        state, variables = self.state, self.variables
        if not state.part("ray"):
            engines.prepare_ray_folder(self.home)
            engines.forget_routes(self.home)
            port, dashboard = self._port("ray"), self._port("dashboard")
            self._record(engines.start_ray(self.home, port, dashboard, state.cpus, variables))
        if not state.part("mlflow"):
            port = self._port("mlflow")
            self._record(engines.start_mlflow(self.home, port, variables))
        if not state.part("edge"):
            port = self._port("edge")
            self._record(engines.start_edge(self.home, state.host, port, state.security, variables))
        self._start_chips()
        if any(part.name == "ray" for part in self.new):
            ray_private.check("local")  # while they start: importing Ray takes half a second
        for part in self.state.parts:
            self._wait_for(part)
        return self.state

    def undo(self) -> None:
        """End what this run started; what ran before stays."""
        new = [part for part in self.new if self.state.part(part.name) == part]
        if len(new) == len(self.state.parts):
            processes.end(self.state, reversed(new))
            forget(self.home)
            return
        processes.end(self.state, reversed(new))
        for part in new:
            self.state = self.state.without(part.name)
        save(self.home, self.state)

    def _start_chips(self) -> None:
        missing = {c: n for c, n in self.options.chips.items() if not self.state.part(f"chip:{c}")}
        if not missing:
            return
        address = self.state.addresses["ray_address"]
        control = f"{loopback.HOST}:{self._port('ray')}"
        ray = self.state.part("ray")
        assert ray is not None
        self._poll(ray, lambda: probes.listens(control))
        self.state = self.state.model_copy(update={"chips": {**self.state.chips, **missing}})
        for chip, count in missing.items():
            self._record(engines.start_chip(self.home, address, chip, count, self.variables))

    def _wait_for(self, part: PlatformProcess) -> None:
        self._poll(part, lambda: probe(self.state, part))

    def _poll(self, part: PlatformProcess, check: Callable[[], None]) -> None:
        self.on_progress(f"waiting for {part.name}")
        try:
            retry(
                check,
                READY_S,
                (probes.Unanswered,),
                Backoff.constant(0.1),
                worth=lambda _: processes.is_alive(part),
            )
        except probes.Unanswered as problem:
            raise _did_not_come_up(part, processes.is_alive(part), str(problem)) from None

    def _record(self, part: PlatformProcess) -> None:
        self.new.append(part)
        self.state = self.state.with_part(part)
        save(self.home, self.state)

    def _choose_ports(self) -> None:
        if self.state.addresses:
            return self._refuse_lost_ports()
        chosen = {
            name: ports.pick(
                name,
                listening_host(name, self.state.host),
                preferred,
                self.options.ports.get(name),
                self.taken,
            )
            for name, preferred in PREFERRED.items()
        }
        addresses = addresses_of(self.state.host, chosen)
        if authority := self.state.security.authority:
            addresses["grpc_ca"] = str(edge_folder(self.home) / authority)
        self.state = self.state.model_copy(update={"addresses": addresses})
        return None

    def _refuse_lost_ports(self) -> None:
        """A part that died is started where it was, since its callers know that address."""
        for part, names in {
            "mlflow": ["mlflow"],
            "edge": ["edge"],
            "ray": ["ray", "dashboard"],
        }.items():
            for name in names if not self.state.part(part) else []:
                port = self._port(name)
                host = listening_host(name, self.state.host)
                ports.pick(name, host, port, port, self.taken)

    def _port(self, name: str) -> int:
        return int(self.state.addresses[SETTING[name]].rpartition(":")[2])


def probe(state: PlatformState, part: PlatformProcess) -> None:
    """Ask a part over its own protocol whether it serves.

    Raises:
        Unanswered: it does not.
    """
    addresses = state.addresses
    if part.name.startswith("chip:"):
        return probes.ray_chip(addresses["ray_dashboard"], part.name.removeprefix("chip:"))
    asked: dict[str, Callable[[], None]] = {
        "mlflow": lambda: probes.mlflow(addresses["tracking_uri"]),
        "ray": lambda: probes.ray_head(addresses["ray_dashboard"]),
        "edge": lambda: probes.listens(addresses["grpc_address"]),
    }
    return asked[part.name]()


def _cleaned(home: Path, state: PlatformState | None) -> PlatformState | None:
    """The record without the parts that died, and without what they left running."""
    if state is None:
        return None
    dead = [part for part in state.parts if not processes.is_alive(part)]
    if len(dead) == len(state.parts):
        processes.end(state, dead)
        forget(home)
        return None
    if any(part.name == "ray" for part in dead):  # its nodes cannot outlive the head
        dead += [p for p in state.parts if p.name.startswith("chip:") and p not in dead]
    processes.end(state, dead)
    for part in dead:
        state = state.without(part.name)
    processes.end_strays(state)
    save(home, state)
    return state


def _refuse_changes(former: PlatformState | None, options: PlatformOptions) -> None:
    """What runs is not moved or resized under its users' feet."""
    if former is None:
        return
    differing = [
        f"{name} at {plain_address(former.addresses[SETTING[name]])}, not on port {port}"
        for name, port in options.ports.items()
        if not former.addresses[SETTING[name]].endswith(f":{port}")
    ]
    if options.host not in {None, former.host}:
        differing.append(f"the host {former.host}, not {options.host}")
    if options.security not in {None, former.security}:
        differing.append("other TLS or tokens at the gRPC edge")
    if options.cpus not in {None, former.cpus}:
        differing.append(f"{former.cpus} CPUs, not {options.cpus}")
    differing += [
        f"{former.chips[chip]} of the chip {chip}, not {count}"
        for chip, count in options.chips.items()
        if former.part(f"chip:{chip}") and former.chips.get(chip) != count
    ]
    if differing:
        raise PlatformError(
            f"The platform is up with {', '.join(differing)}.", "Run `striate down` first."
        )


def _did_not_come_up(part: PlatformProcess, alive: bool, problem: str) -> PlatformError:
    what = "does not answer" if alive else "ended before it answered"
    return PlatformError(
        f"{part.name} {what}: {processes.last_line(Path(part.log)) or problem}.",
        f"Its log is {part.log}.",
    )


def describe_ended(ended: Sequence[str]) -> str:
    """One sentence on what `down` ended."""
    return f"Ended {', '.join(ended)}." if ended else "Nothing was up."
