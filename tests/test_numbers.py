"""Every number that a user can give has two ends, and what lies beyond them is one sentence."""

import importlib
import json
import math
import pkgutil
from collections.abc import Iterator, Mapping
from inspect import isabstract
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import striate.cli
import striate.core
import striate.data
import striate.local
import striate.serve
import striate.train
from striate.core.errors import StriateError, UsageError
from striate.core.settings import Settings
from striate.data.corpora import CORPORA
from striate.data.corpora.base import FolderOptions
from striate.data.ingest.request import IngestRequest
from striate.data.pipelines.registry import PIPELINES
from striate.data.storage import Source, Target
from striate.data.transforms.image.preprocess import OPS, steps_of
from striate.models import MODELS
from striate.serve.capacity.plan import Demand
from striate.train.recipes.resolve import Recipe, override, resolve

ROOMS = (striate.core, striate.data, striate.train, striate.serve, striate.local, striate.cli)
NO_CONFIGURATION = {
    # what Striate itself reports, counts or records, and nobody writes
    "IngestReport", "ShardPlan", "ShardRecord", "PartStatus", "PlatformStatus", "PlatformProcess",
    "PlatformState", "CallStats", "AppStatus", "SubmittedJob", "Attempt", "RunOutcome", "RunSpec",
    "SweepResult", "TrialResult", "Comparison", "History", "MetricRecord", "RunSummary",
    "ModelVersion", "Provenance", "BundleSpec", "_StoredBundle", "AppTable",
}  # fmt: skip
TEXTS = {"replicas"}
"""Numbers with a validator of their own, since they may be ``MIN:MAX``; see `replica_range`."""
HUGE = 10**20
EXTREMES: tuple[Any, ...] = (
    math.inf, -math.inf, math.nan, -1, -0.5, 0, HUGE, -HUGE, 1e300, -1e300, 1e-300, 2**31, 2**63,
    "inf", "-inf", "nan", "1e999", "-1", "0", str(HUGE), "9" * 5000, "²", "", True, None, [], {},
)  # fmt: skip
TYPED = ("inf", "-inf", "nan", "1e999", "-1", "0", "1e-300", str(HUGE), f"-{HUGE}", "9" * 5000, "²")
extremes = st.sampled_from(EXTREMES) | st.floats() | st.integers() | st.text(max_size=6)
typed = st.sampled_from(TYPED) | (st.floats() | st.integers()).map(str)


def modules() -> None:
    """Import all of them, so that every model is known."""
    for room in ROOMS:
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def models() -> list[type[BaseModel]]:
    """Every model of the project, by its name."""
    modules()
    found, left = set(), [BaseModel]
    while left:
        kinds = [kind for kind in left.pop().__subclasses__() if kind not in found]
        found.update(kinds)
        left += kinds
    ours = [k for k in found if k.__module__.startswith("striate.") and not isabstract(k)]
    return sorted(ours, key=lambda kind: (kind.__module__, kind.__qualname__))


MODELS_HERE = models()
CONFIGURATIONS = [
    kind
    for kind in MODELS_HERE
    if kind.__name__ not in NO_CONFIGURATION and ".accelerators." not in kind.__module__
]


def numbers_of(schema: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The numbers in a JSON schema, with where they stand."""
    if isinstance(schema, list):
        for one in schema:
            yield from numbers_of(one, path)
    elif isinstance(schema, Mapping):
        if schema.get("type") in ("integer", "number") and "const" not in schema:
            yield path, schema
        for key in ("items", "prefixItems", "anyOf", "allOf", "oneOf", "additionalProperties"):
            yield from numbers_of(schema.get(key), path)
        for inside in ("properties", "$defs"):
            for name, field in schema.get(inside, {}).items():
                yield from numbers_of(field, f"{path}.{name}")


@pytest.mark.unit
@pytest.mark.parametrize("kind", CONFIGURATIONS, ids=lambda kind: kind.__name__)
def test_every_number_of_a_configuration_has_two_ends(kind: type[BaseModel]) -> None:
    for path, schema in numbers_of(kind.model_json_schema(), kind.__name__):
        if path.rpartition(".")[2] in TEXTS or "enum" in schema:
            continue
        assert {"minimum", "exclusiveMinimum"} & set(schema), f"{path} has no lower end"
        assert {"maximum", "exclusiveMaximum"} & set(schema), f"{path} has no upper end"


@pytest.mark.unit
@pytest.mark.parametrize("kind", CONFIGURATIONS, ids=lambda kind: kind.__name__)
def test_no_number_of_a_configuration_is_infinite(kind: type[BaseModel]) -> None:
    for value in (math.inf, -math.inf, math.nan, HUGE, -HUGE):
        for name, field in kind.model_fields.items():
            listed = dict(numbers_of(kind.model_json_schema(), "")).get(f".{name}")
            if listed is None:
                continue
            with pytest.raises(ValidationError) as refused:
                kind.model_validate({field.alias or name: value})
            refused_fields = {str(one["loc"][0]) for one in refused.value.errors() if one["loc"]}
            assert (field.alias or name) in refused_fields, f"{name} takes {value}"


@pytest.mark.unit
@given(kind=st.sampled_from(MODELS_HERE), data=st.data())
def test_a_model_takes_or_refuses_whatever_it_is_given(
    kind: type[BaseModel], data: st.DataObject
) -> None:
    values = {
        field.alias or name: data.draw(extremes, label=name)
        for name, field in kind.model_fields.items()
        if data.draw(st.booleans())
    }
    try:
        kind.model_validate(values)
    except (ValidationError, StriateError) as error:
        assert str(error)


RECIPE = resolve("lenet5-digits")


def recipe_numbers(kind: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """Every field of a recipe, dotted."""
    found = []
    for name, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += recipe_numbers(inner, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.unit
@pytest.mark.parametrize("field", recipe_numbers())
def test_an_override_is_taken_or_refused_in_a_sentence(field: str) -> None:
    for value in (*TYPED, "NaN", "Infinity", "[Infinity]", "[NaN,1]", "{}", "[]", "true"):
        try:
            taken = override(RECIPE, [f"{field}={value}"])
        except StriateError as error:
            assert field.partition(".")[0] in str(error) or "recipe" in str(error).lower()
            assert "\n" not in str(error)
        else:
            json.dumps(taken.model_dump(mode="json"), allow_nan=False)


@pytest.mark.unit
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999", "-1", "0", str(HUGE)])
@pytest.mark.parametrize("field", ["epochs", "optimizer.lr", "batch_size", "schedule.power"])
def test_a_run_of_such_a_number_is_refused_before_it_begins(field: str, value: str) -> None:
    with pytest.raises(StriateError, match=field):
        resolve("lenet5-digits", [f"{field}={value}"])


@pytest.mark.unit
@given(name=st.sampled_from(sorted(MODELS)), value=st.sampled_from(TYPED))
def test_an_argument_of_a_model_is_finite(name: str, value: str) -> None:
    for argument in ("classes", "width", "depth"):
        try:
            override(RECIPE, [f"model.name={name}", f"model.arguments.{argument}={value}"])
        except StriateError as error:
            assert argument in str(error)


@pytest.mark.unit
@given(name=st.sampled_from(sorted(PIPELINES)), data=st.data())
def test_a_pipeline_takes_or_refuses_its_arguments(name: str, data: st.DataObject) -> None:
    known = st.sampled_from(
        ["size", "std", "mean", "area", "ratio", "shorter", "colour_noise", "height", "width",
         "canvas", "frames", "crop", "clips_per_video", "window_s", "flip", "max_labels", "seconds",
         "bands", "columns", "coefficients", "window", "delta_orders", "features"]
    )  # fmt: skip
    value = extremes | st.lists(extremes, min_size=2, max_size=3)
    arguments = data.draw(st.dictionaries(known, value, max_size=3))
    for training in (True, False):
        try:
            PIPELINES[name](arguments, training)
        except StriateError as error:
            assert str(error)


@pytest.mark.unit
@given(op=st.sampled_from(sorted(OPS)), data=st.data())
def test_a_preprocessing_step_takes_or_refuses_its_arguments(op: str, data: st.DataObject) -> None:
    names = [name for name in OPS[op].model_fields if name != "op"]
    value = extremes | st.lists(extremes, min_size=1, max_size=3)
    step = {"op": op} | {name: data.draw(value) for name in names}
    try:
        steps_of([step])
    except StriateError as error:
        assert op in str(error)


DIGITS = CORPORA["digits"]


@pytest.mark.unit
@given(shard_mb=st.floats(), workers=st.none() | st.integers(), size=st.none() | st.integers(),
       share=st.floats(), held_out=st.none() | st.floats())  # fmt: skip
def test_an_ingest_takes_or_refuses_its_numbers(
    shard_mb: float, workers: int | None, size: int | None, share: float, held_out: float | None
) -> None:
    request = IngestRequest(
        "digits", Source.of("/nowhere"), Target.of("/nowhere"), shard_mb, workers, size, share,
        folder=FolderOptions(test_share=held_out),
    )  # fmt: skip
    try:
        request._check_numbers(DIGITS)
        request._check_folder(DIGITS)
    except StriateError as error:
        assert str(error)
    else:
        assert 0 < shard_mb <= 1e6
        assert 0 <= share <= 1


@pytest.mark.unit
def test_a_shard_is_not_infinite() -> None:
    request = IngestRequest("digits", Source.of("/a"), Target.of("/b"), shard_mb=math.inf)
    with pytest.raises(UsageError, match="shard of inf"):
        request._check_numbers(DIGITS)


@pytest.mark.unit
@given(value=typed)
def test_a_setting_is_taken_or_refused(value: str) -> None:
    try:
        taken = Settings.load({"STRIATE_HOME": "/nowhere", "STRIATE_CACHE_GB": value})
    except StriateError as error:
        assert "STRIATE_CACHE_GB" in str(error)
    else:
        assert value == "" or 0 <= taken.cache_gb < math.inf


@pytest.mark.unit
@given(numbers=st.tuples(*[st.sampled_from([math.inf, -math.inf, math.nan, -1.0, 0.0, 1.0])] * 3))
def test_a_demand_is_finite(numbers: tuple[float, float, float]) -> None:
    try:
        taken = Demand(*numbers)
    except UsageError:
        return
    assert math.isfinite(taken.rate)
