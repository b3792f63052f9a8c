"""Trainings sent to a real cluster: followed, left and come back to, stopped, and refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from striate.cli.jobs import jobs
from striate.cli.main import main

STRIATE = str(Path(sys.executable).with_name("striate"))
SHORT = ("epochs=2", "evaluate_every_epochs=1", "registered_name=none", "--workers", "0")
LONG = ("epochs=4000", "checkpoint.every_steps=50", "registered_name=none", "--workers", "0")


@pytest.mark.unit
@pytest.mark.parametrize("command", jobs.commands.values())
def test_help_shows_an_example(command: Any) -> None:
    assert "Example: striate jobs" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "lenet5-digits", "--detach"], 2, "--submit"),
        (["train", "lenet5-digits", "--workers", "two"], 2, "MIN:MAX"),
        (["train", "lenet5-digits", "--workers", "3:2"], 2, "3 to 2"),
        (["train", "lenet5-digits", "--register-best"], 2, "--sweep"),
        (["train", "--resume", "12", "--sweep", "seed=1,2"], 2, "--resume"),
        (["train", "lenet5-digits", "--sweep", "sed=1"], 2, "seed"),
        (["train", "lenet5-digit", "--submit", "http://127.0.0.1:1"], 2, "lenet5-digits"),
        (["train", "lenet5-digits", "--submit", "http://127.0.0.1:1"], 6, "does not answer"),
        (["train", "lenet5-digits", "--submit", "elsewhere"], 2, "no address"),
        (["jobs", "ls", "--address", "http://127.0.0.1:1"], 6, "does not answer"),
        (["jobs", "stop", "x"], 6, "striate up"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STRIATE_RAY_DASHBOARD", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == code, said
    assert said.count("\n") == 1 and says in said


@pytest.mark.e2e
def test_a_submitted_training_ends_as_a_local_one(platform: Any) -> None:
    """The wheel goes there, the recipe too; the result is the same document, the log is kept."""
    address = platform.settings.ray_dashboard
    done = platform.run("train", "lenet5-modern-digits", *SHORT, "--submit", address)
    assert "held-out top-1" in done.stdout and "bundle" in done.stdout
    assert "Ctrl-C leaves it running" in done.stderr
    (job, *_) = json.loads(platform.run("jobs", "ls", "--json").stdout)
    assert (job["status"], job["recipe"]) == ("SUCCEEDED", "lenet5-modern-digits")
    assert job["job_id"] in platform.run("jobs", "ls").stdout
    log = platform.run("jobs", "logs", job["job_id"]).stdout
    assert "of 22" in log and "top-1" in log
    # Coming back to a job that has ended shows its result again.
    again = json.loads(platform.run("jobs", "logs", "-f", job["job_id"], "--json").stdout)
    assert again["metrics"]["top1"] > 0.1 and again["steps"] == 22
    # It is a run of this home: the job was given it.
    shown = json.loads(platform.run("runs", "show", again["run_id"], "--json").stdout)
    assert shown["status"] == "FINISHED"
    wheels = list((platform.home / "wheels").glob("striate-*.whl"))
    assert len(wheels) == 1


@pytest.mark.e2e
def test_a_job_is_left_come_back_to_and_stopped(platform: Any) -> None:
    address = platform.settings.ray_dashboard
    command = [STRIATE, "train", "lenet1-anna-digits", *LONG, "--submit", address]
    client = subprocess.Popen(
        command, env=platform.environment, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert client.stderr is not None
    for line in client.stderr:
        if line.startswith("The job "):
            break
    client.send_signal(signal.SIGINT)
    said = client.stderr.read()
    assert client.wait(30) == 130
    (again,) = (line.split() for line in said.splitlines() if "jobs logs -f" in line)
    job_id = again[again.index("-f") + 1]
    known = json.loads(platform.run("jobs", "ls", "--json").stdout)
    assert {job["job_id"]: job["status"] for job in known}[job_id] in {"PENDING", "RUNNING"}

    back = subprocess.Popen(
        [STRIATE, *again[1:]], env=platform.environment, stdout=-1, stderr=-1, text=True
    )
    stopped = json.loads(platform.run("jobs", "stop", job_id, "--json").stdout)
    assert stopped == {"job_id": job_id, "stopped": True}
    _, complaint = back.communicate(timeout=90)
    assert back.returncode == 11
    assert "stopped" in complaint.splitlines()[-1]


@pytest.mark.e2e
def test_what_fails_there_is_one_line_here(platform: Any) -> None:
    """A cluster that lacks the shards says so as this machine would."""
    address = platform.settings.ray_dashboard
    missing = "data.shards=/nowhere/at/all"
    done = platform.run("train", "lenet5-digits", missing, "--submit", address, check=False)
    assert done.returncode in {2, 3}
    assert done.stderr.splitlines()[-1].startswith("striate: ")
    assert "/nowhere/at/all" in done.stderr.splitlines()[-1]
    environment = {**platform.environment, "RAY_AUTH_TOKEN": "0" * 64}
    refused = subprocess.run(
        [STRIATE, "jobs", "ls"], env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 6 and "token" in refused.stderr
    assert os.environ["RAY_AUTH_TOKEN"] not in refused.stderr
