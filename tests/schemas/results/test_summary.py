"""The closing balance of a run: parts add up, and a row that is nowhere is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siftset.schemas.errors import BalanceError
from siftset.schemas.results.summary import Balance

PARTS = ("kept", "rejected", "quarantined", "duplicate", "unreadable")
counts = st.tuples(*(st.integers(0, 10**9) for _ in PARTS))


def balance(parts: tuple[int, ...]) -> Balance:
    return Balance(sum(parts), **dict(zip(PARTS, parts, strict=True)))


@given(st.lists(counts, max_size=4))
def test_the_sum_of_balances_that_hold_holds(shards: list[tuple[int, ...]]):
    whole = sum((balance(parts) for parts in shards), Balance())
    whole.check()
    assert whole.read == sum(map(sum, shards))
    assert whole.to_json() == {"read": whole.read} | {
        name: sum(parts[at] for parts in shards) for at, name in enumerate(PARTS)
    }


@pytest.mark.parametrize("name", ["read", *PARTS])
def test_a_row_too_many_anywhere_is_an_error(name: str):
    off = balance((1_000, 20, 3, 4, 5)) + Balance(**{name: 1})
    with pytest.raises(BalanceError, match=r"rows read 1,03[23] but accounted for 1,03[23]"):
        off.check()
