"""A replica's metrics, as Prometheus and `striate apps top` read them."""

import urllib.request
from collections.abc import Callable

import grpc
import pytest

from striate.core.errors import PlatformError
from striate.serve.capacity.metrics_scrape import (
    batch_times,
    counter_growth,
    fetch,
    figures,
    parse,
)
from striate.serve.common.status import SERVER_FAULTS
from striate.serve.observability import metrics as metrics_module
from striate.serve.observability.call_stats import Counter
from striate.serve.observability.metrics import Endpoint, MetricsObserver
from striate.serve.observability.observer import Observers

pytestmark = pytest.mark.unit
CALL = ("striate.v1.PhotoTagging", "Tag")


def _text(endpoint: Endpoint) -> str:
    with urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_what_a_server_tells_is_what_is_read() -> None:
    metrics = MetricsObserver("photos", in_flight=lambda: 3, queued=lambda: 2)
    endpoint = Endpoint(metrics, "127.0.0.1")
    try:
        before = fetch([endpoint.address])
        for _ in range(9):
            metrics.record_call(*CALL, "OK", 0.015, "tagger", "4")
        metrics.record_call(*CALL, "INTERNAL", 0.5, "tagger", "4")
        metrics.record_call(*CALL, "INVALID_ARGUMENT", 0.001, "tagger", "4")
        metrics.record_batch(1, 0.001, 0.010)
        metrics.record_batch(8, 0.003, 0.020)
        metrics.record_refusal("queue full")
        after = fetch([endpoint.address, "127.0.0.1:1"])  # one replica does not answer
    finally:
        endpoint.close()
    found = figures("photos", before, after, seconds=2.0)
    assert found.replicas == 1
    assert found.rate == pytest.approx(5.5)
    assert found.errors == pytest.approx(1 / 11)  # a wrong argument is the caller's
    assert found.codes == pytest.approx({"OK": 4.5, "INTERNAL": 0.5, "INVALID_ARGUMENT": 0.5})
    assert found.p50_ms is not None and 10 <= found.p50_ms <= 20
    assert found.p99_ms is not None and 200 <= found.p99_ms <= 500
    assert found.mean_batch == pytest.approx(4.5)
    assert found.queue_ms == pytest.approx(2.0)
    assert (found.in_flight, found.queued) == (3, 2)
    assert found.versions == {"tagger/4": pytest.approx(5.5)}
    assert found.rejected == {"queue full": 0.5}
    assert found.memory_bytes > 10_000_000


@pytest.mark.parametrize("code", [status.name for status in grpc.StatusCode])
def test_a_trial_and_the_live_view_call_the_same_a_fault_of_the_server(code: str) -> None:
    metrics, counter = MetricsObserver("photos"), Counter()
    for observer in (metrics, counter):
        observer.record_call(*CALL, code, 0.01, "tagger", "4")
    endpoint = Endpoint(metrics, "127.0.0.1")
    try:
        found = figures("photos", [], fetch([endpoint.address]), seconds=1.0)
    finally:
        endpoint.close()
    assert found.errors == counter.count().failed == (code in SERVER_FAULTS)


def test_a_streams_messages_count_and_its_life_is_no_latency() -> None:
    metrics = MetricsObserver("photos")
    stream = ("striate.v1.PhotoTagging", "TagStream")
    metrics.record_call(*CALL, "OK", 0.003, "tagger", "4")
    for code in ("OK", "OK", "INVALID_ARGUMENT"):
        metrics.record_message(*stream, code, "tagger", "4")
    metrics.record_call(*stream, "OK", 9.0, "tagger", "4")
    endpoint = Endpoint(metrics, "127.0.0.1")
    found = figures("photos", [], fetch([endpoint.address]), seconds=1.0)
    endpoint.close()
    assert found.codes == {"OK": 3.0, "INVALID_ARGUMENT": 1.0}
    assert found.p99_ms is not None and found.p99_ms < 5


def test_batches_tell_how_long_a_batch_of_each_size_takes() -> None:
    metrics = MetricsObserver("photos")
    endpoint = Endpoint(metrics, "127.0.0.1")
    for seconds in (0.01, 0.03):
        metrics.record_batch(4, 0.0, seconds)
    samples = fetch([endpoint.address])
    endpoint.close()
    times = batch_times(counter_growth([], samples))
    assert times[4].count == 2
    assert times[4].mean_s == pytest.approx(0.02)
    assert times[4].deviation_s == pytest.approx(0.01)


def test_a_replica_that_began_anew_counts_from_zero() -> None:
    """The old one had answered 100 calls; the new one on its port, 7."""
    old, new = (
        {
            ("striate_started_unix_seconds", (("app", "a"),)): start,
            ("striate_requests_total", (("code", "OK"), ("model", ""), ("version", ""))): calls,
        }
        for start, calls in ((1.0, 100.0), (2.0, 7.0))
    )
    assert figures("a", [old], [new], 1.0).rate == 7.0
    assert figures("a", [old], [old], 1.0).rate == 0.0


def test_every_metric_carries_the_application() -> None:
    metrics = MetricsObserver("faces")
    metrics.record_call(*CALL, "OK", 0.01, "m", "1")
    metrics.record_batch(1, 0.0, 0.1)
    metrics.record_refusal("too large")
    metrics.record_event("shop", "failed", 1)
    metrics.record_event("", "dropped", 3)
    endpoint = Endpoint(metrics, "127.0.0.1")
    samples = parse(_text(endpoint))
    endpoint.close()
    own = {key for key in samples if key[0].startswith("striate_")}
    assert own
    assert all(dict(labels)["app"] == "faces" for _, labels in own)
    events = {
        (dict(labels)["hook"], dict(labels)["outcome"]): value
        for (name, labels), value in samples.items()
        if name == "striate_webhook_events_total"
    }
    assert events == {("shop", "failed"): 1, ("", "dropped"): 3}


def test_who_joins_later_is_told_of_the_events_before() -> None:
    first, later = (MetricsObserver("faces") for _ in range(2))
    observers = Observers(first)
    observers.record_event("shop", "delivered", 2)
    observers.add(later)
    observers.record_event("shop", "delivered", 1)
    labels = {"app": "faces", "hook": "shop", "outcome": "delivered"}
    for metrics in (first, later):
        assert metrics.registry.get_sample_value("striate_webhook_events_total", labels) == 3


def test_replicas_of_one_node_take_the_next_free_port(unused_port: Callable[[], int]) -> None:
    port = unused_port()
    one, two = (Endpoint(MetricsObserver("a"), "127.0.0.1", port) for _ in range(2))
    try:
        assert one.address != two.address
        assert "striate_in_flight" in _text(one) and "striate_in_flight" in _text(two)
    finally:
        one.close()
        two.close()


def test_no_free_port_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, unused_port: Callable[[], int]
) -> None:
    monkeypatch.setattr(metrics_module, "PORTS_TRIED", 1)
    port = unused_port()
    held = Endpoint(MetricsObserver("a"), "127.0.0.1", port)
    try:
        with pytest.raises(PlatformError, match=f"No port from {port}"):
            Endpoint(MetricsObserver("a"), "127.0.0.1", port)
    finally:
        held.close()
