"""`striate models show` of a bundle's folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from striate.cli.models import models
from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec

pytestmark = pytest.mark.unit


def _tensor(layout: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(dtype="float32", shape=shape, layout=layout, units="one")


def test_every_tensor_has_a_line(tmp_path: Path) -> None:
    spec = BundleSpec(
        architecture=Architecture(name="pairs", package="own-models", version="1.2"),
        task="pairs",
        inputs={"left": _tensor("CHW", 1, "height", "width"), "right": _tensor("C", 10)},
        outputs={"distance": _tensor("")},
    )
    Bundle.write(tmp_path / "bundle", spec, {})
    shown = CliRunner().invoke(models, ["show", str(tmp_path / "bundle")], catch_exceptions=False)
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert any("input left" in line and "float32 CHW 1×height×width" in line for line in lines)
    assert any("input right" in line and "float32 C 10" in line for line in lines)
    assert any("output" in line and "float32" in line for line in lines)
    assert any("pairs of own-models 1.2" in line for line in lines)
