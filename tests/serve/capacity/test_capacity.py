"""The capacity plan: its simulation against queueing theory, its search, its files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from prometheus_client import generate_latest

from striate.core.errors import PlacementError, UsageError
from striate.serve.capacity import metrics_scrape
from striate.serve.capacity.arrivals import poisson_arrivals
from striate.serve.capacity.load_calls import LoadTarget
from striate.serve.capacity.load_generator import LoadResult
from striate.serve.capacity.measure import measure_overhead, measure_service_times
from striate.serve.capacity.plan import Demand, plan, predict
from striate.serve.capacity.plots import draw_plan
from striate.serve.capacity.service_times import (
    BatchTimes,
    ServiceTimes,
    from_sums,
    read_times,
    times_text,
)
from striate.serve.capacity.simulate import simulate
from striate.serve.edge.app_table import DeployedApp
from striate.serve.observability.metrics import MetricsObserver

pytestmark = pytest.mark.unit


def _fixed(mean_s: float, deviation_s: float = 0.0, threads: int = 1) -> ServiceTimes:
    """A replica that takes one call at a time."""
    batches = {1: BatchTimes(count=1, mean_s=mean_s, deviation_s=deviation_s)}
    return ServiceTimes(app="one", batches=batches, max_batch=1, threads=threads)


def _batching(app: str = "tagger", gpus: float = 1.0) -> ServiceTimes:
    """10 ms a batch and 2.5 ms a call in it."""
    batches = {n: BatchTimes(count=10, mean_s=0.01 + 0.0025 * n) for n in (1, 8, 32)}
    return ServiceTimes(app=app, batches=batches, gpus=gpus)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_a_replica_with_fixed_times_waits_as_theory_says(load: float) -> None:
    """M/D/1, Pollaczek and Khinchine: mean wait = ρ·s / 2(1 − ρ)."""
    service = 0.01
    arrivals = poisson_arrivals(load / service, 4000, seed=1)
    run = simulate(arrivals, _fixed(service), replicas=1)
    assert run.latency_s.mean() == pytest.approx(service + load * service / (2 * (1 - load)), 0.03)
    assert run.busy_share == pytest.approx(load, 0.02)


def test_exponential_times_wait_as_theory_says() -> None:
    """M/M/1: latency is exponential with mean s / (1 − ρ), so p99 is that times ln 100."""
    service, load = 0.01, 0.6
    arrivals = poisson_arrivals(load / service, 6000, seed=2)
    latency = simulate(arrivals, _fixed(service, service), replicas=1).latency_s
    assert latency.mean() == pytest.approx(service / (1 - load), rel=0.04)
    assert np.percentile(latency, 99) == pytest.approx(np.log(100) * service / (1 - load), rel=0.06)


def test_batches_form_while_one_is_computed() -> None:
    arrivals = np.array([0.0, 0.001, 0.002, 0.003])
    run = simulate(arrivals, _batching(), replicas=1)
    first = 0.0125
    second = first + 0.01 + 3 * 0.0025
    assert run.latency_s == pytest.approx([first, *(second - arrivals[1:])])
    assert run.mean_batch == 2.0


def test_a_call_goes_to_the_replica_with_the_fewest_in_flight() -> None:
    run = simulate(np.zeros(3), _fixed(0.01), replicas=3)
    assert run.latency_s == pytest.approx([0.01] * 3)


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(1, 300),
    replicas=st.integers(1, 5),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_no_call_is_lost_and_none_is_faster_than_its_own_work(
    rate: float, replicas: int, threads: int, seed: int
) -> None:
    times = _batching().model_copy(update={"threads": threads, "overhead_s": 0.001})
    arrivals = poisson_arrivals(rate, 2.0, seed)
    run = simulate(arrivals, times, replicas, seed)
    assert len(run.latency_s) == len(arrivals)
    assert (run.latency_s >= 0.0125 + 0.001 - 1e-12).all()
    assert run.busy_share <= 1.0


def test_a_plan_holds_the_deadline_and_a_smaller_one_does_not() -> None:
    demand = Demand(600e6, peak=3, deadline_s=0.1)
    found = plan(demand, [_batching("tagger"), _batching("faces", gpus=0.5)])
    assert found.p99_ms <= 100
    sizes = [app.replicas for app in found.apps]
    smaller = predict(demand.rate, [_batching()], [int(sizes[0] * 0.85)])
    assert smaller.p99_ms > 100
    assert found.apps[1].gpus == sizes[1] * 0.5
    # Little's law: what is in the house is the rate times the mean time there.
    assert found.in_flight == pytest.approx(demand.rate * found.latency_s.mean())


def test_published_rates_come_out() -> None:
    """600 million photos a day (LeCun's talk of 2015): 6,944 a second, 13,889 in flight for 2 s."""
    rate = Demand(600e6).rate
    assert round(rate) == 6944
    assert round(2 * rate) == 13889


def test_the_same_seed_gives_the_same_plan() -> None:
    one, two = (plan(Demand(1e8), [_batching()], seed=3) for _ in range(2))
    assert one.p99_ms == two.p99_ms and one.apps == two.apps


def test_a_hopeless_deadline_is_said() -> None:
    with pytest.raises(PlacementError, match=r"over the deadline of 0\.01 s"):
        plan(Demand(1e6, deadline_s=0.01), [_batching()])


@pytest.mark.parametrize("demand", [(0, 1, 2), (1e6, 0.5, 2), (1e6, 1, 0), (float("nan"), 1, 2)])
def test_a_demand_that_cannot_be_meant_is_refused(demand: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match="A demand needs"):
        Demand(*demand)


def test_the_line_through_noisy_times_never_promises_free_calls() -> None:
    """A small batch that happened to be slow must not make large ones cost nothing."""
    noisy = {1: BatchTimes(count=50, mean_s=0.02), 32: BatchTimes(count=2, mean_s=0.015)}
    seconds = ServiceTimes(app="x", batches=noisy).seconds()
    assert min(seconds) > 0 and seconds == sorted(seconds)
    alone = ServiceTimes(app="x", batches={4: BatchTimes(count=9, mean_s=0.04)})
    assert alone.seconds()[:4] == pytest.approx([0.01, 0.02, 0.03, 0.04])


def test_a_size_that_was_met_often_stands_for_itself() -> None:
    """A lone photo is computed faster than the line through busy batches says."""
    batches = {n: BatchTimes(count=40, mean_s=0.01 + 0.005 * n) for n in (2, 8, 32)}
    often = {1: BatchTimes(count=1000, mean_s=0.006), **batches}
    seconds = ServiceTimes(app="x", batches=often).seconds()
    assert seconds[0] == pytest.approx(0.006, rel=0.01)
    assert seconds[31] == pytest.approx(0.17, rel=0.05)
    once = {1: BatchTimes(count=1, mean_s=0.006), **batches}
    assert ServiceTimes(app="x", batches=once).seconds()[0] == pytest.approx(0.0133, rel=0.05)


def test_what_queue_and_batch_do_not_explain_is_the_paths_share() -> None:
    times = _batching()
    due_s = poisson_arrivals(20, 30, seed=3)
    latency_s = simulate(due_s, times, replicas=1).latency_s + 0.004
    latency_s[:5] += 2.0  # a hiccup
    none = np.zeros(len(due_s))
    load = LoadResult(due_s, latency_s, none, none.astype(np.int64), ("OK",), 30.0)
    assert measure_overhead(load, times, replicas=1) == pytest.approx(0.004, abs=2e-4)


def test_sums_of_counters_become_means_and_deviations() -> None:
    found = from_sums({2: (4, 0.4, 0.0436), 8: (0, 0.0, 0.0)})
    assert list(found) == [2]
    assert found[2].mean_s == pytest.approx(0.1)
    assert found[2].deviation_s == pytest.approx(0.03)


def test_times_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "times.json"
    file.write_text(times_text([_batching()]))
    assert read_times(file) == [_batching()]


@pytest.mark.parametrize(
    ("content", "said"),
    [("[]", "names no application"), ("{", "holds no service times"), (None, "There is no file")],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "times.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_times(file)


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    document = json.loads(times_text([_batching()]))
    document[0]["batches"]["1"]["mean_s"] = -1
    (tmp_path / "times.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"0\.batches\.1\.mean_s"):
        read_times(tmp_path / "times.json")


def test_a_plan_is_drawn(tmp_path: Path) -> None:
    draw_plan(plan(Demand(6e8, 3, 0.12), [_batching()]), tmp_path / "plan.png")
    assert Image.open(tmp_path / "plan.png").width > 800


@pytest.mark.parametrize(("pool", "threads"), [(None, 2), ("gpu", 2), ("chip:anna-talk", 1)])
def test_a_chip_computes_one_batch_at_a_time(
    pool: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = DeployedApp(
        name="photos", app="photos", serve_name="photos", addresses=(), services=(), model_uri="",
        model="m", version="1", deployed_unix_s=0, pool=pool,
    )  # fmt: skip
    metrics = MetricsObserver("photos")
    for _ in range(40):
        metrics.record_batch(4, 0.0, 0.01)
    sample = metrics_scrape.parse(generate_latest(metrics.registry).decode())
    monkeypatch.setattr(metrics_scrape, "fetch", lambda _: [sample])
    times = measure_service_times(LoadTarget("127.0.0.1:1", app), ["127.0.0.1:2"], [], 0)
    assert (times.threads, times.cpus) == (threads, threads)
