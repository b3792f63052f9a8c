"""The Grafana dashboard asks only for metrics that exist, with labels that they carry."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from striate.serve.common.status import SERVER_FAULTS
from striate.serve.observability.metrics import MetricsObserver

pytestmark = pytest.mark.unit
FILE = Path(__file__).parents[3] / "deploy" / "grafana" / "striate-serving.json"
# HAProxy's own exporter, as its documentation lists them for 2.8.
EDGE = {
    "haproxy_server_current_sessions",
    "haproxy_backend_current_queue",
    "haproxy_frontend_current_sessions",
}
NAME = re.compile(r"\b(?:striate|process|haproxy)_[a-z_]+\b")
BY = re.compile(r"\b(?:by|on) \(([a-z_, ]+)\)")
SET_BY_PROMETHEUS = {"instance", "job"}


def _dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def _known() -> dict[str, set[str]]:
    """Every series of a replica that has seen one of everything, with its labels."""
    metrics = MetricsObserver("photos")
    metrics.record_call("striate.v1.PhotoTagging", "Tag", "OK", 0.01, "tagger", "1")
    metrics.record_batch(1, 0.001, 0.01)
    metrics.record_refusal("queue full")
    return {
        sample.name: set(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def _expressions() -> Iterator[str]:
    for panel in _dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (note["expr"] for note in _dashboard()["annotations"]["list"])


def test_each_panel_asks_for_series_that_exist() -> None:
    known = _known()
    asked = {name for expression in _expressions() for name in NAME.findall(expression)}
    assert len(asked) > 8
    assert asked <= set(known) | EDGE, asked - set(known) - EDGE


def test_each_grouping_is_by_labels_that_the_series_carry() -> None:
    known = _known()
    for expression in _expressions():
        names = [name for name in NAME.findall(expression) if name in known]
        carried = set().union(*(known[name] for name in names)) | SET_BY_PROMETHEUS
        for group in BY.findall(expression) if names else ():
            assert set(group.split(", ")) <= carried, expression


def test_errors_are_the_statuses_that_everything_else_calls_faults() -> None:
    text = json.dumps(_dashboard())
    (named,) = re.findall(r'code=~\\"([A-Z_|]+)\\"', text)
    assert set(named.split("|")) == SERVER_FAULTS


def test_panels_have_titles_words_and_places_of_their_own() -> None:
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
