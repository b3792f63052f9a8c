"""Which version becomes champion: the first, a better one on the same data, or what is told to."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from striate.core import registry
from striate.core.bundle import Architecture, Bundle, BundleSpec, Provenance, TensorSpec
from striate.core.model_version import EvaluatedOn, ModelVersion, compare_versions, describe_move
from striate.core.tracking import connect

pytestmark = pytest.mark.unit

DIGITS = EvaluatedOn(data="4c64 test", metric="top1")
OTHERS = EvaluatedOn(data="aec1 test", metric="top1")
Register = Callable[..., ModelVersion]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    import mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    connect(uri).create_experiment("tests", artifact_location=str(tmp_path / "artifacts"))
    yield uri
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture
def register(store: str, tmp_path: Path) -> Register:
    """Registers a bundle of a new run that scored so."""

    def new(score: float, said: list[str], on: EvaluatedOn | None = DIGITS, promoted: bool = False,
            run_id: str | None = None) -> ModelVersion:  # fmt: skip
        client = connect(store)
        experiment = client.get_experiment_by_name("tests")
        assert experiment is not None
        plain = TensorSpec(dtype="float32", shape=(2,), layout="C", units="logit")
        spec = BundleSpec(
            architecture=Architecture(name="lenet1"),
            task="classification",
            inputs={"input": plain},
            outputs={"output": plain},
            provenance=Provenance(metrics={"top1": score}),
        )
        folder = tmp_path / f"{time.monotonic_ns()}"
        bundle = Bundle.write(folder, spec, {"w": torch.full((3,), score)})
        run_id = run_id or str(client.create_run(experiment.experiment_id).info.run_id)
        return registry.register(
            bundle, "m", run_id, store, "package.loader",
            evaluated_on=on, promoted=promoted, tell=said.append,
        )  # fmt: skip

    return new


def champion(store: str) -> int:
    (version,) = (v.version for v in registry.list_versions(store, "m") if v.aliases)
    return version


def test_the_champion_is_the_best_and_not_the_latest(store: str, register: Register) -> None:
    said: list[str] = []
    assert register(0.69, said).aliases == ("champion",)
    assert said.pop() == "m@champion is now version 1: it is the first."
    assert register(0.10, said).aliases == ()
    assert said.pop() == (
        "m@champion stays version 1, not 2: top1 0.1 against 0.69 on the same data is not better."
        " To move it: `striate models promote m 2`."
    )
    assert register(0.69, said).aliases == (), "as good is not better"
    assert register(0.95, said, on=OTHERS).aliases == ()
    assert "not evaluated on the same data" in said.pop()
    assert register(0.95, said, on=None).aliases == ()
    assert register(0.70, said).aliases == ("champion",)
    assert said.pop() == "m@champion is now version 6: top1 0.7 against 0.69 on the same data."
    assert register(0.20, said, promoted=True).aliases == ("champion",)
    assert champion(store) == 7


def test_what_was_chosen_by_hand_stays(store: str, register: Register) -> None:
    """Bringing a run to MLflow again asks nothing anew."""
    said: list[str] = []
    register(0.5, said)
    better = register(0.6, said)
    registry.promote("m", 1, "champion", store)
    again = register(0.6, said, run_id=better.run_id)
    assert (again.version, again.aliases) == (2, ())
    assert champion(store) == 1


def version(number: int, score: float | None, on: EvaluatedOn | None = DIGITS) -> ModelVersion:
    metrics = {} if score is None else {"top1": score}
    return ModelVersion(
        name="m", version=number, uri="", created_unix_s=0, metrics=metrics, evaluated_on=on
    )


@pytest.mark.parametrize(
    ("new", "former", "better"),
    [
        (0.7, 0.6, True),
        (0.6, 0.6, False),
        (0.5, 0.6, False),
        (math.nan, 0.6, False),
        (0.1, math.nan, True),
        (math.nan, math.nan, False),
        (None, 0.6, False),
        (0.1, None, True),
    ],
)
def test_better_is_a_larger_figure(new: float | None, former: float | None, better: bool) -> None:
    assert compare_versions(version(2, new), version(1, former)).better is better


def test_promoting_shows_what_changes() -> None:
    assert describe_move("champion", version(2, 0.1), version(1, 0.69)) == [
        "m@champion is now version 2; it was version 1.",
        "top1: 0.69 → 0.1",
    ]
    assert "same data" in describe_move("champion", version(2, 0.9, OTHERS), version(1, 0.6))[-1]
    assert "none before" in describe_move("champion", version(1, 0.1), None)[0]
    assert "as before" in describe_move("champion", version(1, 0.1), version(1, 0.1))[0]
