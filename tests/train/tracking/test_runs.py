"""A run by its id on a real MLflow store; one that is not there is told with the latest ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.core.errors import UnknownName
from striate.core.tracking import RECIPE_TAG, connect
from striate.train.tracking.runs import find_run, list_runs

pytestmark = pytest.mark.unit
ABSENT = "f" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A store with four runs of Striate, and their ids, newest first."""
    import mlflow

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = connect(uri)
    experiment = client.create_experiment("tests", artifact_location=str(tmp_path / "artifacts"))
    made = [
        client.create_run(experiment, 1 + n, {RECIPE_TAG: "digits"}, run_name=f"digits {n}")
        for n in range(4)
    ]
    yield uri, [run.info.run_id for run in reversed(made)]
    mlflow.set_tracking_uri(None)


def test_a_run_is_found_by_its_id_or_the_beginning_of_it(store: tuple[str, list[str]]) -> None:
    uri, ids = store
    assert find_run(uri, ids[2]).name == find_run(uri, ids[2][:20]).name == "digits 1"
    assert [run.run_id for run in list_runs(uri)] == ids


@pytest.mark.parametrize("absent", [ABSENT, "no-such-run"])
def test_an_unknown_run_is_told_with_the_three_latest_and_their_names(
    store: tuple[str, list[str]], absent: str
) -> None:
    uri, ids = store
    with pytest.raises(UnknownName) as caught:
        find_run(uri, absent)
    assert caught.value.message == f"There is no run {absent!r}."
    told = [f"{run_id[:8]} (digits {3 - place})" for place, run_id in enumerate(ids[:3])]
    assert caught.value.remedy == f"The latest are {', '.join(told)}."


def test_a_beginning_of_several_runs_asks_for_more_of_the_id(store: tuple[str, list[str]]) -> None:
    uri, ids = store
    with pytest.raises(UnknownName, match=r"Several runs begin with ''\.") as caught:
        find_run(uri, "")
    assert caught.value.remedy.startswith("Give more of the id: ")
    assert f"{ids[0][:8]} (digits 3)" in caught.value.remedy
