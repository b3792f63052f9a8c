"""`striate data`: what a user sees, in words and as JSON, and what is said when it goes wrong."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from striate.cli.main import main
from striate.core.settings import ENVIRONMENT
from striate.data.shards.manifest import RECORDS_FOLDER

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and no cluster."""
    for variable in ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ingest_digits(target: Path, *more: str) -> None:
    main(["data", "ingest", "digits", str(target.parent / "idx"), str(target), *more])


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what stands on standard error; standard output must stay empty."""
    with pytest.raises(SystemExit) as ended:
        main(["data", *arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    return int(ended.value.code or 0), captured.err


def test_digits_become_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest_digits(tmp_path / "shards", "--shard-mb", "0.5")
    assert "train 1,437, test 360 in 4 shards" in capsys.readouterr().out
    ingest_digits(tmp_path / "shards", "--shard-mb", "0.5", "--json")
    report = printed(capsys)
    assert (report["written"], report["kept"], report["skipped"]) == (0, 4, {})


def test_what_is_there_is_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest_digits(home / "data" / "digits")
    capsys.readouterr()
    main(["data", "ls"])
    assert "train 1,437, test 360" in capsys.readouterr().out
    main(["data", "ls", "--json"])
    listed = printed(capsys)
    assert [(entry["corpus"], entry["shards"]) for entry in listed] == [("digits", 2)]
    main(["data", "ls", str(home / "data" / "digits"), "--json"])
    one = printed(capsys)
    assert one["sha256"] == listed[0]["sha256"]
    assert [shard["rows"] for shard in one["shards"]] == [1437, 360]


def test_nothing_there_is_no_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "ls"])
    assert "no shards" in capsys.readouterr().err
    main(["data", "ls", "--json"])
    assert printed(capsys) == []


def test_whole_shards_are_verified_and_damaged_ones_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest_digits(tmp_path / "shards")
    main(["data", "verify", str(tmp_path / "shards")])
    assert "is whole: digits, 2 shards, 1,797 samples" in capsys.readouterr().out
    main(["data", "verify", str(tmp_path / "shards"), "--json"])
    assert printed(capsys)["splits"] == {"train": 1437, "test": 360}
    victim = tmp_path / "shards" / "test-00000.arrow"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    code, said = failing(capsys, "verify", str(tmp_path / "shards"))
    assert code == 3
    assert "test-00000.arrow is damaged" in said
    assert "data ingest" in said
    assert said.count("\n") == 1


def test_samples_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ingest_digits(tmp_path / "shards", "--shard-mb", "0.1")
    capsys.readouterr()
    shards = str(tmp_path / "shards")
    main(["data", "show", shards, "--split", "test", "--start", "358", "--rows", "5", "--json"])
    found = printed(capsys)
    assert [row["row"] for row in found] == [358, 359]
    assert {row["bytes"] for row in found} == {784}
    assert all(row["label"] in "0123456789" for row in found)
    main(["data", "show", shards, "--rows", "3"])
    assert "label" in capsys.readouterr().out
    main(["data", "show", shards, "--picture", str(tmp_path / "out" / "digits.png"), "--json"])
    assert printed(capsys)["samples"] == 40
    with Image.open(tmp_path / "out" / "digits.png") as sheet:
        assert sheet.width > 1000


def test_a_size_is_for_a_corpus_that_is_generated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = failing(capsys, "ingest", "digits", "a", str(tmp_path / "b"), "--size", "9")
    assert code == 2
    assert "digits comes in one size" in said


def test_a_folder_of_ones_own_is_ingested_with_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(own / f"{number}.png")
    rows = "".join(f"{number}.png,{number % 2},{'ab'[number // 3]}\n" for number in range(5))
    (own / "list.csv").write_text(f"file,kind,part\n{rows}")
    columns = ("--path-column", "file", "--label-column", "kind", "--split-column", "part")
    places = ("images", str(own), str(tmp_path / "shards"))
    main(["data", "ingest", *places, "--table", "list.csv", *columns])
    said = capsys.readouterr().out
    assert "images: a 3, b 1 in 2 shards" in said
    assert "Skipped 1: missing file (4.png)." in said
    code, said = failing(capsys, "ingest", *places, "--test-share", "0.5", *columns)
    assert (code, said.count("\n")) == (2, 1)
    assert "Leave --test-share out" in said


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ingest", "digits", "a", "b", "--table", "c.csv"), 2, "labels and splits of its own"),
        (("ingest", "images", "absent", "b"), 3, "no folder"),
        (("show", "absent"), 3, "no finished shards"),
        (("ingest", "digits", "a", "b", "--max-skipped", "2"), 2, "share of 2.0"),
        (("ingest", "digits", "a", "ftp://b"), 2, "no storage of the kind ftp://"),
        (("ingest", "digts", "a", "b"), 2, "Did you mean digits?"),
        (("ingest", "mnist", "absent", "b"), 3, "no folder"),
        (("ingest", "digits", "a", "b", "--shard-mb", "0"), 2, "0.0 MB"),
        (("ingest", "digits", "a", "b", "--workers", "0"), 2, "--workers"),
        (("verify", "absent"), 3, "no finished shards"),
        (("ls", "absent"), 3, "no folder"),
    ],
)
def test_a_mistake_is_one_sentence_and_starts_nothing(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ended, said = failing(capsys, *arguments)
    assert ended == code
    assert says in said
    assert list(tmp_path.iterdir()) == []


def test_an_address_where_no_cluster_answers_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)  # closed again
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests' session may be on
    code, said = failing(capsys, "ingest", "digits", str(tmp_path / "a"), str(tmp_path / "b"))
    assert code == 6
    assert f"The Ray cluster at {address} does not answer" in said


def test_an_ingest_is_told_to_run_again_only_where_one_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / RECORDS_FOLDER).mkdir(parents=True)
    for place in ("absent", "empty"):
        _, said = failing(capsys, "verify", place)
        assert "again" not in said and "Ingest a corpus into it" in said
    _, said = failing(capsys, "verify", "begun")
    assert "Run `striate data ingest` again." in said


@pytest.mark.parametrize("command", ["ingest", "ls", "verify", "show", "clean"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", command, "--help"])
    assert f"Example: striate data {command}" in capsys.readouterr().out
