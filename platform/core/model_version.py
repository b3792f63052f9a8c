"""A registered version of a model, and whether it is better than another one."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

METRICS_TAG = "striate.metrics"
EVALUATED_TAG = "striate.evaluated_on"


class EvaluatedOn(BaseModel):
    """What figures of a version can be held against those of another one.

    Attributes:
        data: names the very samples, for example by the hash of their manifest and the split.
        metric: the metric that says which model is better; larger is better.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: str
    metric: str


class ModelVersion(BaseModel):
    """One registered version of a model.

    Attributes:
        name: the registered model.
        version: counts from 1 within `name`.
        aliases: names that point at this version, for example ``champion``.
        run_id: the MLflow run that made it, or None.
        uri: ``models:/NAME/VERSION``.
        created_unix_s: when it was registered.
        metrics: the final metrics that its bundle states.
        evaluated_on: on what they were measured, or None where that is not known.
        description: free text, may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    aliases: tuple[str, ...] = ()
    run_id: str | None = None
    uri: str
    created_unix_s: float
    metrics: dict[str, float] = Field(default_factory=dict)
    evaluated_on: EvaluatedOn | None = None
    description: str = ""


def from_mlflow(version: Any, aliases: Mapping[str, Any]) -> ModelVersion:
    """A version as MLflow's client tells it.

    Args:
        version: MLflow's own `ModelVersion`.
        aliases: the model's, with the version that each points at.
    """
    return ModelVersion(
        name=version.name,
        version=int(version.version),
        aliases=tuple(sorted(a for a, v in aliases.items() if str(v) == str(version.version))),
        run_id=version.run_id or None,
        uri=f"models:/{version.name}/{version.version}",
        created_unix_s=version.creation_timestamp / 1000,
        metrics=json.loads(version.tags.get(METRICS_TAG, "{}")),
        evaluated_on=_evaluated_on(version.tags.get(EVALUATED_TAG)),
        description=version.description or "",
    )


def _evaluated_on(tag: str | None) -> EvaluatedOn | None:
    try:
        return None if tag is None else EvaluatedOn.model_validate_json(tag)
    except ValidationError:
        return None  # a later version's


class VersionComparison(NamedTuple):
    """Whether a version is better than another one, and why that is so in a few words."""

    better: bool
    why: str


def compare_versions(new: ModelVersion, former: ModelVersion) -> VersionComparison:
    """Hold a version against another one; what cannot be compared is not better."""
    if new.evaluated_on is None or new.evaluated_on != former.evaluated_on:
        return VersionComparison(False, "the two were not evaluated on the same data")
    metric = new.evaluated_on.metric
    value, before = (one.metrics.get(metric, math.nan) for one in (new, former))
    figures = f"{metric} {value:.4g} against {before:.4g}"
    if value > before or (math.isnan(before) and not math.isnan(value)):
        return VersionComparison(True, f"{figures} on the same data")
    return VersionComparison(False, f"{figures} on the same data is not better")


def describe_move(alias: str, new: ModelVersion, former: ModelVersion | None) -> list[str]:
    """What changes when an alias moves from one version to another, a line each.

    Args:
        alias: the alias.
        new: what it points at afterwards.
        former: what it pointed at, or None.
    """
    at = f"{new.name}@{alias}"
    if former is None:
        return [f"{at} is now version {new.version}; it pointed at none before."]
    if former.version == new.version:
        return [f"{at} is version {new.version}, as before."]
    lines = [f"{at} is now version {new.version}; it was version {former.version}."]
    for metric in sorted(new.metrics.keys() | former.metrics.keys()):
        before, after = former.metrics.get(metric), new.metrics.get(metric)
        if before != after:
            lines.append(f"{metric}: {_figure(before)} → {_figure(after)}")
    if new.evaluated_on is None or new.evaluated_on != former.evaluated_on:
        lines.append("The two were not evaluated on the same data, as far as is known.")
    return lines


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4g}"
