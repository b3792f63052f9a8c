"""Samples of a node: one process at a time, and power from counters that processors keep."""

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from striate.core.locks import OpenFile, try_lock
from striate.train.run.folder import Run, RunFolder
from striate.train.run.spec import RunSpec
from striate.train.tracking import system_metrics
from striate.train.tracking.metric_log import MetricLogReader, history

pytestmark = pytest.mark.unit


def _run(folder: Path) -> Run:
    spec = SimpleNamespace(created_unix_s=time.time())
    return Run(cast("RunSpec", spec), RunFolder(folder))


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_node_is_sampled_under_its_name(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with system_metrics.sample_node(run, every_s=60):
        pass  # even a run shorter than the first look has one sample
    (log,) = run.folder.system.glob("*.jsonl")
    node = system_metrics.node_name()
    assert log.stem == node
    series = history(MetricLogReader(log).read())
    assert 0 <= series[f"system/{node}/cpu_utilization_percentage"][0][1] <= 100
    assert series[f"system/{node}/system_memory_usage_megabytes"][0][1] > 0


def test_two_processes_of_a_node_do_not_both_sample_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one waits; it takes over when the first one ends."""
    run = _run(tmp_path)
    path = run.folder.system / f"{system_metrics.node_name()}.jsonl"
    tried: list[bool] = []

    def watched(file: OpenFile) -> bool:
        tried.append(try_lock(file))
        return tried[-1]

    monkeypatch.setattr(system_metrics, "try_lock", watched)
    first = system_metrics.sample_node(run, every_s=60)
    first.__enter__()
    _wait_for(path.exists)
    with system_metrics.sample_node(run, every_s=0.02):
        _wait_for(lambda: len(tried) > 4)
        assert tried[:5] == [True, False, False, False, False]
        assert path.stat().st_size == 0
        first.__exit__(None, None, None)
        last = path.stat().st_size
        assert last > 0
        _wait_for(lambda: path.stat().st_size > last)


def test_power_is_the_difference_of_the_processors_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = [tmp_path / f"intel-rapl:{n}" / "energy_uj" for n in (0, 1)]
    for counter in counters:
        counter.parent.mkdir()
        counter.write_text("1000000\n")
    clock = [100.0]
    monkeypatch.setattr(system_metrics, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    (probe,) = system_metrics._power_of_processors(tmp_path)
    clock[0] = 102.0
    counters[0].write_text("41000000\n")
    assert probe() == {"cpu_power_usage_watts": 20.0}
    clock[0] = 104.0
    counters[0].write_text("5\n")  # the counter has begun anew
    assert probe() == {}
    assert system_metrics._power_of_processors(tmp_path / "none") == []


def test_gpus_tell_what_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is divided, and refuses its load; a machine without the library has none."""

    class NVMLError(Exception):
        pass

    def load(handle: int) -> Any:
        if handle == 1:
            raise NVMLError
        return SimpleNamespace(gpu=97)

    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=load,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=2_000_000),
        nvmlDeviceGetPowerUsage=lambda handle: 350_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    (probe,) = system_metrics._gpus()
    assert probe() == {
        "gpu_0_utilization_percentage": 97.0,
        "gpu_0_memory_usage_megabytes": 2.0,
        "gpu_0_power_usage_watts": 350.0,
        "gpu_1_memory_usage_megabytes": 2.0,
        "gpu_1_power_usage_watts": 350.0,
    }
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert system_metrics._gpus() == []
