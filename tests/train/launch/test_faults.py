"""A run on a cluster of several nodes that suffers one fault after the other, each for real."""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from striate.core.addresses import mapped_loopback
from striate.core.errors import TrainingStopped
from striate.core.tracking import connect
from striate.data.shards.manifest import Manifest
from striate.local import engines, loopback, processes
from striate.local.probes import Unanswered, ray_nodes
from striate.local.state import PlatformProcess, PlatformState
from striate.train.distributed.world import World
from striate.train.loop import train as loop
from striate.train.loop.train import train
from striate.train.recipes.resolve import resolve
from striate.train.run.attempts import Attempt, attempts_of
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.cluster

STRIATE = str(Path(sys.executable).with_name("striate"))
RECIPE = "lenet1-anna-digits"
COMMON = ("epochs=400", "batch_size=66", "precision=fp64", "registered_name=none")
ELASTIC = (
    *("checkpoint.every_steps=50", "evaluate_every_epochs=4", "report_every=10"),
    *("accumulate=20", "scaling.resize_every_s=1"),  # slow steps: faults come in between
)
PATIENCE_S = 240.0  # seconds; on two busy cores every process takes its time to start


class Nodes:
    """A Ray cluster of this test's own, whose nodes come and go."""

    def __init__(self, folder: Path, pick_port: Callable[[], int]) -> None:
        self._home = folder
        self._port, self._dashboard = pick_port(), pick_port()
        self.state = PlatformState(id=uuid.uuid4().hex)
        self._variables = engines.environment(os.environ, folder, self.state.id)
        self.address = mapped_loopback(self._port)

    def start(self) -> None:
        """A head with one CPU."""
        engines.prepare_ray_folder(self._home)
        ports = self._port, self._dashboard
        self._record(engines.start_ray(self._home, *ports, 1, self._variables))
        self.wait_for(1)

    def add(self, name: str) -> PlatformProcess:
        """Another node with one CPU."""
        script = str(Path(sys.executable).with_name("ray"))
        command = [
            *(script, "start", "--block", "--address", self.address, "--num-cpus", "1"),
            *("--temp-dir", str(engines.ray_folder(self._home))),
            *("--dashboard-agent-listen-port", "0", "--object-store-memory", "80000000"),
            *("--min-worker-port", "0", "--max-worker-port", "0"),
        ]
        variables = {**self._variables, "RAY_START_HOOK": loopback.HOOK}
        log = engines.log_of(self._home, name)
        return self._record(processes.start(name, command, variables, log))

    def log(self) -> str:
        """What the nodes' starters said."""
        return "\n".join(Path(part.log).read_text() for part in self.state.parts)

    def kill(self, node: PlatformProcess) -> None:
        """SIGKILL the node's own process of Ray."""
        children = psutil.Process(node.pid).children(recursive=True)
        (raylet,) = [child for child in children if child.name() == "raylet"]
        raylet.kill()

    def process(self, part_of_title: str) -> psutil.Process:
        """The process of an actor, which Ray names after it."""
        found = [p for p in processes.members(self.state) if part_of_title in title_of(p)]
        assert len(found) == 1, found
        return found[0]

    def stop(self) -> None:
        """End everything."""
        processes.end(self.state, self.state.parts)

    def _record(self, part: PlatformProcess) -> PlatformProcess:
        self.state = self.state.with_part(part)
        return part

    def wait_for(self, count: int) -> None:
        """Wait until so many nodes are there; of one that could not start, show what it said."""

        def joined() -> bool:
            for part in self.state.parts:
                assert processes.is_alive(part), Path(part.log).read_text()
            try:
                return len(ray_nodes(f"http://{loopback.HOST}:{self._dashboard}")) >= count
            except Unanswered:
                return False

        wait_until(joined, self.log)


def title_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def wait_until(holds: Callable[[], object], complain: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, complain()
        time.sleep(0.05)


class Driver:
    """`striate train` in a process of its own, watched through the run's folder."""

    def __init__(self, home: Path, variables: dict[str, str], *arguments: str) -> None:
        self._runs, self._log = home / "runs", home / "driver.log"
        home.mkdir(parents=True, exist_ok=True)
        command = [STRIATE, "train", RECIPE, *COMMON, *ELASTIC, *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        (folder,) = self._runs.iterdir()
        return folder

    @property
    def step(self) -> int:
        """Steps done; 0 before there are any."""
        try:
            return int(struct.unpack("<q", (self.folder / "reached").read_bytes())[0])
        except (OSError, ValueError, struct.error):
            return 0

    @property
    def attempts(self) -> list[Attempt]:
        """The starts of the workers so far."""
        return attempts_of(self.folder) if self._runs.is_dir() and any(self._runs.iterdir()) else []

    def worker(self, rank: int) -> int:
        """The process id of a worker."""
        document = json.loads((self.folder / "workers" / f"rank-{rank}.json").read_text())
        return int(document["pid"])

    def wait_for(self, holds: Callable[[], object]) -> None:
        """Wait; a driver that ends shows what it said."""

        def checked() -> object:
            assert self.process.poll() is None, self._log.read_text()
            return holds()

        wait_until(checked, self.log)

    def wait_for_start(self, number: int) -> Attempt:
        """Wait until the workers were started for the given time and have trained a bit."""
        self.wait_for(lambda: len(self.attempts) >= number)
        attempt = self.attempts[number - 1]
        self.wait_for(lambda: self.step >= attempt.step + 5)
        assert len(self.attempts) == number, self._log.read_text()
        return attempt

    def wait_for_steps(self, count: int) -> None:
        """Wait until so many more steps are done."""
        goal = self.step + count
        self.wait_for(lambda: self.step >= goal)

    def log(self) -> str:
        """What it said."""
        return self._log.read_text()


@pytest.fixture(scope="module")
def nodes(short_folder: Path, pick_port: Callable[[], int]) -> Iterator[Nodes]:
    """Two nodes with one CPU each."""
    nodes = Nodes(short_folder / "n", pick_port)
    try:
        nodes.start()
        nodes.add("second")
        nodes.wait_for(2)
        yield nodes
    finally:
        nodes.stop()


def undisturbed(shards: Path, steps: int, folder: Path, monkeypatch: Any) -> dict[int, float]:
    """The losses of the first steps of the same run, alone in this process."""
    recipe = resolve(RECIPE, [*COMMON, "scaling.workers=0", "report_every=50"])
    manifest = Manifest.load(shards)
    spec = RunSpec(
        run_id="alone",
        tracking_uri="http://127.0.0.1:1",
        experiment_id="0",
        recipe=recipe,
        shards=str(shards),
        manifest_sha256=manifest.sha256,
        labels=manifest.labels,
        train_rows=manifest.rows("train"),
        created_unix_s=0.0,
    )
    run = Run(spec, RunFolder(folder))
    original, done = loop.train_step, 0

    def counting(*args: Any) -> Any:
        nonlocal done
        done += 1
        if done == steps:
            folder.mkdir(parents=True, exist_ok=True)
            run.folder.stop_request.touch()
        return original(*args)

    monkeypatch.setattr(loop, "train_step", counting)
    with pytest.raises(TrainingStopped):
        train(run, World())
    return dict(history(MetricLogReader(run.folder.metric_log).read())["train/loss"])


def suffer(driver: Driver, nodes: Nodes) -> None:
    """A node comes; Ray's process on it is killed; the controller is; a worker is asked to end.

    A worker that is killed alone has a test of its own, in test_run.py.
    """
    chance = random.Random(7)
    third = nodes.add("third")
    nodes.wait_for(3)
    grown = driver.wait_for_start(2)
    assert grown.workers == 3
    assert grown.repeated == 0  # a planned change loses nothing

    driver.wait_for_steps(chance.randrange(10, 60))
    nodes.kill(third)
    shrunk = driver.wait_for_start(3)
    assert shrunk.workers == 2
    assert shrunk.repeated <= 100

    driver.wait_for_steps(chance.randrange(10, 60))
    nodes.process("TrainController").kill()
    driver.wait_for_start(4)
    assert "Ray Train's controller died" in driver.log()

    driver.wait_for_steps(chance.randrange(10, 60))
    os.kill(driver.worker(0), signal.SIGTERM)
    assert driver.wait_for_start(5).repeated == 0
    assert "A worker was asked to end" in driver.log()


@pytest.mark.timeout(1200)  # so that what takes too long is told with the logs
def test_every_step_is_there_once_with_the_undisturbed_loss(
    nodes: Nodes,
    platform: Any,
    digits_shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In MLflow, up to the step at which the driver is asked to end."""
    home = tmp_path / "home"
    variables = {
        **platform.environment,
        "STRIATE_HOME": str(home),
        "RAY_ADDRESS": nodes.address,
    }
    driver = Driver(home, variables, "--workers", "1:3", f"data.shards={digits_shards}")
    try:
        first = driver.wait_for_start(1)
        assert (first.step, first.workers) == (0, 2)
        suffer(driver, nodes)
        driver.process.terminate()
        assert driver.process.wait(PATIENCE_S) == TrainingStopped.exit_code
        assert "--resume" in driver.log()
    finally:
        if driver.process.poll() is None:
            driver.process.kill()
    folder = driver.folder
    client = connect(platform.settings.tracking_uri)
    assert client.get_run(folder.name).info.status == "KILLED"
    points = client.get_metric_history(folder.name, "train/loss")
    got = {point.step: point.value for point in points}
    # The last start may have been stopped before the steps that one before it had reported.
    last = max(got)
    assert last >= int(json.loads((folder / "stopped.json").read_text())["step"])
    assert sorted(point.step for point in points) == list(range(1, last + 1))
    expected = undisturbed(digits_shards, last, tmp_path / "alone", monkeypatch)
    assert got == pytest.approx({step: expected[step] for step in got}, rel=1e-9)
