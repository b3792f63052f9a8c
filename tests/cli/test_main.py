"""The command's frame: help, one-line errors, exit codes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from striate.cli.main import cli, main
from striate.serve.deployment.start import Deployed

pytestmark = pytest.mark.unit


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (("trian",), "Did you mean train"),
        (("train", "lenet6-digits"), "lenet5-digits"),
        (("train", "lenet5-digits", "optimizer.l=1"), "optimizer.lr"),
        (("train", "lenet5-digits", "precision=fp17"), "bf16, fp32"),
        (("train", "lenet5-digits", "model.name=lenet55"), "lenet5"),
        (("train", "--wrokers", "2"), "--workers"),
        (("data", "ingest", "digitz", "a", "b"), "digits"),
        (("data", "ingst"), "ingest"),
        (("deploy", "photoes", "--model", "models:/x/1"), "photos"),
    ],
)
def test_what_is_unknown_gets_one_line_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    words: tuple[str, ...],
    nearest: str,
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    code, said = _said(capsys, *words)
    assert code == 2
    assert said.count("\n") == 1 and said.startswith("striate: ")
    assert nearest in said


def test_a_command_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = _said(capsys, "data")
    assert code == 2 and "ingest" in said and said.count("\n") > 5


def _ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "striate.cli", *words], capture_output=True, text=True, check=False
    )


def test_a_program_that_calls_the_command_gets_all_of_its_output_and_its_exit_code() -> None:
    done = _ran("chips", "ls", "--json")
    assert done.returncode == 0
    assert "anna-talk" in {chip["name"] for chip in json.loads(done.stdout)}
    wrong = _ran("chips", "lss")
    assert wrong.returncode == 2 and wrong.stdout == "" and "Did you mean" in wrong.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("chips", "ls"), "anna-talk"),
        (("apps", "ls"), "No application is deployed"),
        (("undeploy", "nobody"), "no deployed application named 'nobody'"),
        (("models", "ls"), "MLflow"),
    ],
)
def test_a_command_that_only_asks_does_not_wait_for_torch(
    tmp_path: Path, newcomer: Callable[[Path], dict[str, str]], words: tuple[str, ...], says: str
) -> None:
    """Importing torch takes two seconds."""
    code = "import sys\nsys.modules['torch'] = None\nfrom striate.cli.main import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=newcomer(tmp_path),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("model", "says"), [("digits", " with digits version 7."), ("", "127.0.0.1:9000.")]
)
def test_a_deployment_names_its_model_where_it_has_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, model: str, says: str
) -> None:
    version = "7" if model else ""
    made = Deployed(name="mine", address="127.0.0.1:9000", model=model, version=version)
    monkeypatch.setattr("striate.serve.deployment.deploy.deploy", lambda *_, **__: made)
    main(["deploy", "echo", "--name", "mine"])
    assert capsys.readouterr().out.strip().endswith(says)


# A command, then threads that call over gRPC while the process forks.
FORKING = """
import os, threading, time
from concurrent import futures
from click.testing import CliRunner
from striate.cli.main import cli
CliRunner().invoke(cli, ["chips", "ls"], catch_exceptions=False)
import grpc
server = grpc.server(futures.ThreadPoolExecutor(2))
channel = grpc.insecure_channel(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
server.start()
over = threading.Event()

def call():
    while not over.is_set():
        try:
            channel.unary_unary("/a/b")(b"", timeout=2)
        except grpc.RpcError:
            pass

callers = [threading.Thread(target=call) for _ in range(3)]
for caller in callers:
    caller.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.05)
over.set()
for caller in callers:
    caller.join()
server.stop(None).wait()
"""


def test_grpcs_own_words_on_forks_reach_nobody() -> None:
    variables = {k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"}
    done = subprocess.run(
        [sys.executable, "-c", FORKING], env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "fork_posix" not in done.stderr


def _all_commands(
    command: click.Command = cli, name: str = "striate"
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            assert found is not None
            yield from _all_commands(found, f"{name} {word}")


def _told_of(option: click.Option, context: click.Context) -> str:
    """What the help says of an option, less its default and range."""
    record = option.get_help_record(context)
    return "hidden" if record is None else re.sub(r"\[.*?\]", "", record[1]).strip()


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{name} {parameter.opts[0]}"
        for name, command in _all_commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not _told_of(parameter, click.Context(command))
    ]
    assert not silent


def test_no_list_of_commands_is_cut_short() -> None:
    """Click cuts a long first sentence in the middle."""
    cut = [
        line
        for name, command in _all_commands()
        if isinstance(command, click.Group)
        for line in command.get_help(click.Context(command, info_name=name)).splitlines()
        if line.endswith("...") and "Usage" not in line
    ]
    assert not cut
