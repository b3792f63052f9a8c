"""Every number that a user can give has two ends, and what lies beyond them is one sentence."""

import importlib
import inspect
import json
import math
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import striate.cli
import striate.core
import striate.data
import striate.local
import striate.serve
import striate.train
from striate.core.bundle import Architecture
from striate.core.errors import SettingsError, StriateError, UsageError
from striate.core.settings import Settings
from striate.data.corpora import CORPORA
from striate.data.corpora.base import FolderOptions
from striate.data.ingest.request import IngestRequest
from striate.data.pipelines.registry import PIPELINES
from striate.data.storage import Source, Target
from striate.data.transforms.image.preprocess import OPS, steps_of
from striate.models import MODELS, build, check_model
from striate.serve.capacity.plan import Demand
from striate.train.config import Recipe
from striate.train.recipes.resolve import override, resolve

ROOMS = (striate.core, striate.data, striate.train, striate.serve, striate.local, striate.cli)
NO_CONFIGURATION = {
    # what Striate itself reports, counts or records, and nobody writes
    "IngestReport", "Swept", "ShardPlan", "ShardRecord", "PartStatus", "PlatformStatus",
    "PlatformProcess", "PlatformState", "CallStats", "AppStatus", "SubmittedJob", "Attempt",
    "RunOutcome", "RunSpec", "SweepResult", "TrialResult", "Comparison", "History", "MetricRecord",
    "RunSummary", "ModelVersion", "LeaseHolder", "Provenance", "BundleSpec", "_StoredBundle",
    "AppTable",
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
    ours = [k for k in found if k.__module__.startswith("striate.") and not inspect.isabstract(k)]
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


def free_arguments(kind: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """The fields that take arguments of anything, each with a way to put one number into it."""
    properties = kind.model_json_schema().get("properties", {})
    for name, schema in properties.items():
        if schema.get("additionalProperties") is True:
            yield name, lambda number: {"some": {"inner": [1, number]}}
        elif schema.get("items", {}).get("additionalProperties") is True:
            yield name, lambda number: [{"op": "some", "inner": [number]}]


FREE = {
    f"{kind.__name__}.{name}": (kind, name, put)
    for kind in CONFIGURATIONS
    for name, put in free_arguments(kind)
}


@pytest.mark.unit
@pytest.mark.parametrize("path", sorted(FREE))
def test_an_argument_of_anything_is_finite(path: str) -> None:
    kind, name, put = FREE[path]
    for value in (math.inf, -math.inf, math.nan, HUGE, -HUGE, int("9" * 4000)):
        with pytest.raises(ValidationError) as refused:
            kind.model_validate({name: put(value)})
        said = {one["loc"][0]: one["msg"] for one in refused.value.errors()}
        assert "inner" in said[name] and len(said[name]) < 200


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


def numeric_arguments() -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """Each model with its arguments that are numbers, and their JSON schemas."""
    for name, make in MODELS.items():
        function = make.__init__ if inspect.isclass(make) else make
        for argument, kind in get_type_hints(function, include_extras=True).items():
            if argument != "return":
                schema = TypeAdapter(kind).json_schema()
                if found := [number for _, number in numbers_of(schema, argument)]:
                    yield name, argument, found


ARGUMENTS = list(numeric_arguments())


@pytest.mark.unit
@pytest.mark.parametrize(("name", "argument", "numbers"), ARGUMENTS)
def test_every_number_of_a_model_has_two_ends(
    name: str, argument: str, numbers: list[Mapping[str, Any]]
) -> None:
    for number in numbers:
        assert {"minimum", "exclusiveMinimum"} & set(number), f"{name}: {argument} has no lower end"
        assert {"maximum", "exclusiveMaximum"} & set(number), f"{name}: {argument} has no upper end"


@pytest.mark.unit
@pytest.mark.parametrize(("name", "argument"), [found[:2] for found in ARGUMENTS])
def test_a_number_of_a_model_is_refused_before_anything_is_built(name: str, argument: str) -> None:
    for value in (-1, HUGE, math.inf, -math.inf, math.nan, "inf", "9" * 5000, int("9" * 4000)):
        with pytest.raises(UsageError, match=argument) as refused:
            check_model(name, {argument: value})
        assert str(refused.value).startswith(f"The model {name} cannot be built with {argument} = ")
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 250
        with pytest.raises(UsageError, match=re.escape(str(refused.value))):
            given = Architecture.model_construct(name=name, arguments={argument: value})
            build(given)


@pytest.mark.unit
@pytest.mark.parametrize(("name", "argument"), [found[:2] for found in ARGUMENTS])
def test_a_recipe_with_such_a_model_is_refused(name: str, argument: str) -> None:
    for text in ("inf", "-inf", "nan", "1e999", "-1", str(HUGE), f"-{HUGE}", "9" * 5000, "²"):
        with pytest.raises(StriateError, match=argument) as refused:
            resolve("lenet5-digits", [f"model.name={name}", f"model.arguments.{argument}={text}"])
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


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


TOML_NUMBERS = ("inf", "-inf", "nan", "-1", "1e999", "1e20", str(HUGE), '"inf"', '"²"', "[1]")


@pytest.mark.unit
@pytest.mark.parametrize("value", TOML_NUMBERS)
def test_a_number_of_the_settings_file_is_refused(value: str, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f"cache_gb = {value}\n")
    with pytest.raises(SettingsError, match=r"setting cache_gb.*settings\.toml") as refused:
        Settings.load({"STRIATE_HOME": str(tmp_path)})
    assert "\n" not in str(refused.value)


@pytest.mark.unit
@pytest.mark.parametrize("field", recipe_numbers())
def test_a_recipe_s_file_is_taken_or_refused_in_a_sentence(field: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    for text in ("Infinity", "-Infinity", "NaN", "1e999", str(HUGE), "[" * 100_000, "-1", '"²"'):
        document = RECIPE.model_dump(mode="json")
        *parents, last = field.split(".")
        inner = document
        for parent in parents:
            inner = inner[parent]
        inner[last] = "HERE"
        file.write_text(json.dumps(document).replace('"HERE"', text))
        try:
            taken = resolve(str(file))
        except StriateError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
            assert (
                last in str(error)
                or last in ("corpus", "name", "pipeline")
                or str(file) in str(error)
            )
        else:
            json.dumps(taken.model_dump(mode="json"), allow_nan=False)
