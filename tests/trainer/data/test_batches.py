from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.schemas.errors import TrainingError
from siftset.trainer.data.batches import JITTER, BatchPlan

LENGTHS = st.lists(st.integers(1, 60), min_size=4, max_size=80).map(
    lambda values: np.asarray(values, dtype=np.int64)
)
PLANS = st.builds(
    BatchPlan,
    LENGTHS,
    size=st.integers(1, 9),
    tokens=st.none() | st.integers(1, 200),
    order=st.sampled_from(["group_by_length", "random", "sequential", "longest_first"]),
    seed=st.integers(0, 2**40),
    world=st.integers(1, 4),
)


@given(PLANS, st.integers(0, 5))
@settings(max_examples=200)
def test_every_row_is_in_exactly_one_batch_of_one_rank(plan, epoch):
    rows = [
        row
        for rank in range(plan.world)
        for batch in plan.rank_batches(epoch, rank)
        for row in batch.tolist()
    ]
    assert sorted(rows) == list(range(len(plan.lengths)))


@given(PLANS)
def test_every_rank_and_epoch_has_the_same_number_of_batches_and_no_empty_one(plan):
    for epoch in (0, 1, 7):
        for rank in range(plan.world):
            batches = list(plan.rank_batches(epoch, rank))
            assert len(batches) == len(plan)
            assert all(len(batch) for batch in batches)


@given(PLANS, st.integers(0, 3))
def test_a_plan_is_a_pure_function(plan, epoch):
    again = BatchPlan(
        plan.lengths, plan.size, plan.tokens, order=plan.order, seed=plan.seed, world=plan.world
    )
    for one, other in zip(plan.all_batches(epoch), again.all_batches(epoch), strict=True):
        assert np.array_equal(one, other)


@given(LENGTHS, st.integers(60, 300))
def test_a_token_budget_is_kept_up_to_the_jitter(lengths, budget):
    plan = BatchPlan(lengths, size=1, tokens=budget)
    for batch in plan.all_batches(2):
        assert lengths[batch].max() * len(batch) <= budget * (1 + JITTER) + len(batch)


def test_grouping_wastes_little_padding_and_mixes_epochs():
    lengths = np.random.default_rng(0).integers(8, 500, 4000)
    plan = BatchPlan(lengths, size=32, seed=1)
    padded = sum(lengths[b].max() * len(b) for b in plan.all_batches(0))
    assert padded / lengths.sum() < 1.1
    assert BatchPlan(lengths, size=32, order="random").all_batches(0)[0].tolist() != list(range(32))
    first = {frozenset(b.tolist()) for b in plan.all_batches(0)}
    second = {frozenset(b.tolist()) for b in plan.all_batches(1)}
    assert len(first & second) < 5


def test_fewer_rows_than_processes():
    plan = BatchPlan(np.asarray([3, 4]), size=2, world=4)
    with pytest.raises(TrainingError, match="2 rows cannot be shared by 4 processes"):
        len(plan)
