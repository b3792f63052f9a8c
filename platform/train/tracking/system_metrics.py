"""What a node does while it trains: processors, memory, network, GPUs, power.

One process of a node that holds workers samples it, into a metric log of the node's own, whose
metrics are named after it: ``system/NODE/cpu_utilization_percentage``. The names are MLflow's own.

Its own monitors (`mlflow.system_metrics`) are not used: importing them takes 1.6 s of a processor
and 92 MB in a worker that needs no MLflow otherwise; they know no power of processors, and warn
at each sample of a GPU that is divided (MIG).
"""

import importlib
import itertools
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from striate.core.errors import PlatformError, StriateError
from striate.core.locks import try_lock
from striate.core.periodic import call_every
from striate.train.run.folder import Run
from striate.train.tracking.metric_log import MetricLog, MetricRecord

EVERY_S = 5.0
POWER = "power_usage_watts"
_POWERCAP = Path("/sys/class/powercap")

Probe = Callable[[], dict[str, float]]


@contextmanager
def sample_node(run: Run, every_s: float = EVERY_S) -> Iterator[None]:
    """Sample this node from a thread while the block runs, unless another process does so."""
    with (
        closing(_NodeSampler(run)) as sampler,
        call_every(
            every_s,
            sampler.sample,
            name="striate-system",
            ignored=(StriateError, OSError),  # the storage refuses: the run itself says so
            at_ends=True,
        ),
    ):
        yield


def node_name() -> str:
    """This machine's name, as it stands in the names of metrics."""
    return socket.gethostname().replace("/", "-")


def energy_j(watts: Sequence[tuple[int, float]], longest_gap_s: float = 4 * EVERY_S) -> float:
    """The energy in joules of a power's history, (seconds, watts) in the order of time.

    Each sample tells the mean power since the one before. A longer gap, in which nothing was
    sampled because the run stood still, counts nothing.

    >>> energy_j([(0, 50.0), (5, 100.0), (10, 80.0), (500, 90.0)])
    900.0
    """
    pairs = itertools.pairwise(watts)
    spans = [(then - before, power) for (before, _), (then, power) in pairs]
    return sum(seconds * power for seconds, power in spans if seconds <= longest_gap_s)


class _NodeSampler:
    """Samples this node once the lock is its own: other Ray nodes of the machine sample it too."""

    def __init__(self, run: Run) -> None:
        self._folder = run.folder.system
        self._began_unix_s = run.spec.created_unix_s
        self._node = node_name()
        self._lock: BinaryIO | None = None
        self._writer: MetricLog | None = None
        self._probes: list[Probe] = []

    def sample(self) -> None:
        """Append a sample; the first time that it may, only begin."""
        if self._writer is not None:
            self._writer.append(_records(self._node, self._probes, self._began_unix_s))
        elif self._may_sample():
            self._writer = MetricLog(self._folder / f"{self._node}.jsonl")
            self._probes = [_processors, _network(), *_gpus(), *_power_of_processors()]
            psutil.cpu_percent()  # the first answer is about nothing

    def _may_sample(self) -> bool:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / f"{self._node}.lock").open("ab")
        return try_lock(self._lock)

    def close(self) -> None:
        """Leave the node to another process."""
        if self._writer is not None:
            with suppress(PlatformError):  # the storage refuses: the run itself says so
                self._writer.close()
        if self._lock is not None:
            self._lock.close()


def _records(node: str, probes: Sequence[Probe], began_unix_s: float) -> list[MetricRecord]:
    """One sample; its step is the age of the run in seconds."""
    now = time.time()
    step, time_ms = round(now - began_unix_s), round(now * 1000)
    values = {key: value for probe in probes for key, value in probe().items()}
    return [
        MetricRecord(key=f"system/{node}/{key}", step=step, value=round(value, 3), time_ms=time_ms)
        for key, value in values.items()
    ]


def _processors() -> dict[str, float]:
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(os.sep)
    return {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / 1e6,
        "system_memory_usage_percentage": 100 * memory.used / memory.total,
        "disk_usage_percentage": disk.percent,
    }


def _network() -> Probe:
    first = psutil.net_io_counters()

    def probe() -> dict[str, float]:
        now = psutil.net_io_counters()
        return {
            "network_receive_megabytes": (now.bytes_recv - first.bytes_recv) / 1e6,
            "network_transmit_megabytes": (now.bytes_sent - first.bytes_sent) / 1e6,
        }

    return probe


def _power_of_processors(folder: Path = _POWERCAP) -> list[Probe]:
    """The processors' mean power since the last look (RAPL), where this user may read it."""
    packages = sorted(folder.glob("intel-rapl:?"))  # AMD's are called so too
    files = [package / "energy_uj" for package in packages]
    readable = [file for file in files if os.access(file, os.R_OK)]
    if not readable:
        return []
    before = _energies(readable), time.monotonic()

    def probe() -> dict[str, float]:
        nonlocal before
        now = _energies(readable), time.monotonic()
        pairs = list(zip(before[0], now[0], strict=True))
        seconds = now[1] - before[1]
        before = now
        if seconds <= 0 or any(later < earlier for earlier, later in pairs):
            return {}  # a counter has begun anew
        joules = sum(later - earlier for earlier, later in pairs) / 1e6
        return {f"cpu_{POWER}": joules / seconds}

    return [probe]


def _energies(files: Sequence[Path]) -> list[int]:
    return [int(file.read_text(encoding="ascii")) for file in files]


def _gpus() -> list[Probe]:
    """Load, memory and power of each NVIDIA GPU, where its library is installed and answers."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except Exception:  # not installed, or no driver: then there is no GPU to tell of
        return []

    def probe() -> dict[str, float]:
        values: dict[str, float | None] = {}
        for index in range(count):
            handle, of = nvml.nvmlDeviceGetHandleByIndex(index), f"gpu_{index}_"
            values[f"{of}utilization_percentage"] = ask(load, handle)
            values[f"{of}memory_usage_megabytes"] = ask(memory, handle)
            values[f"{of}{POWER}"] = ask(power, handle)
        return {key: value for key, value in values.items() if value is not None}

    def load(handle: Any) -> float:
        return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)

    def memory(handle: Any) -> float:
        return float(nvml.nvmlDeviceGetMemoryInfo(handle).used / 1e6)

    def power(handle: Any) -> float:
        return float(nvml.nvmlDeviceGetPowerUsage(handle) / 1000)

    def ask(query: Callable[[Any], float], handle: Any) -> float | None:
        try:
            return query(handle)
        except nvml.NVMLError:
            return None  # a GPU that is divided (MIG) does not tell everything

    return [probe]
