"""The edge as a process: changes under load, kills, its end."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import psutil
import pytest

from striate.core.errors import PlatformError
from striate.serve.edge import control, runtime_api
from striate.serve.edge.app_table import AppTable, read_table, write_table
from striate.serve.edge.files import CONFIG_FILE, routes_of

pytestmark = pytest.mark.e2e
Code = grpc.StatusCode
RETRIED = {Code.UNAVAILABLE, Code.CANCELLED}  # what the documented policy of clients retries


@contextmanager
def load(running: Any, callers: int = 4, retry: bool = False) -> Iterator[SimpleNamespace]:
    """Steady calls from several callers; what was answered, and what failed."""
    found = SimpleNamespace(by=set(), failed=[], calls=0)
    end = threading.Event()

    def call(channel: grpc.Channel) -> None:
        while not end.is_set():
            answer = running.call(channel=channel)
            deadline = time.monotonic() + 10
            while retry and answer.code in RETRIED and time.monotonic() < deadline:
                time.sleep(0.05)
                answer = running.call(channel=channel)
            found.calls += 1
            if answer.code is Code.OK:
                found.by.add(answer.by)
            else:
                found.failed.append((answer.code, answer.details))

    threads = [threading.Thread(target=call, args=(running.channel(),)) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        end.set()
        for thread in threads:
            thread.join()


def until(condition: Callable[[], Any], deadline_s: float = 10.0) -> Any:
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
    return value


def answered(running: Any) -> bool:
    """Whether a new connection is taken and a call answered; what it was told is in the log."""
    answer = running.call(channel=running.channel())
    print(answer.code, answer.details, f"{answer.took_s:.3f} s")
    return answer.code is Code.OK


def test_with_nothing_deployed_a_call_is_unavailable_and_not_worth_a_retry(start_edge: Any) -> None:
    answer = start_edge().call()
    assert (answer.code, answer.trailing["grpc-retry-pushback-ms"]) == (Code.UNAVAILABLE, "-1")
    assert "No application is deployed" in answer.details
    assert answer.took_s < 1


def test_no_call_fails_while_replicas_and_applications_come_and_go(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running = start_edge()
    servers = [replica("0")]
    running.deploy(app("photos", servers[0].address))
    with load(running) as found:
        for number in range(1, 7):
            servers.append(replica(str(number)))
            extra = [app("other", servers[-1].address)] if number % 3 == 0 else []
            running.deploy(app("photos", servers[-1].address), *extra)
            servers[-2].stop(10)
            until(lambda: str(number) in found.by)  # noqa: B023
    assert not found.failed
    assert found.calls > 100


def test_only_another_set_of_applications_makes_another_worker(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, one = start_edge(), replica("one")
    running.deploy(app("photos", one.address))
    former = control.workers(running.folder)
    running.deploy(app("photos", one.address, "127.0.0.1:9"))
    running.deploy(app("photos", one.address))
    assert control.workers(running.folder) == former
    running.deploy(app("photos", one.address), app("other", one.address))
    assert control.workers(running.folder) != former


def test_a_draining_replica_finishes_its_calls_and_gets_no_other(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, ending, other = start_edge(), replica("ending"), replica("other")
    running.deploy(app("photos", ending.address))
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(running.call(message=b"wait")))
    slow.start()
    assert ending.waiting.acquire(timeout=10)
    running.deploy(app("photos", ending.address, other.address), wait_s=0)
    assert not control.drain(running.folder, ending.address, wait_s=0.1)
    assert {running.call().by for _ in range(20)} == {"other"}
    ending.go.set()
    assert control.drain(running.folder, ending.address, wait_s=10)
    slow.join()
    assert answers[0].by == "ending"
    assert ending.address not in (running.folder / CONFIG_FILE).read_text()


def test_a_replica_that_is_let_go_in_the_midst_of_a_call_answers_it(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, old, new = start_edge(), replica("old"), replica("new")
    running.deploy(app("photos", old.address))
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(running.call(message=b"wait")))
    slow.start()
    assert old.waiting.acquire(timeout=10)
    running.deploy(app("photos", new.address), wait_s=0.2)
    assert running.call().by == "new"
    old.go.set()
    slow.join()
    assert answers[0].by == "old"
    until(lambda: control.reload(running.folder) and len(runtime_api.servers(running.folder)) == 1)


def test_a_dead_replica_costs_no_call(start_edge: Any, replica: Any, app: Any) -> None:
    running, one, two = start_edge(), replica("one"), replica("two")
    running.deploy(app("photos", one.address, two.address))
    assert {running.call().by for _ in range(10)} == {"one", "two"}
    one.stop()
    assert {running.call().by for _ in range(20)} == {"two"}
    one.start(one.port)
    until(lambda: running.call().by == "one")


def test_a_replica_that_says_it_does_not_serve_gets_no_calls(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, one, two = start_edge(), replica("one"), replica("two")
    running.deploy(app("photos", one.address, two.address))
    one.health.set("", 2)
    until(lambda: {running.call().by for _ in range(6)} == {"two"})
    one.health.set("", 1)
    until(lambda: running.call().by == "one")


@pytest.mark.parametrize("victim", ["worker", "master"])
def test_a_killed_haproxy_is_back_within_a_second(
    start_edge: Any, replica: Any, app: Any, victim: str
) -> None:
    """It has the truth at once: replicas that came without a reload, and those that drain."""
    running, one, two = start_edge(), replica("one"), replica("two")
    running.deploy(app("photos", one.address))
    running.deploy(app("photos", one.address, two.address))
    control.drain(running.folder, one.address, 5)
    supervisor = psutil.Process(control.read_state(running.folder).pid)  # type: ignore[union-attr]
    (master,) = supervisor.children()
    (worker,) = master.children()
    with load(running, retry=True) as found:
        until(lambda: found.calls > 10)
        os.kill({"worker": worker, "master": master}[victim].pid, signal.SIGKILL)
        killed_s = time.monotonic()
        until(lambda: not master.is_running())
        until(lambda: answered(running))
        took_s = time.monotonic() - killed_s
        calls = found.calls
        until(lambda: found.calls > calls + 20)
    assert not found.failed
    assert took_s < 5  # half a second when nothing else runs
    assert found.by == {"two"}
    assert {server.name for server in runtime_api.servers(running.folder)} == {two.address}


def test_a_refused_configuration_leaves_the_old_one(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, one = start_edge(), replica("one")
    running.deploy(app("photos", one.address))
    before = (running.folder / CONFIG_FILE).read_text()
    for wrong in (
        app("photos", "no.such.host.invalid:1"),
        app("photos", "127.0.0.1:70000"),
        app("other", "no.such.host.invalid:1"),
    ):
        with pytest.raises(PlatformError, match="refuses"):
            running.deploy(wrong)
        assert (running.folder / CONFIG_FILE).read_text() == before
        assert running.call().by == "one"
    running.deploy(app("photos", one.address))


def test_the_files_that_its_starter_has_open_do_not_keep_it_from_listening(
    start_edge: Any, replica: Any, app: Any
) -> None:
    """HAProxy refuses inherited descriptors above what its connections ask for."""
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(Path(os.devnull).open())
        running = start_edge(connections=20)
    running.deploy(app("photos", replica("one").address))
    assert running.call().by == "one"


def test_a_taken_port_is_said(start_edge: Any, tmp_path: Path) -> None:
    running = start_edge()
    with pytest.raises(PlatformError, match=str(running.port)):
        control.start(tmp_path / "other", "127.0.0.1", running.port)


def test_a_broken_configuration_does_not_start(
    tmp_path: Path, app: Any, unused_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_drop_gone", lambda folder: None)
    write_table(tmp_path, AppTable(apps=(app("photos", "no.such.host.invalid:1"),)))
    with pytest.raises(PlatformError, match="does not come up"):
        control.start(tmp_path, "127.0.0.1", unused_port())
    assert not control.is_running(tmp_path)


def test_it_forgets_applications_of_a_cluster_that_is_gone(
    tmp_path: Path, app: Any, unused_port: Callable[[], int]
) -> None:
    write_table(tmp_path, AppTable(apps=(app("photos", f"127.0.0.1:{unused_port()}"),)))
    control.start(tmp_path, "127.0.0.1", unused_port())
    assert read_table(tmp_path) == AppTable()
    control.stop(tmp_path)


def test_the_living_replicas_stand_in_for_those_of_the_table(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, first, later = start_edge(), replica("first"), replica("later")
    running.deploy(app("photos", first.address, serve_name="photos.1"))
    control.set_replicas(running.folder, {"photos.1": (later.address,)})
    assert running.call().by == "later"
    control.drain(running.folder, later.address, 5)
    control.set_replicas(running.folder, {"photos.1": (first.address, later.address)})
    assert {running.call().by for _ in range(6)} == {"first"}
    control.set_replicas(running.folder, {"photos.1": (first.address,)})  # the drained one is gone
    control.set_replicas(running.folder, {"photos.1": (later.address,)})  # another has its address
    assert routes_of(running.folder)[0].stable.addresses == (later.address,)
    assert {running.call().by for _ in range(6)} == {"later"}


def test_a_replica_that_was_refused_once_is_tried_again(
    start_edge: Any, replica: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, first, later = start_edge(), replica("first"), replica("later")
    running.deploy(app("photos", first.address, serve_name="photos.1"))

    def refuse(*_: Any) -> None:
        raise PlatformError("refused")

    with monkeypatch.context() as broken, pytest.raises(PlatformError):
        broken.setattr(runtime_api, "set_servers", refuse)
        control.set_replicas(running.folder, {"photos.1": (later.address,)})
    assert running.call().by == "first"
    control.set_replicas(running.folder, {"photos.1": (later.address,)})
    assert running.call().by == "later"


def test_stop_ends_every_process_after_the_calls_in_flight(
    start_edge: Any, replica: Any, app: Any
) -> None:
    running, one = start_edge(), replica("one")
    running.deploy(app("photos", one.address))
    state = control.read_state(running.folder)
    assert state is not None
    processes = [psutil.Process(state.pid), *psutil.Process(state.pid).children(recursive=True)]
    assert len(processes) == 3
    answers: list[Any] = []
    slow = threading.Thread(target=lambda: answers.append(running.call(message=b"wait")))
    slow.start()
    assert one.waiting.acquire(timeout=10)
    ending = threading.Thread(target=lambda: control.stop(running.folder))
    ending.start()
    until(lambda: running.call(channel=running.channel(), timeout_s=1).code is Code.UNAVAILABLE)
    one.go.set()
    slow.join()
    ending.join()
    assert answers[0].by == "one"
    assert not control.is_running(running.folder)
    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive), gone
    control.stop(running.folder)  # a second time does nothing
