"""What a signal does to the process that drives a run, and where a start's time goes."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.train.launch.signals import stop_on_signals
from striate.train.run import startup_times
from striate.train.run.attempts import ATTEMPTS_FILE, AttemptWriter, attempts_of
from striate.train.run.folder import Run
from striate.train.run.stop_requests import REQUESTS

pytestmark = pytest.mark.unit

MakeRun = Callable[..., Run]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_ends(make_run: MakeRun, number: int) -> None:
    run, said = make_run("lenet1-anna-digits"), list[str]()
    run.folder.path.mkdir()
    before = signal.getsignal(number)
    REQUESTS.begin()
    with pytest.raises(KeyboardInterrupt), stop_on_signals(run.folder, said.append):
        os.kill(os.getpid(), number)
        assert REQUESTS.stopping
        assert run.folder.stop_request.exists()
        assert len(said) == 1 and "ends after a checkpoint" in said[0]
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    REQUESTS.begin()
    assert not REQUESTS.stopping


def test_a_thread_leaves_signals_alone(make_run: MakeRun) -> None:
    run, before = make_run("lenet1-anna-digits"), signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def inside() -> None:
        with stop_on_signals(run.folder, lambda text: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [before]


def test_who_waits_for_the_end_gets_it() -> None:
    REQUESTS.begin()
    assert not REQUESTS.stop_and_wait(0.01)
    threading.Thread(target=REQUESTS.end).start()
    assert REQUESTS.stop_and_wait(30)
    assert not REQUESTS.training


def test_the_parts_of_a_start_add_up(tmp_path: Path) -> None:
    startup_times.begin(tmp_path, 100.0)
    startup_times.mark(tmp_path, "imports", 102.5)
    startup_times.mark(tmp_path, "workers", 110.0)
    assert startup_times.parts_of(tmp_path) == {}
    startup_times.mark(tmp_path, startup_times.FIRST_STEP, 111.0)
    startup_times.mark(tmp_path, "workers", 150.0)  # of a restart
    startup_times.mark(tmp_path, startup_times.FIRST_STEP, 151.0)
    parts = startup_times.parts_of(tmp_path)
    assert parts == {"imports": 2.5, "workers": 7.5, startup_times.FIRST_STEP: 1.0}
    assert "11.0 s after the command: workers 7.5, imports 2.5" in startup_times.describe(parts)
    startup_times.begin(tmp_path, 200.0)
    assert startup_times.parts_of(tmp_path) == {}


def test_starts_and_repeated_steps_are_counted(tmp_path: Path) -> None:
    """Three starts, the last of which lost nothing; one line is torn by a kill."""
    for reads, does in ((0, 57), (40, 90), (90, 120)):
        attempt = AttemptWriter(tmp_path)
        attempt.begin(0.0, 2, reads)
        for step in range(reads + 1, does + 1):
            attempt.advance(step)
        attempt.close()
    assert [start.repeated for start in attempts_of(tmp_path)] == [0, 17, 0]
    assert (attempt.restarts, attempt.repeated_steps) == (2, 17)
    with (tmp_path / ATTEMPTS_FILE).open("ab") as file:
        file.write(b'{"started_unix_s": 1')
    assert attempt.restarts == 2
    again = AttemptWriter(tmp_path)
    again.begin(0.0, 2, 120)
    assert again.restarts == 3
