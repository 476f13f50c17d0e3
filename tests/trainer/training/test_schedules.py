from __future__ import annotations

import math

import pytest

from siftset.schemas.errors import RecipeError
from siftset.trainer.training.schedules import SETTINGS, count_warmup, rate_factor


@pytest.mark.parametrize("name", SETTINGS)
def test_every_schedule_warms_up_and_stays_between_zero_and_one(name):
    at = rate_factor(name, 100, 10, {})
    values = [at(step) for step in range(101)]
    assert values[:11] == pytest.approx([step / 10 for step in range(11)])
    assert max(values) <= 1.0
    assert min(values) >= 0.0


@pytest.mark.parametrize(
    ("name", "settings", "step", "expected"),
    [
        ("constant", {}, 99, 1.0),
        ("linear", {}, 25, 0.75),
        ("linear", {"min_lr_rate": 0.2}, 100, 0.2),
        ("cosine", {}, 50, 0.5),
        ("cosine_with_restarts", {"num_cycles": 2.0}, 25, 0.5),
        ("cosine_with_restarts", {"num_cycles": 2.0}, 50, 1.0),
        ("polynomial", {"power": 2.0}, 50, 0.25),
        ("step", {"step_size": 10, "gamma": 0.5}, 25, 0.25),
        ("exponential", {"gamma": 0.9}, 3, 0.729),
    ],
)
def test_values(name, settings, step, expected):
    assert rate_factor(name, 100, 0, settings)(step) == pytest.approx(expected)


def test_linear_and_cosine_equal_transformers():
    import torch
    from transformers import get_scheduler

    for name in ("linear", "cosine", "polynomial"):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        more = {"power": 2.0, "lr_end": 0.0} if name == "polynomial" else {}
        theirs = get_scheduler(
            name,
            optimizer,
            num_warmup_steps=7,
            num_training_steps=50,
            scheduler_specific_kwargs=more,
        )
        ours = rate_factor(name, 50, 7, {})
        for step in range(50):
            assert ours(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9), (name, step)
            optimizer.step()
            theirs.step()


def test_warmup_by_share_and_by_number():
    assert count_warmup(0.1, 55) == math.ceil(5.5)
    assert count_warmup(20, 55) == 20


def test_a_setting_of_another_schedule_is_refused():
    with pytest.raises(RecipeError, match=r"lr_scheduler_kwargs\.power: unknown for .* linear"):
        rate_factor("linear", 10, 0, {"power": 2})
