"""What is shown of long work: whole lines in a pipe, a line that fits on a terminal."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from striate.cli.progress import LineStage, bar_line

NewHome = Callable[[Path], dict[str, str]]
INGEST = ("data", "ingest", "digits", "idx", "shards", "--shard-mb", "0.02")
TRAIN = ("train", "lenet1-anna-digits", "epochs=2", "registered_name=none", "--workers", "0")


class Watch:
    """Lines said, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.now_s = 100.0

    def stage(self, what: str) -> LineStage:
        return LineStage(what, self.said.append, lambda: self.now_s)


@pytest.mark.unit
def test_a_short_stage_is_one_line() -> None:
    watch = Watch()
    stage = watch.stage("Checking shards")
    stage.tell(done=1, total=2)
    stage.tell(done=2, total=2)
    watch.now_s += 1.25
    stage.end()
    assert watch.said == ["Checking shards: 2 of 2, 1.2 s"]


@pytest.mark.unit
def test_a_stage_that_fails_says_no_end_of_its_own() -> None:
    watch = Watch()
    watch.stage("photos comes up")
    assert watch.said == []


@pytest.mark.unit
def test_a_long_stage_says_each_tenth_and_no_more() -> None:
    watch = Watch()
    stage = watch.stage("Writing shards")
    for done in range(1001):
        stage.tell(done=done, total=1000)
    stage.end()
    counts = [int(line.split()[2].replace(",", "")) for line in watch.said]
    assert counts == list(range(0, 1001, 100))


@pytest.mark.unit
def test_a_slow_stage_is_heard_of_each_half_minute() -> None:
    watch = Watch()
    stage = watch.stage("training")
    for done in range(1, 7):
        watch.now_s += 10
        stage.tell(done=done, total=1_000_000, state="loss 2.5  80 images/s")
    assert watch.said == [
        "training: 1 of 1,000,000, loss 2.5, 80 images/s, 10.0 s",
        "training: 4 of 1,000,000, loss 2.5, 80 images/s, 40.0 s",
    ]


@pytest.mark.unit
def test_what_a_stage_waits_for_is_a_line_each() -> None:
    watch = Watch()
    stage = watch.stage("starting")
    stage.tell("waiting for ray")
    stage.tell("waiting for ray")
    stage.tell("waiting for mlflow")
    stage.end("up")
    assert watch.said == ["waiting for ray …", "waiting for mlflow …", "up: 0.0 s"]


@pytest.mark.unit
def test_the_end_is_said_though_the_last_step_was() -> None:
    """A sweep's trial is at its last step before it is finished."""
    watch = Watch()
    stage = watch.stage("lr=0.01")
    stage.tell(done=20, total=20, state="running")
    stage.tell(done=20, total=20, state="top-1 0.9000  finished")
    stage.end()
    assert watch.said[-1] == "lr=0.01: 20 of 20, top-1 0.9000, finished, 0.0 s"


@pytest.mark.unit
@pytest.mark.parametrize("width", [10, 40, 58, 78, 118, 198])
def test_a_bars_line_fits_and_cuts_no_figure(width: int) -> None:
    state = "loss 0.0012  12,345 images/s  data wait 10.0%  top-1 0.9861"
    line = bar_line("training", "67,000/670,000", "1:02:05", state, 0.1, width).plain
    assert cell_len(line) <= width
    known = {"training", "67,000/670,000", "1:02:05", *state.split("  ")}
    parts = [part.strip("━ ") for part in line.split("  ")]
    assert set(filter(None, parts)) <= known
    assert "67,000/670,000" in line or width < 30
    assert "1:02:05" in line or width < 30


@pytest.mark.unit
def test_an_ingest_says_whole_lines_to_a_pipe(tmp_path: Path, newcomer: NewHome) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "striate.cli", *INGEST],
        env=newcomer(tmp_path / "home"), cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    for line in lines:
        assert re.fullmatch(r"Writing shards: \d+ of \d+, \d+\.\d s", line), lines
    assert 2 <= len(lines) <= 12
    assert len({line.split()[4] for line in lines}) == 1
    assert lines[-1].split()[2] + "," == lines[-1].split()[4]
    assert "…" not in done.stdout and "\x1b" not in done.stdout + done.stderr


@pytest.mark.unit
def test_json_has_no_lines_of_progress_in_a_pipe(tmp_path: Path, newcomer: NewHome) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "striate.cli", *INGEST, "--json"],
        env=newcomer(tmp_path / "home"), cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.unit
def test_an_ingest_shows_a_bar_that_fits_the_terminal(
    tmp_path: Path, newcomer: NewHome, terminal: Any
) -> None:
    words = [str(tmp_path / word) if word in {"idx", "shards"} else word for word in INGEST]
    shown = terminal(*words, environment=newcomer(tmp_path / "home"), columns=60)
    assert shown.code == 0, shown.raw
    bars = [line for line in shown.lines if "Writing shards" in line]
    assert bars and all(cell_len(line) <= 60 for line in bars), bars
    assert "…" not in "".join(bars)


@pytest.mark.unit
def test_a_table_fits_the_terminal_and_a_pipe_gets_all_of_it(
    tmp_path: Path, newcomer: NewHome, terminal: Any
) -> None:
    environment = newcomer(tmp_path)
    narrow = terminal("chips", "ls", environment=environment, columns=60)
    assert narrow.widest <= 60
    assert "anna-talk" in narrow.raw and "--wide shows all" in " ".join(narrow.lines)
    wide = terminal("chips", "ls", "--wide", environment=environment, columns=60)
    told = terminal("chips", "ls", environment=environment, columns=300)
    piped = subprocess.run(
        [sys.executable, "-m", "striate.cli", "chips", "ls"],
        env={**environment, "COLUMNS": "40"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert wide.lines == told.lines == piped.stdout.splitlines()
    assert "\x1b" not in piped.stdout and "\x1b[1m" in wide.raw


@pytest.mark.unit
def test_columns_is_heeded_on_a_terminal(tmp_path: Path, newcomer: NewHome) -> None:
    code = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "striate.cli", "chips", "ls"],
        env={**newcomer(tmp_path), "COLUMNS": "50", "TERM": "xterm"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert 40 < max(map(len, plain.splitlines())) <= 50


@pytest.mark.e2e
def test_a_training_says_whole_lines_to_a_pipe(platform: Any) -> None:
    lines = platform.run(*TRAIN).stderr.splitlines()
    steps = [line for line in lines if line.startswith("training: ")]
    assert 2 <= len(steps) <= 12, lines
    for line in steps:
        assert re.match(r"training: \d+ of \d+, loss [\d.e-]+, .*\d\.\d s$", line), line
    assert re.match(r"published: (\d+) of \1, loss ", lines[-1]), lines
    assert not any("…" in line or "\x1b" in line for line in lines)


@pytest.mark.e2e
def test_a_training_shows_whole_figures_on_a_terminal(platform: Any, terminal: Any) -> None:
    shown = terminal(*TRAIN, environment=platform.environment, columns=80)
    assert shown.code == 0, shown.raw
    bars = [line for line in shown.lines if "/s  " in line or line.startswith("training")]
    assert bars and all(cell_len(line) <= 80 for line in bars), bars
    assert not any("…" in line for line in bars), bars
    assert any(re.search(r"(\d+)/\1\b", line) for line in shown.lines), shown.lines
