"""The chart, rendered by Helm's own engine."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEFINITIONS = Path(__file__).parent / "definitions" / "kuberay-v1.json.gz"
CHART = ROOT / "deploy" / "helm" / "striate"
VALUES_FILES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    **{path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in VALUES_FILES},
}
RELEASE, NAMESPACE = "demo", "vision"

Values = Mapping[str, Any]
Manifest = dict[str, Any]


class Chart:
    """The chart of this repository."""

    path = CHART

    def __init__(self) -> None:
        self._chart = helm_python.Chart.load(CHART)

    def texts(self, values: Values, name: str = RELEASE) -> dict[str, str]:
        """Each template's output; the schema is checked first, as `helm install` does."""
        self._chart.validate_schema(dict(values))
        rendered: dict[str, str] = self._chart.render(dict(values), name=name, namespace=NAMESPACE)
        return rendered

    def objects(self, values: Values, name: str = RELEASE) -> list[Manifest]:
        """Every Kubernetes object of a release."""
        texts = [text for path, text in self.texts(values, name).items() if path.endswith(".yaml")]
        loaded = (document for text in texts for document in yaml.safe_load_all(text))
        return [document for document in loaded if document]

    def find(self, values: Values, kind: str, suffix: str = "") -> Manifest:
        """The one object of a kind, or the one whose name ends so."""
        (found,) = [
            item
            for item in self.objects(values)
            if item["kind"] == kind and item["metadata"]["name"].endswith(suffix)
        ]
        return found


@pytest.fixture(scope="session")
def chart() -> Iterator[Chart]:
    yield Chart()


@pytest.fixture(params=list(CASES))
def values(request: pytest.FixtureRequest) -> Values:
    """Each values file in turn, and the chart's own values."""
    case: Values = CASES[request.param]
    return case


@pytest.fixture(scope="session")
def ray_problems() -> Callable[[Manifest], list[str]]:
    """What KubeRay's definitions find wrong with a RayCluster or RayService."""

    def problems(manifest: Manifest) -> list[str]:
        errors = _ray_validator(manifest["kind"]).iter_errors(manifest)
        return [f"{error.json_path}: {error.message}" for error in errors]

    return problems


@cache
def _ray_validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = _strict(json.loads(gzip.decompress(DEFINITIONS.read_bytes()))[kind])
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of Kubernetes that refuses the fields that the API server would drop in silence."""
    strict = dict(schema)
    if schema.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    if "properties" in schema:
        strict["properties"] = {name: _strict(s) for name, s in schema["properties"].items()}
        strict["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            strict[key] = _strict(schema[key])
    return strict
