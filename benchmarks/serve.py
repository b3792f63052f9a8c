"""Requests a second through Striate against bare servers, Serve's proxy, KServe and MLServer.

"Echo" is a predictor that decodes nothing and answers at once: the cost of the path. "Tagger" is an
eighth of VGG-16's width on JPEGs of 500×375: the cost that a user sees. Every side has one thread
for torch and holds the same predictor; the bare server is `grpc.aio` written by hand around it,
with the same batches, of which both compute two at a time, as replicas do by default. "Edge" is
HAProxy with TLS and tokens, before ours and before the bare server alike. Callers are in a process
of their own and send messages as bytes.
"""

import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from harness import Row, in_turns, main
from serve_calls import INFER, TAG, Target, closed, many, opened, streamed
from serve_sides import SPAWN, Messages, Ours, bare, ours, peer, start_beside

IN_FLIGHT, PACKED = 32, 8
_LOAD, _TIMES_P50 = 0.7, 4.0
_MANY = 200_000
UNIT = "requests/s"
# Who is compared is measured one soon after the other.
_ORDER = (
    "echo, straight", "bare-echo, straight", "echo, secure", "bare-echo, secure",
    "echo, tls", "echo, plain", "proxy",
    "echo, inference", "kserve, echo", "mlserver, echo", "echo, stream", "echo, stream, secure",
    "tagger, straight", "bare-tagger, straight", "single, straight",
    "tagger, secure", "bare-tagger, secure", "tagger, tls", "tagger, plain",
    "tagger, inference", "kserve, tagger", "mlserver, tagger",
)  # fmt: skip
Rates = dict[str, list[float]]
compared = Row.paired


def measure(quick: bool) -> list[Row]:
    """All rows; the full form takes about ten minutes."""
    from striate.serve.capacity.load_calls import sample_photo

    seconds, rounds = (0.12, 2) if quick else (0.8, 11)
    with tempfile.TemporaryDirectory(prefix="st-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        bundle = write_tagger(folder / "bundle")
        messages = Messages.of(sample_photo(), PACKED)
        names = ("kserve", "mlserver")
        peers = start_beside(stack, {name: peer(name, bundle) for name in names})
        bares = start_beside(stack, {"bare-echo": bare(None), "bare-tagger": bare(bundle)})
        our = stack.enter_context(ours(folder, bundle, messages, bares))
        targets = dict(our.targets)
        for name, address in bares().items():
            targets[f"{name}, straight"] = Target(address, TAG, messages.tag)
        for name, address in peers().items():
            for model in ("echo", "tagger"):
                targets[f"{name}, {model}"] = Target(address, INFER, messages.infer(model))
        callers = stack.enter_context(ProcessPoolExecutor(1, mp_context=SPAWN))
        rates = _rates(callers, targets, seconds, rounds)
        rows = [*_path_rows(rates), *_peer_rows(rates), *_own_rows(rates)]
        rows += _alone_rows(callers, targets, seconds, rounds)
        rows.append(_tail_row(callers, targets["tagger, secure"], quick))
        if not quick:
            rows += _memory_rows(callers, our, targets["echo, secure"])
    return rows


def _rates(
    callers: ProcessPoolExecutor, targets: dict[str, Target], seconds: float, rounds: int
) -> Rates:
    """Requests a second of every target with `IN_FLIGHT` callers, in turns."""

    def rate(name: str, target: Target) -> float:
        if "stream" in name:
            return callers.submit(streamed, target, IN_FLIGHT, PACKED, seconds).result()
        return callers.submit(closed, target, IN_FLIGHT, seconds).result()

    measures: list[Callable[[], float]] = [partial(rate, name, targets[name]) for name in _ORDER]
    for one in measures:
        one()  # warms connections and kernels
    return dict(zip(_ORDER, in_turns(measures, rounds), strict=True))


def _path_rows(rates: Rates) -> list[Row]:
    """Ours against the bare server and Serve's proxy."""
    rows = []
    for kind, straight, edged in (("echo", 0.9, 0.85), ("tagger", 0.95, 0.9)):
        ours_, bare_ = rates[f"{kind}, straight"], rates[f"bare-{kind}, straight"]
        rows.append(
            compared(f"{kind}: replica / bare grpc.aio server", ours_, bare_, UNIT, straight)
        )
        ours_, bare_ = rates[f"{kind}, secure"], rates[f"bare-{kind}, secure"]
        rows.append(compared(f"{kind}: the same, both behind the edge", ours_, bare_, UNIT, edged))
    edge = rates["echo, secure"]
    rows.append(compared("echo: edge / Serve's default proxy", edge, rates["proxy"], UNIT, 3.0))
    return rows


def _peer_rows(rates: Rates) -> list[Row]:
    """The Open Inference Protocol, no edge on either side."""
    return [
        compared(
            f"{kind}: inference protocol / {title}",
            rates[f"{kind}, inference"],
            rates[f"{name}, {kind}"],
            UNIT,
            least,
        )
        for kind, least in (("echo", 1.1), ("tagger", 2.0))
        for name, title in (("kserve", "KServe"), ("mlserver", "MLServer"))
    ]


def _own_rows(rates: Rates) -> list[Row]:
    """Ours against ours: streams, batches, TLS, tokens."""
    return [
        compared("echo: TagStream / Tag, 32 in flight", rates["echo, stream"],
            rates["echo, straight"], UNIT, 2.0),
        compared("echo: TagStream / Tag, through the edge", rates["echo, stream, secure"],
            rates["echo, secure"], UNIT),
        compared("tagger: batches / one at a time", rates["tagger, straight"],
            rates["single, straight"], UNIT, 1.3),
        compared("echo: TLS / plain text, at the edge", rates["echo, tls"],
            rates["echo, plain"], UNIT, 0.85),
        compared("tagger: TLS / plain text, at the edge", rates["tagger, tls"],
            rates["tagger, plain"], UNIT, 0.85),
        compared("echo: tokens / none, at the edge with TLS", rates["echo, secure"],
            rates["echo, tls"], UNIT, 0.97),
    ]  # fmt: skip


def _alone_rows(
    callers: ProcessPoolExecutor, targets: dict[str, Target], seconds: float, rounds: int
) -> list[Row]:
    """One caller at a time."""
    names = [
        f"{side}{kind}, {way}" for kind in ("echo", "tagger") for way in ("straight", "secure")
        for side in ("", "bare-")
    ]  # fmt: skip

    def rate(target: Target) -> float:
        return callers.submit(closed, target, 1, seconds).result()

    found = in_turns([partial(rate, targets[name]) for name in names], rounds)
    rates = dict(zip(names, found, strict=True))
    return [
        compared(f"{kind}, one caller: {title}", rates[f"{kind}, {way}"],
            rates[f"bare-{kind}, {way}"], UNIT)
        for kind in ("echo", "tagger")
        for way, title in (("straight", "replica / bare"), ("secure", "both behind the edge"))
    ]  # fmt: skip


def _tail_row(callers: ProcessPoolExecutor, target: Target, quick: bool) -> Row:
    """p99 against p50 of Poisson arrivals at 70 % of saturation, through the edge.

    What saturates it is measured before each round.
    """
    rounds, seconds = (2, 1.0) if quick else (7, 10.0)
    p50s, p99s = [], []
    for seed in range(rounds):
        most = callers.submit(closed, target, IN_FLIGHT, seconds / 3).result()
        p50, p99 = callers.submit(opened, target, _LOAD * most, seconds, seed).result()
        p50s.append(1000 * _TIMES_P50 * p50)
        p99s.append(1000 * p99)
    usual = statistics.median(p50s) / _TIMES_P50
    name = f"tagger at {_LOAD:.0%} of saturation, edge: p50 {usual:.1f} ms × 4 / p99"
    return compared(name, p50s, p99s, "ms", 1.0)


def _memory_rows(callers: ProcessPoolExecutor, our: Ours, target: Target) -> list[Row]:
    """Resident memory after a tenth of 200,000 requests, and after all of them."""
    watched = {
        "HAProxy": our.processes["haproxy, secure"], "replica": our.processes["echo replica"]
    }  # fmt: skip
    callers.submit(many, target, IN_FLIGHT, _MANY // 10).result()
    early = {name: psutil.Process(pid).memory_info().rss for name, pid in watched.items()}
    callers.submit(many, target, IN_FLIGHT, _MANY - _MANY // 10).result()
    late = {name: psutil.Process(pid).memory_info().rss for name, pid in watched.items()}
    return [
        Row(f"memory of {name}: after 20,000 requests / 200,000",
            early[name] / 2**20, late[name] / 2**20, "MiB", 0.95)
        for name in watched
    ]  # fmt: skip


def write_tagger(path: Path) -> Path:
    """The small VGG of the recipe `vgg16-mini`, with random weights: it costs the same."""
    from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
    from striate.models import build

    side = 48
    arguments = {"classes": 18, "field": side, "width": 0.125}
    architecture = Architecture(name="vgg16", arguments=arguments)
    steps: tuple[dict[str, Any], ...] = (
        {"op": "resize_shorter", "size": side},
        {"op": "centre_crop", "height": side, "width": side},
        {"op": "rgb"},
        {"op": "normalise", "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]},
    )
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={
            "input": TensorSpec(
                dtype="float32", shape=(3, side, side), layout="CHW", units="intensity"
            )
        },
        outputs={"output": TensorSpec(dtype="float32", shape=(18,), layout="C", units="logit")},
        preprocessing=steps,
        labels=tuple(f"class {index}" for index in range(18)),
    )
    return Bundle.write(path, spec, build(architecture).state_dict()).path


if __name__ == "__main__":
    main(
        measure,
        __doc__ or "",
        "two rounds of 0.12 seconds, no rows of memory; the peers installed before",
    )
