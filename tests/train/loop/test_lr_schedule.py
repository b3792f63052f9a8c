"""The learning rate as a pure function: each schedule by its formula, and what no schedule may."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from striate.core.errors import RecipeError
from striate.train.config import OptimizerConfig, ScheduleConfig
from striate.train.loop.lr_schedule import plateaus, rate_at
from striate.train.loop.optimizers import build_optimizer, set_rate
from striate.train.recipes.resolve import resolve

pytestmark = pytest.mark.unit

SCHEDULES = (
    ScheduleConfig(name="constant"),
    ScheduleConfig(name="cosine", final_share=0.1),
    ScheduleConfig(name="polynomial", power=0.5),
    ScheduleConfig(name="step", milestones_epochs=(2, 5.5), factor=0.1),
    ScheduleConfig(name="step", every_epochs=1.5, factor=0.96, final_share=0.8),
)


@settings(deadline=None)
@given(
    which=st.sampled_from(SCHEDULES),
    total=st.integers(1, 400),
    per_epoch=st.floats(0.5, 90),
    warmup=st.floats(0, 0.9),
)
def test_every_rate_rises_in_the_warm_up_and_never_rises_after(
    which: ScheduleConfig, total: int, per_epoch: float, warmup: float
) -> None:
    config = which.model_copy(update={"warmup_share": warmup})
    rates = [rate_at(step, total, config, per_epoch) for step in range(total)]
    start = round(warmup * total)
    assert rates[:start] == sorted(rates[:start])
    assert rates[start:] == sorted(rates[start:], reverse=True)
    assert all(0 <= rate <= 1 for rate in rates)
    assert all(rate >= config.final_share for rate in rates[start:])
    assert start == total or rates[start] == 1 or config.name == "step"


@settings(deadline=None)
@given(milestones=st.lists(st.integers(1, 30), min_size=1, max_size=5), per_epoch=st.integers(1, 9))
def test_a_step_falls_right_at_its_milestones(milestones: list[int], per_epoch: int) -> None:
    config = ScheduleConfig(name="step", milestones_epochs=tuple(milestones), factor=0.5)
    for step in range(31 * per_epoch):
        passed = sum(step >= milestone * per_epoch for milestone in milestones)
        assert rate_at(step, 1000, config, per_epoch) == 0.5**passed


def test_polynomial_is_its_formula() -> None:
    """GoogLeNet's and others': (1 − step / steps) to the power."""
    config = ScheduleConfig(name="polynomial", power=0.5)
    assert [rate_at(step, 8, config) for step in range(8)] == pytest.approx(
        [(1 - step / 8) ** 0.5 for step in range(8)]
    )


@settings(deadline=None)
@given(history=st.lists(st.floats(0, 1), max_size=40), patience=st.integers(1, 5))
def test_a_plateau_falls_as_a_state_machine_fed_one_by_one_would(
    history: list[float], patience: int
) -> None:
    """torch's own ReduceLROnPlateau, whose patience is one less, for a rate of 1 and factor 0.5."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0
    )
    config = ScheduleConfig(name="plateau", factor=0.5, patience=patience)
    for seen, value in enumerate(history, start=1):
        theirs.step(value)
        assert rate_at(7, 100, config, 1.0, history[:seen]) == optimizer.param_groups[0]["lr"]


def test_a_plateau_counts_from_the_last_fall() -> None:
    assert [plateaus([0.5] * evaluations, 3) for evaluations in range(9)] == [
        *(0, 0, 0, 0, 1, 1, 1, 2, 2)
    ]


def test_biases_learn_and_decay_as_the_recipe_says() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 2))
    config = OptimizerConfig(lr=0.1, momentum=0, weight_decay=0.5, bias_lr=2)
    optimizer = build_optimizer(network, config)
    set_rate(optimizer, 0.01)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, value in network.named_parameters():
        bias = name.endswith("bias")
        moved = 0.02 * torch.ones_like(value) if bias else 0.01 * (1 + 0.5 * before[name])
        assert torch.allclose(before[name] - value.detach(), moved, atol=1e-7)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("schedule.name=step",), "milestones_epochs or every_epochs"),
        (("schedule.every_epochs=2",), "belongs to the schedule step"),
        (("schedule.name=polinomial",), "polynomial"),
        (("scaling.workers=4", "scaling.max_workers=2"), "no range"),
        (("batch_size=4", "scaling.max_workers=8"), "8 workers without a sample"),
        (("scaling.strategy=fdsp",), "fsdp"),
        (("precision=fp46",), "fp64"),
        (("on_nan=skipp",), "skip"),
    ],
)
def test_what_cannot_be_meant_is_said(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve("lenet5-digits", overrides)
    words: Any = caught.value
    assert said in f"{words.message} {words.remedy}"
