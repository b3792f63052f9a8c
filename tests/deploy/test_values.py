"""Values: what the schema takes, what it refuses, and that the documented defaults are all."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

pytestmark = pytest.mark.unit

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "striate"

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a typo at the top": ({"clutser": {}}, "clutser"),
    "a typo inside": ({"edge": {"tls": {"enable": True}}}, "enable"),
    "a typo in a group": ({"cluster": {"workerGroups": {"cpu": {"replica": 1}}}}, "replica"),
    "a word for a number": ({"edge": {"replicas": "two"}}, "edge/replicas"),
    "a port out of range": ({"serve": {"port": 70000}}, "serve/port"),
    "a model without version": ({"serve": {"model": "lenet5-digits"}}, "serve/model"),
    "a builder without function": ({"serve": {"importPath": "photos"}}, "serve/importPath"),
    "an old Ray": ({"ray": {"version": "2.40.0"}}, "ray/version"),
    "pods as root": ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
    "kept capabilities": ({"containerSecurityContext": {"capabilities": {"drop": []}}}, "drop"),
    "no limits": ({"edge": {"resources": {"limits": None}}}, "limits"),
    "TLS without secret": ({"edge": {"tls": {"enabled": True}}}, "secretName"),
    "tokens without secret": ({"edge": {"tokens": {"enabled": True}}}, "secretName"),
    "open without tokens": (
        {
            "edge": {
                "service": {"type": "LoadBalancer"},
                "tls": {"enabled": True, "secretName": "t"},
            }
        },
        "edge.tokens",
    ),
    "S3 without bucket": ({"mlflow": {"artifacts": {"type": "s3"}}}, "destination"),
    "PostgreSQL without secret": ({"mlflow": {"database": {"type": "postgresql"}}}, "uriSecret"),
    "serving without tracking": ({"mlflow": {"enabled": False}}, "externalUri"),
    "arguments over the model": ({"serve": {"arguments": {"model": "x"}}}, "serve/arguments/model"),
    "a long name": ({"fullnameOverride": "a" * 41}, "fullnameOverride"),
}


def test_helm_lints_every_values_file(chart: Any, values: dict[str, Any]) -> None:
    report = helm_python.lint(chart.path, values, strict=True, kube_version="v1.34.0")
    assert not report["errors"]
    assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(("wrong", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_name(chart: Any, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        chart.texts(wrong)
    assert named in str(caught.value)


def test_a_release_name_that_ray_cannot_carry_is_refused(chart: Any) -> None:
    with pytest.raises(helm_python.HelmError, match="fullnameOverride"):
        chart.objects({}, name="1st")


OPEN = {"/properties/serve/properties/arguments"}  # the application's builder checks these


def _closed(schema: Any, at: str = "") -> Iterator[str]:
    """Where a schema with properties lets unknown ones through."""
    if isinstance(schema, dict):
        conditional = at.rsplit("/", 1)[-1] in {"if", "then"} or "/if/" in at or "/then/" in at
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield from () if conditional or at in OPEN else (at,)
        for key, value in schema.items():
            yield from _closed(value, f"{at}/{key}")


def test_the_schema_is_closed_everywhere(chart: Any) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text(encoding="utf-8"))
    assert list(_closed(schema)) == []


def _numbers(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The numbers that a schema takes, with where they stand in it."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield at, schema
        for key, value in schema.items():
            yield from _numbers(value, f"{at}/{key}")
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            yield from _numbers(value, f"{at}/{place}")


def test_every_number_of_the_schema_has_two_ends(chart: Any) -> None:
    schema = json.loads((chart.path / "values.schema.json").read_text(encoding="utf-8"))
    for at, number in _numbers(schema):
        assert {"minimum", "maximum"} <= set(number), f"{at} takes any number"


def _places(values: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the chart's own values have a number."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _places(value, (*at, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*at, key)


NUMBERS = list(_places(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))))


def _values(place: tuple[str, ...], value: object) -> Any:
    for key in reversed(place):
        value = {key: value}
    return value


@pytest.mark.parametrize("place", NUMBERS, ids="/".join)
def test_a_number_out_of_range_is_refused_by_name(chart: Any, place: tuple[str, ...]) -> None:
    for wrong in (-1, 0.5, 10**20, 1e300, "1", "inf", "nan"):
        with pytest.raises(helm_python.HelmError, match="/".join(place)):
            chart.texts(_values(place, wrong))
    for no_json in (float("inf"), float("nan")):  # which a values file cannot even say
        with pytest.raises((helm_python.HelmError, ValueError)):
            chart.texts(_values(place, no_json))


@pytest.mark.parametrize(
    "group",
    [
        {"replicas": 5},
        {"replicas": 0},
        {"minReplicas": 5},
        {"replicas": 3, "minReplicas": 3, "maxReplicas": 2},
    ],
)
def test_a_reversed_or_excluding_range_is_refused(chart: Any, group: dict[str, int]) -> None:
    with pytest.raises(helm_python.HelmError, match=r"workerGroups\.cpu\.replicas"):
        chart.texts({"serve": {"workerGroups": {"cpu": group}}})


def test_every_value_has_a_comment(chart: Any) -> None:
    """Each value or block stands under a comment, or its first line is one."""
    text = (chart.path / "values.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    bare = []
    for name in yaml.safe_load(text):
        at = lines.index(next(line for line in lines if re.match(rf"{name}:", line)))
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if not lines[at - 1].startswith("#") and not following.strip().startswith("# --"):
            bare.append(name)
    assert bare == []


def test_everything_off_makes_no_object(chart: Any) -> None:
    off = {part: {"enabled": False} for part in ("cluster", "serve", "mlflow", "edge")}
    assert chart.objects(off) == []


def test_the_notes_name_the_commands_of_what_is_on(chart: Any) -> None:
    notes = chart.texts({})["striate/templates/NOTES.txt"]
    for said in ("raycluster demo-striate-train", "demo-striate-edge", "RAY_AUTH_TOKEN", "WARNING"):
        assert said in notes
    assert (
        "WARNING" not in chart.texts({"storage": {"enabled": True}})["striate/templates/NOTES.txt"]
    )
