"""Pictures of latency: what a load met, and what a plan promises."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from striate.serve.capacity.arrivals import FloatArray
from striate.serve.capacity.load_generator import LoadResult
from striate.serve.capacity.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, WARN, MUTED = "#2d5f8f", "#c4452d", "#7f9fbf"
_TAIL = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
_MOST_DOTS = 20_000


def draw_load(result: LoadResult, title: str, path: Path, deadline_s: float | None = None) -> None:
    """Latency by percentile, and over the time of the test, as a PNG file."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    tail, course = figure.subplots(1, 2)
    good = np.sort(result.latency_s[result.answered]) * 1000
    _percentiles(tail, good, deadline_s)
    _course(course, result)
    figure.suptitle(title)
    figure.savefig(path, dpi=130)


def draw_plan(plan: Plan, path: Path) -> None:
    """The latency of photos at the peak, and p99 against the number of replicas, as a PNG file."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    tail, sizes = figure.subplots(1, 2)
    _percentiles(tail, plan.latency_s * 1000, plan.demand.deadline_s)
    _sizes(sizes, plan)
    per_app = ", ".join(f"{app.replicas:,} × {app.app}" for app in plan.apps)
    figure.suptitle(
        f"{plan.demand.photos_per_day:,.0f} photos a day, peak × {plan.demand.peak:g}"
        f" = {plan.demand.rate:,.0f} a second: {per_app}"
    )
    figure.savefig(path, dpi=130)


def _percentiles(axes: "Axes", latency_ms: FloatArray, deadline_s: float | None) -> None:
    """Ascending latencies against 1 / (1 − percentile), so that the tail is seen."""
    axes.set(xlabel="percentile", ylabel="latency, ms", title="Latency by percentile")
    if len(latency_ms):
        beyond = 1 / (1 - np.arange(len(latency_ms)) / len(latency_ms))
        axes.step(beyond, latency_ms, where="post", color=LINE)
        shown = [share for share in _TAIL if share < 1 - 1 / len(latency_ms)]
        axes.set_xscale("log")
        axes.set_xticks([1 / (1 - share) for share in shown], [f"{100 * s:g}" for s in shown])
        axes.set_xticks([], minor=True)
        for share in (0.5, 0.99):
            value = float(np.quantile(latency_ms, share))
            _mark(axes, 1 / (1 - share), value, f"p{100 * share:g} {value:,.1f} ms")
    if deadline_s is not None:
        _deadline(axes, deadline_s)
    _plain(axes)


def _course(axes: "Axes", result: LoadResult) -> None:
    every = max(1, len(result.due_s) // _MOST_DOTS)
    good = result.answered
    for which, colour, label in ((good, LINE, "answered"), (~good, WARN, "failed")):
        if which.any():
            points = (result.due_s[which][::every], result.latency_s[which][::every] * 1000)
            axes.plot(*points, ".", color=colour, markersize=2.5, label=label)
    axes.set(xlabel="due at, s", ylabel="latency, ms", title="Over the test")
    if not good.all():
        axes.legend(frameon=False, loc="upper left")
    _plain(axes)


def _sizes(axes: "Axes", plan: Plan) -> None:
    replicas, p99 = zip(*plan.curve, strict=True)
    axes.plot(replicas, p99, "o-", color=LINE, markersize=4)
    _deadline(axes, plan.demand.deadline_s)
    chosen = sum(app.replicas for app in plan.apps)
    text = f"{chosen:,} replicas, p99 {plan.p99_ms:,.0f} ms"
    _mark(axes, chosen, plan.p99_ms, text, ha="right" if len(replicas) > 1 else "center")
    axes.set(xlabel="replicas of all applications", ylabel="p99, ms", title="What was tried")
    _plain(axes)


def _deadline(axes: "Axes", deadline_s: float) -> None:
    axes.axhline(deadline_s * 1000, color=WARN, linewidth=1, linestyle="--")
    at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "fontsize": 9}
    axes.text(0.02, deadline_s * 1000, f"deadline {deadline_s:g} s", color=WARN, **at)


def _mark(axes: "Axes", x: float, y: float, text: str, ha: str = "left") -> None:
    axes.plot([x], [y], "o", color=WARN, markersize=4)
    below: dict[str, Any] = {"xytext": (6 if ha == "left" else 0, -14), "ha": ha, "fontsize": 9}
    axes.annotate(text, (x, y), textcoords="offset points", **below)


def _plain(axes: "Axes") -> None:
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
