"""What runs a bundle follows from its kind."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.core.bundle import Bundle
from striate.core.errors import BundleError
from striate.core.extension_sources import use_modules
from striate.serve.predictors import load_network

pytestmark = pytest.mark.unit

MODULE = """
def constant(bundle, device):
    return lambda inputs: {name: tensor.new_ones(len(tensor), 10)
                           for name, tensor in zip(bundle.spec.outputs, inputs.values())}
PREDICTORS = {"constant": constant}
"""


def test_a_kind_of_an_extension_is_run_by_it_and_an_unknown_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_bundle: Callable[..., Bundle]
) -> None:
    written = write_bundle(tmp_path / "digits")
    bundle = Bundle(
        written.path, written.spec.model_copy(update={"kind": "constant"}), written.files
    )
    with pytest.raises(BundleError, match="of the kind constant, which nothing runs"):
        load_network(bundle)
    (tmp_path / "constant_net.py").write_text(MODULE)
    monkeypatch.setenv("STRIATE_MODULES", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    use_modules(("constant_net",))
    answer = load_network(bundle)({"input": torch.zeros(2, 1, 32, 32)})
    assert answer["output"].tolist() == [[1.0] * 10] * 2
    assert load_network(written)({"input": torch.zeros(2, 1, 32, 32)})["output"].shape == (2, 10)
