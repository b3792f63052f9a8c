"""Where a network comes from: a bundle names the package, and one that is missing is said."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from striate.core.bundle import Architecture, Bundle, BundleSpec, TensorSpec
from striate.core.errors import BundleError, ExtensionError, UnknownName, UsageError
from striate.core.extension_sources import use_modules
from striate.models import architecture_of, build, build_from

pytestmark = pytest.mark.unit

MODULE = """
from torch import nn
__version__ = "{version}"
class Flat(nn.Module):
    def __init__(self, wide=2):
        super().__init__()
        self.layer = nn.Linear(4, wide)
    def forward(self, x): return self.layer(x.flatten(1))
MODELS = {{"flat": Flat}}
"""
Name = Callable[[str], None]


@pytest.fixture
def name_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Name:
    """Writes `flat_net`, of a version, and names it as a module: ``name_module("1.0")``."""
    monkeypatch.setenv("STRIATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRIATE_MODULES", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)

    def name(version: str) -> None:
        (tmp_path / "flat_net.py").write_text(MODULE.format(version=version))
        monkeypatch.delitem(sys.modules, "flat_net", raising=False)
        use_modules(("flat_net",))

    return name


def test_an_architecture_of_the_house_is_striate_s() -> None:
    found = architecture_of("lenet1", {})
    assert found.package == "striate" and found.version is not None


def test_an_architecture_of_a_module_names_it_and_its_version(name_module: Name) -> None:
    name_module("1.0")
    found = architecture_of("flat", {"wide": 3})
    assert found == Architecture(
        name="flat", arguments={"wide": 3}, package="flat_net", version="1.0"
    )
    assert build(found)(torch.zeros(1, 2, 2)).shape == (1, 3)


def test_arguments_that_do_not_fit_are_said_with_the_module(name_module: Name) -> None:
    name_module("1.0")
    with pytest.raises(ExtensionError, match=r"'flat' of the extension flat_net 1\.0 .*tall"):
        build(Architecture(name="flat", arguments={"tall": 3}))


BOUNDED = """
from typing import Annotated, Optional
from pydantic import Field
from torch import nn
class Flat(nn.Module):
    def __init__(
        self,
        wide: Annotated[int, Field(ge=1, le=9)] = 2,
        share: "Optional[Annotated[float, Field(ge=0, lt=1)]]" = None,
        note: Annotated[object, "for a reader"] = None,
        free: int = 1,
    ):
        super().__init__()
        self.layer = nn.Linear(4, wide * free)
MODELS = {"bounded": Flat}
"""


@pytest.mark.parametrize(
    ("argument", "value"),
    [("wide", 0), ("wide", 10), ("wide", 10**9), ("wide", "9"), ("wide", True), ("wide", 2.5),
     ("share", 1), ("share", 1.5), ("share", -0.1)],
)  # fmt: skip
def test_an_extension_s_own_bounds_are_held(
    tmp_path: Path, name_module: Name, argument: str, value: object
) -> None:
    name_module("1.0")
    (tmp_path / "flat_net.py").write_text(BOUNDED)
    with pytest.raises(UsageError, match=rf"bounded cannot be built with {argument} = ") as said:
        build(Architecture(name="bounded", arguments={argument: value}))
    assert "\n" not in str(said.value)
    build(Architecture(name="bounded", arguments={"wide": 9, "share": 0.5, "note": 3, "free": 2}))


def test_a_package_that_is_missing_is_named_with_the_remedy() -> None:
    elsewhere = Architecture(name="petals", package="gardening", version="2.1")
    with pytest.raises(BundleError, match=r"gardening 2\.1, which is not here") as caught:
        build(elsewhere)
    assert "pip install gardening==2.1" in caught.value.remedy and "\n" not in str(caught.value)
    with pytest.raises(UnknownName):
        build(Architecture(name="petals"))


def test_a_name_that_another_package_has_here_is_not_taken_for_it(name_module: Name) -> None:
    with pytest.raises(BundleError, match="gardening"):
        build(Architecture(name="lenet1", package="gardening"))
    name_module("1.0")
    with pytest.raises(BundleError, match="gardening"):
        build(Architecture(name="flat", package="gardening"))
    build(Architecture(name="flat", package="flat-net"))  # as indexes compare names


def test_weights_of_another_version_say_which(name_module: Name, tmp_path: Path) -> None:
    name_module("1.0")
    architecture = architecture_of("flat", {})
    one = TensorSpec(dtype="float32", shape=(4,), layout="C", units="number")
    two = TensorSpec(dtype="float32", shape=(2,), layout="C", units="logit")
    spec = BundleSpec(
        architecture=architecture, task="classification", inputs={"input": one},
        outputs={"output": two},
    )  # fmt: skip
    bundle = Bundle.write(tmp_path / "flat", spec, build(architecture).state_dict())
    build_from(bundle)
    name_module("2.0")
    (tmp_path / "flat_net.py").write_text(
        MODULE.format(version="2.0").replace("Linear(4", "Linear(5")
    )
    with pytest.raises(BundleError) as caught:
        build_from(bundle)
    assert "made by flat_net 1.0, and 2.0 is here" in caught.value.remedy
