"""What a run says, as events and as the lines of a job's log."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.cli import train_progress
from striate.cli.main import main
from striate.core.errors import DataError, TrainingFailed
from striate.train.recipes.resolve import resolve
from striate.train.sweep.grid import TrialEvent
from striate.train.tracking.events import EventBuilder, TrainEvent, event_line, line_of, parse_event
from striate.train.tracking.metric_log import MetricRecord

pytestmark = pytest.mark.unit

texts = st.text(max_size=40)
numbers = st.none() | st.floats(allow_nan=False)


@given(
    st.builds(TrainEvent, step=st.integers(0), total_steps=st.integers(0), loss=numbers,
              score=numbers, note=texts, headline=texts)
)  # fmt: skip
def test_an_event_is_the_same_after_the_log(event: TrainEvent) -> None:
    line = event_line(event)
    assert "\n" not in line
    found = parse_event(line)
    assert found is not None and found[0] == "event"
    assert TrainEvent(**found[1]) == event


@given(texts)
def test_another_line_of_a_log_is_no_event(line: str) -> None:
    assert parse_event(line) is None
    assert parse_event('{"striate": "event", "step": 3, "los') is None  # torn by a kill


def test_the_digest_tells_the_tasks_own_terms() -> None:
    recipe = resolve("lenet5-digits", [])
    digest = EventBuilder.of(recipe, classes=10, total_steps=9)
    records = [
        MetricRecord(key="train/loss", step=3, value=0.5, time_ms=1),
        MetricRecord(key="train/samples_per_s", step=3, value=80.0, time_ms=1),
        MetricRecord(key="test/top1", step=3, value=0.75, time_ms=1),
        MetricRecord(kind="note", text="A worker died.", time_ms=2),
    ]
    note, figures = digest.events(records)
    assert note.note == "A worker died."
    assert (figures.step, figures.loss, figures.score) == (3, 0.5, 0.75)
    assert train_progress.state_of(figures) == "loss 0.5  80 images/s  top-1 0.7500"
    assert digest.events([]) == []


def test_a_jobs_log_is_watched_to_its_result() -> None:
    events: list[TrainEvent] = []
    trials: list[TrialEvent] = []
    said: list[str] = []
    log = [
        "Running entrypoint for job x: python -m striate.cli train",
        event_line(TrainEvent(1, 2, loss=0.5)),
        "a warning of the engine",
        line_of("result", {"run_id": "abc"}),
    ]
    result = train_progress.follow_log(log, events.append, trials.append, said.append)
    assert result == {"run_id": "abc"}
    assert [event.step for event in events] == [1]
    assert said == [log[0], log[2]]


def test_a_jobs_error_is_raised_here_as_it_was_there() -> None:
    error = DataError("The shard a.arrow is damaged.", "Ingest it again.")
    line = line_of("error", train_progress.error_document(error))
    with pytest.raises(DataError) as caught:
        train_progress.follow_log([line], lambda e: None, lambda e: None, lambda s: None)
    assert str(caught.value) == str(error)
    unknown = line_of("error", {"error": "FromTheFuture", "message": "Hm."})
    with pytest.raises(TrainingFailed, match="Hm"):
        train_progress.follow_log([unknown], lambda e: None, lambda e: None, lambda s: None)


def test_a_program_is_told_which_run_it_is_before_the_run_says_anything(
    store: str,
    digits_shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    main(
        ["train", "lenet1-anna-digits", "epochs=1", "registered_name=none", "--workers", "0",
         f"data.shards={digits_shards}", "--events"]
    )  # fmt: skip
    said = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    told = [found for found in said if found is not None]
    assert len(told) == len(said), "every line is for programs"
    (kind, which), *between, (last, result) = told
    assert (kind, last) == ("run", "result")
    assert which == {"run_id": result["run_id"], "run_url": result["run_url"]}
    assert between and {kind for kind, _ in between} == {"event"}


def test_people_who_read_a_jobs_log_see_which_run_it_is() -> None:
    line = line_of("run", {"run_id": "4c64", "run_url": "http://host/#/runs/4c64"})
    assert train_progress.plain(line) == "run  http://host/#/runs/4c64"
    assert train_progress.follow_log([line], print, print, print) == {}
