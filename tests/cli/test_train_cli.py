"""`striate train`, `runs` and `models` as a user types them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from striate.cli.main import main
from striate.cli.models import models
from striate.cli.runs import runs
from striate.cli.train import train

SHORT = ("epochs=2", "checkpoint.every_steps=10", "evaluate_every_epochs=1", "--workers", "0")
SWEPT = ("train", "lenet5-digits", "--sweep", "seed=1,2")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("arguments", "thing", "hint"),
    [
        (["train", "lenet5-digit"], "'lenet5-digit'", "lenet5-digits"),
        (["train", "lenet5-digits", "optimizer.lrr=1"], "'optimizer.lrr'", "optimizer.lr"),
        (["train", "lenet5-digits", "optimizer.lr=x"], "optimizer.lr = 'x'", "number"),
        (["train"], "No recipe", "--help"),
        (["train", "--resume", "0123"], "'0123'", "none yet"),
        (
            ["train", "lenet5-digits", "--promote", "registered_name=null"],
            "--promote",
            "registered_name",
        ),
        (
            [*SWEPT, "--register-best", "registered_name=null"],
            "--register-best has no name",
            "leave --register-best out",
        ),
        (
            [*SWEPT, "--register-best", "registered_name=null", "--submit", "http://127.0.0.1:1"],
            "--register-best has no name",
            "leave --register-best out",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_starts(
    arguments: list[str],
    thing: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert thing in said and hint in said
    assert not (tmp_path / "home").exists()


@pytest.mark.unit
@pytest.mark.parametrize(
    "arguments", [["ls"], ["show", "0123"], ["compare", "0123", "4567"], ["sync", "0123"]]
)
def test_runs_without_mlflow_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        main(["runs", *arguments])
    assert ended.value.code in {2, 6}
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.unit
@pytest.mark.parametrize("command", [train, *runs.commands.values(), *models.commands.values()])
def test_help_shows_an_example(command: Any) -> None:
    assert "Example: striate " in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.e2e
def test_a_run_is_trained_listed_compared_promoted_and_resumed(platform: Any) -> None:
    def ask(*arguments: str) -> Any:
        return json.loads(platform.run(*arguments, "--json").stdout)

    first = ask("train", "lenet5-modern-digits", *SHORT)
    second = ask("train", "lenet5-modern-digits", *SHORT, "optimizer.lr=0.003", "--promote")
    version = int(first["model_uri"].removeprefix("models:/lenet5-modern-digits/"))
    assert second["model_uri"] == f"models:/lenet5-modern-digits/{version + 1}"

    listed = ask("runs", "ls", "lenet5-modern-digits")[:2]  # other tests have trained it before
    assert [run["run_id"] for run in listed] == [second["run_id"], first["run_id"]]
    shown = ask("runs", "show", first["run_id"][:10])
    assert shown["status"] == "FINISHED"
    assert shown["metrics"]["test/top1"] == pytest.approx(first["metrics"]["top1"])
    compared = ask("runs", "compare", first["run_id"], second["run_id"])
    assert compared["configuration"] == {"optimizer.lr": ["0.01", "0.003"]}

    versions = ask("models", "ls", "lenet5-modern-digits")[:2]
    aliases = [(v["version"], v["aliases"]) for v in versions]
    assert aliases == [(version + 1, ["champion"]), (version, [])]
    promoted = ask("models", "promote", "lenet5-modern-digits", str(version))
    assert promoted["aliases"] == ["champion"]
    champion = ask("models", "show", "lenet5-modern-digits")
    assert champion["version"]["version"] == version
    assert champion["bundle"]["provenance"]["run_id"] == first["run_id"]

    longer = ask("train", "--resume", first["run_id"], "epochs=3")
    assert longer["run_id"] == first["run_id"]
    assert longer["steps"] > first["steps"]

    summary = platform.run("runs", "sync", first["run_id"])
    assert first["run_id"] in summary.stdout
    tables = platform.run("runs", "ls").stdout + platform.run("models", "ls").stdout
    assert "lenet5-modern-digits" in tables and "champion" in tables


@pytest.mark.e2e
def test_a_person_sees_progress_and_a_summary(platform: Any) -> None:
    done = platform.run("train", "lenet1-anna-digits", *SHORT, "registered_name=none")
    for word in ("held-out top-1", "model", "runs:/", "http://", "bundle", "steps"):
        assert word in done.stdout
    assert "training" in done.stderr or "published" in done.stderr
