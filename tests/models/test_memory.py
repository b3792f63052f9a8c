"""A network that the machine cannot hold is refused before it takes the memory."""

import re
import resource

import pytest
import torch

from striate.core.bundle import Architecture
from striate.core.errors import UsageError
from striate.core.memory import memory_bytes
from striate.models import MODELS, build
from striate.models.memory import check_memory

pytestmark = pytest.mark.unit

BYTES = {"lenet5_modern": 4 * 61_706, "alexnet": 4 * 60_965_224}
LARGEST = {"width": 64, "field": 4096, "classes": 1_000_000}


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", ["alexnet", "c3d", "overfeat_fast", "slide_tower", "vgg19"])
def test_a_typo_is_refused_before_it_allocates(name: str) -> None:
    """Each argument lies within its own bounds; together they are far more than any machine has."""
    before = peak_bytes()
    with pytest.raises(UsageError, match=f"weights of the model {name} would take") as refused:
        build(Architecture(name=name, arguments=LARGEST))
    assert "\n" not in str(refused.value)
    gibibytes = [
        float(said.replace(",", "")) for said in re.findall(r"([\d,.]+) GiB", str(refused.value))
    ]
    assert gibibytes[0] > 1000 and gibibytes[1] == pytest.approx(memory_bytes() / 2**30, abs=0.1)
    assert peak_bytes() - before < 2**28


@pytest.mark.parametrize("name", BYTES)
def test_what_just_fits_is_built(name: str) -> None:
    check_memory(name, MODELS[name], {}, BYTES[name] + 2**20)  # and buffers
    with pytest.raises(UsageError, match=name):
        check_memory(name, MODELS[name], {}, BYTES[name] - 1)


def test_looking_draws_no_random_number() -> None:
    torch.manual_seed(3)
    plain = MODELS["alexnet"](width=1 / 8, field=67, dropout=0.0)
    torch.manual_seed(3)
    checked = build(
        Architecture(name="alexnet", arguments={"width": 1 / 8, "field": 67, "dropout": 0.0})
    )
    for ours, theirs in zip(plain.parameters(), checked.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert {parameter.device.type for parameter in checked.parameters()} == {"cpu"}


def test_a_network_without_content_takes_no_memory() -> None:
    with torch.device("meta"):
        build(Architecture(name="alexnet", arguments=LARGEST))


def test_the_memory_here_is_what_a_process_may_have() -> None:
    assert 2**28 < memory_bytes() < 2**50
