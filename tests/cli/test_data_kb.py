"""`striate data kb`: what a user sees, and what is said when it goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from striate.cli.main import main

pytestmark = pytest.mark.unit

FACTS = "Rome,country,Italy\nbroken\nRome,kind,Rome\nItaly,continent,Europe\nRome,country,Italy\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "facts.csv"
    path.write_text(FACTS)
    return path


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["data", "kb", *arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    return int(ended.value.code or 0), captured.err


def test_a_table_becomes_a_base(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "kb")
    main(["data", "kb", "csv", str(table), target, "--hierarchical", "kind"])
    out = capsys.readouterr().out
    assert "csv: 2 facts of 3 relations between 3 entities with 3 names" in out
    assert "Skipped 1: broken line (facts.csv:2)." in out
    assert "Skipped 1: duplicated fact (facts.csv:5)." in out
    assert "Skipped 1: entity that comes before itself (facts.csv:3)." in out
    main(["data", "kb", "show", target])
    assert "country" in capsys.readouterr().out
    main(["data", "kb", "show", target, "--json"])
    shown = printed(capsys)
    assert (shown["kind"], shown["facts"]) == ("csv", 2)
    main(["data", "kb", "csv", str(table), target, "--json"])
    again = printed(capsys)
    assert again["skipped"] == {"broken line": 1, "duplicated fact": 1}


def test_what_is_wrong_is_one_line(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "kb")
    code, said = failing(capsys, "csv", str(table), target, "--max-skipped", "0.1")
    assert code == 3 and "More than the allowed 10.00% of 5 lines" in said
    assert "facts.csv:2" in said and "--max-skipped" in said
    code, said = failing(capsys, "csv", str(table), target, "--hierarchical", "kin")
    assert code == 2 and "kind" in said
    code, said = failing(capsys, "csv", str(table), target, "--max-skipped", "2")
    assert code == 2
    code, said = failing(capsys, "wordnet", str(tmp_path), target)
    assert code == 3 and "data.noun" in said
    code, said = failing(capsys, "factbook", str(tmp_path), target)
    assert code == 3 and "europe/fr.json" in said
    code, said = failing(capsys, "show", target)
    assert code == 3 and "holds no knowledge base" in said
    wording = tmp_path / "wording.json"
    wording.write_text('{"relations": {"country": {"questions": ["Where?"]}}}')
    code, said = failing(capsys, "csv", str(table), target, "--wording", str(wording))
    assert code == 3 and "wording.json holds no wording" in said
    assert not Path(target).exists()
