"""What replicas' metrics say between two looks: rates, latencies, batches."""

import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from striate.serve.capacity.service_times import BatchTimes, from_sums
from striate.serve.common.latency import LatencyHistogram
from striate.serve.common.status import SERVER_FAULTS

Labels = tuple[tuple[str, str], ...]
MetricSample = dict[tuple[str, Labels], float]
_FETCH_S = 2.0


@dataclass(frozen=True)
class Figures:
    """An application between two looks.

    Attributes:
        app: its name.
        replicas: that answered.
        rate: requests answered a second, whatever their status: calls, and messages of streams.
        errors: share of them that ended with a status in `SERVER_FAULTS`.
        p50_ms, p99_ms: latency of calls that are no streams, from histogram buckets; None
            without such calls.
        mean_batch: requests in a batch; None without batches.
        queue_ms: mean wait of a batch's oldest request; None without batches.
        in_flight, queued: at the second look.
        memory_bytes: resident, of all replicas.
        versions: ``model/version`` → calls answered a second.
        codes: gRPC status → calls a second.
        rejected: reason → refusals a second.
    """

    app: str
    replicas: int
    rate: float
    errors: float
    p50_ms: float | None
    p99_ms: float | None
    mean_batch: float | None
    queue_ms: float | None
    in_flight: int
    queued: int
    memory_bytes: int
    versions: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, float] = field(default_factory=dict)
    rejected: Mapping[str, float] = field(default_factory=dict)


def parse(text: str) -> MetricSample:
    """Values by name and labels, from the text format of Prometheus."""
    values: MetricSample = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[(sample.name, tuple(sorted(sample.labels.items())))] = sample.value
    return values


def fetch(addresses: Sequence[str]) -> list[MetricSample]:
    """The metrics of each replica; one that does not answer is left out."""
    if not addresses:
        return []
    with ThreadPoolExecutor(min(16, len(addresses))) as threads:
        return [found for found in threads.map(_fetch, addresses) if found]


def _fetch(address: str) -> MetricSample:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=_FETCH_S) as answer:
            return parse(answer.read().decode())
    except (OSError, ValueError):
        return {}


def counter_growth(before: Iterable[MetricSample], after: Iterable[MetricSample]) -> MetricSample:
    """How much each counter grew over all replicas; a counter that began anew counts from 0.

    Gauges and sizes are the sums of the second look.
    """
    old = {_start_of(sample): sample for sample in before}
    total: MetricSample = defaultdict(float)
    for sample in after:
        past = old.get(_start_of(sample), {})
        for key, value in sample.items():
            counts = key[0].endswith(("_total", "_count", "_sum", "_bucket"))
            total[key] += value - (past.get(key, 0.0) if counts else 0.0)
    return dict(total)


def figures(
    app: str, before: list[MetricSample], after: list[MetricSample], seconds: float
) -> Figures:
    """An application's figures between two looks, `seconds` apart."""
    grown = counter_growth(before, after)
    grown = _streams_as_messages(grown)
    codes = _by(grown, "striate_requests_total", "code")
    calls = sum(codes.values())
    batches = _sum(grown, "striate_batches_total")
    requests = sum(
        int(dict(labels)["size"]) * value
        for (name, labels), value in grown.items()
        if name == "striate_batches_total"
    )
    waited = queue_seconds(grown)
    latency = _latency(grown)
    return Figures(
        app=app,
        replicas=len(after),
        rate=calls / seconds,
        errors=sum(codes[c] for c in codes if c in SERVER_FAULTS) / calls if calls else 0.0,
        p50_ms=_milliseconds(latency.percentile_s(0.50)),
        p99_ms=_milliseconds(latency.percentile_s(0.99)),
        mean_batch=requests / batches if batches else None,
        queue_ms=1000 * waited / batches if batches else None,
        in_flight=round(_sum(grown, "striate_in_flight")),
        queued=round(_sum(grown, "striate_queued")),
        memory_bytes=round(_sum(grown, "process_resident_memory_bytes")),
        versions=_per_second(_versions(grown), seconds),
        codes=_per_second(codes, seconds),
        rejected=_per_second(_by(grown, "striate_rejected_total", "reason"), seconds),
    )


def batch_times(grown: MetricSample) -> dict[int, BatchTimes]:
    """Seconds of computing by batch size."""
    count, total, squares = (
        _by(grown, f"striate_{name}_total", "size")
        for name in ("batches", "batch_seconds", "batch_seconds_squared")
    )
    return from_sums(
        {int(size): (round(count[size]), total[size], squares[size]) for size in count}
    )


def queue_seconds(grown: MetricSample) -> float:
    """Seconds that the oldest requests of all batches waited."""
    return _sum(grown, "striate_queue_seconds_sum")


def _streams_as_messages(grown: MetricSample) -> MetricSample:
    """Each answered message of a stream counts as a call; the stream itself, and its life, not."""
    messages = "striate_stream_answers_total"
    streams = {dict(labels)["method"] for name, labels in grown if name == messages}
    kept = {key: value for key, value in grown.items() if dict(key[1]).get("method") not in streams}
    answers = {
        ("striate_requests_total", labels): value
        for (name, labels), value in grown.items()
        if name == messages
    }
    return {**kept, **answers}


def _start_of(sample: MetricSample) -> float:
    """When the replica came up: what tells it from the others, and from one that took its port."""
    return sum(v for (name, _), v in sample.items() if name == "striate_started_unix_seconds")


def _sum(grown: MetricSample, name: str) -> float:
    return sum(value for (found, _), value in grown.items() if found == name)


def _by(grown: MetricSample, name: str, label: str) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for (found, labels), value in grown.items():
        if found == name:
            sums[dict(labels)[label]] += value
    return dict(sums)


def _versions(grown: MetricSample) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for (found, labels), value in grown.items():
        named = dict(labels)
        if found == "striate_requests_total" and named["model"]:
            sums[f"{named['model']}/{named['version']}"] += value
    return dict(sums)


def _latency(grown: MetricSample) -> LatencyHistogram:
    up_to = _by(grown, "striate_request_seconds_bucket", "le")
    return LatencyHistogram.from_cumulative({float(le): count for le, count in up_to.items()})


def _per_second(counts: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: count / seconds for name, count in counts.items() if count}


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
