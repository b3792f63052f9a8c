"""`striate chips` and `striate pools` as a user types them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from striate.cli.chips import chips
from striate.cli.main import main
from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.data.shards.manifest import Manifest
from striate.models import build

PREPROCESSING = (
    {"op": "grayscale"},
    {"op": "resize", "height": 28, "width": 28},
    {"op": "pad", "margin": 2, "value": 0},
    {"op": "scale", "factor": 1.275 / 255, "offset": -0.1},
)


def untrained(folder: Path, shards: Path, name: str) -> Path:
    """A bundle with fresh weights: the commands are tested here, not the accuracy."""
    torch.manual_seed(0)
    architecture = Architecture(name=name)
    edge = TensorSpec(dtype="float32", shape=(10,), layout="C", units="score")
    spec = BundleSpec(
        architecture=architecture,
        task="classification",
        inputs={"input": edge},
        outputs={"output": edge},
        preprocessing=PREPROCESSING,
        labels=Manifest.load(shards).labels,
    )
    return Bundle.write(folder, spec, build(architecture).state_dict()).path


def printed(*arguments: str) -> Any:
    result = CliRunner().invoke(chips, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.unit
def test_compile_run_report(digits_shards: Path, tmp_path: Path) -> None:
    bundle = untrained(tmp_path / "bundle", digits_shards, "lenet1_32")
    program = tmp_path / "program"
    compiled = printed(
        *("compile", str(bundle), "--chip", "anna-1991", "--qat-epochs", "0"),
        *("--data", str(digits_shards), "-o", str(program)),
    )
    assert compiled["program"] == str(program)
    result = printed("run", str(program), "--data", str(digits_shards))
    assert (result["chip"], result["rows"]) == ("anna-1991", 360)
    assert result["accuracy"] > 0.5, "the retrained last layer alone does better than chance"
    report = printed("report", str(program), "--batch", "2")
    assert report["seconds"] == pytest.approx(2 * compiled["seconds"])
    assert report["energy_pj"] is None
    assert report["provenance"]["cycles_per_evaluation"]["source"] == "calibrated"
    shown = CliRunner().invoke(chips, ["report", str(program)]).output
    assert "unknown" in shown and "calibrated" in shown and "error band" in shown


@pytest.mark.unit
def test_ls_names_every_chip_with_provenance() -> None:
    listed = {spec["name"]: spec for spec in printed("ls")}
    assert set(listed) == {"anna-talk", "anna-1991", "null"}
    assert listed["anna-1991"]["state"]["bits"] == 3
    shown = CliRunner().invoke(chips, ["ls", "--provenance"]).output
    assert "JSSC 1991" in shown


@pytest.mark.unit
def test_mistakes_are_one_line_with_a_remedy(
    digits_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lenet5 = str(untrained(tmp_path / "lenet5", digits_shards, "lenet5"))
    rest = ("--data", str(digits_shards), "-o", str(tmp_path / "p"))
    for arguments, code, text in [
        (("compile", lenet5, "--chip", "anna", *rest), 2, "anna-talk"),
        (("compile", "nowhere", "--chip", "anna-talk", *rest), 2, "nowhere"),
        (("compile", lenet5, "--chip", "anna-talk", *rest), 8, "Layer c5"),
        (("report", str(tmp_path)), 4, "program.json"),
    ]:
        with pytest.raises(SystemExit) as ended:
            main(["chips", *arguments])
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert ended.value.code == code, error
        assert text in error
    assert not (tmp_path / "p").exists()


@pytest.mark.cluster
def test_pools_ls_shows_the_chip(platform: Any) -> None:
    listed = {
        pool["name"]: pool for pool in json.loads(platform.run("pools", "ls", "--json").stdout)
    }
    assert listed["cpu"]["total"] >= 1
    assert listed["anna-talk"]["labels"]["chip"] == "anna-talk"
    assert "anna-talk" in platform.run("pools", "ls").stdout
