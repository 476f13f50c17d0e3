"""Which rows are chosen depends on the rows and the directions, not on how they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siftset.signals.selection.domain import fit_direction
from siftset.signals.selection.turns import (
    ID_BITS,
    BestRows,
    rank_rows,
    round_vectors,
    share_equally,
)


def unit_vectors(seed: int, rows: int, size: int = 16) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, size))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def choose_by_hand(rows, directions, ids, wanted):
    """The definition: in turn, each direction takes its best row that is left."""
    scores = np.rint(directions * 2048) @ np.rint(rows * 2048).T
    left, taken = set(range(len(rows))), []
    while len(taken) < min(wanted, len(rows)):
        for mine in scores:
            if left and len(taken) < wanted:
                best = min(left, key=lambda at, mine=mine: (-mine[at], ids[at]))
                left.remove(best)
                taken.append(best)
    return taken


def choose(rows, directions, ids, wanted, depth, blocks):
    best = BestRows(len(directions), depth)
    for places in blocks:
        ranks = rank_rows(round_vectors(rows[places]), round_vectors(directions), ids[places])
        best.show(ranks, places)
    return best.take_by_turns(wanted)


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(1, 40), st.integers(1, 4), st.integers(1, 45), st.data())
def test_turns_are_the_definition_in_any_order_of_rows(seed, rows, directions, wanted, data):
    vectors, aims = unit_vectors(seed, rows), unit_vectors(seed + 1, directions)
    vectors[rows // 2 :] = vectors[0]  # equal scores
    ids = np.random.default_rng(seed).permutation(1 << 12)[:rows]
    expected = choose_by_hand(vectors, aims, ids, wanted)
    order = np.array(data.draw(st.permutations(range(rows))))
    cut = data.draw(st.integers(0, rows))
    for depth in (1, 2, 5, rows):
        found = choose(vectors, aims, ids, wanted, depth, [order[:cut], order[cut:]])
        assert found is None or found == expected
    assert found == expected


def test_a_score_is_a_whole_number_whatever_stands_beside_the_row():
    """Among so many dimensions float32 would round sums in the order that a library adds them."""
    rows, aims = unit_vectors(0, 500, size=384), unit_vectors(1, 50, size=384)
    grid, directions = round_vectors(rows), round_vectors(aims)
    scores = rank_rows(grid, directions, np.zeros(500, np.int64)) >> ID_BITS
    exact = directions.astype(np.int64) @ grid.astype(np.int64).T
    assert (scores == exact).all()
    assert np.abs(exact / 2048**2 - aims @ rows.T).max() < 2e-3


def test_a_row_that_says_nothing_comes_last():
    rows = unit_vectors(0, 40)
    rows[7] = 0
    away = -rows[[0]]
    (ranks,) = rank_rows(round_vectors(rows), round_vectors(away), np.arange(40))
    assert ranks.argmin() == 7
    assert (away @ rows.T).argmin() == 0


@pytest.mark.parametrize(
    ("rows", "held", "expected"),
    [
        (9, [5, 5, 5], [3, 3, 3]),
        (10, [5, 5, 5], [4, 3, 3]),
        (10, [1, 2, 50], [1, 2, 7]),
        (100, [1, 2, 3], [1, 2, 3]),
        (2, [9, 9, 9], [1, 1, 0]),
        (5, [], []),
        (4, [0, 9], [0, 4]),
    ],
)
def test_classes_get_the_same_as_far_as_they_have_it(rows, held, expected):
    assert share_equally(rows, held) == expected


def test_the_direction_tells_examples_from_other_rows():
    others, examples = unit_vectors(0, 400), unit_vectors(1, 30)
    examples[:, 0] += 1.5
    examples /= np.linalg.norm(examples, axis=1, keepdims=True)
    direction = fit_direction(examples, others)
    assert np.linalg.norm(direction) == pytest.approx(1)
    likely = np.vstack([examples, others]) @ direction
    assert (np.argsort(-likely)[:30] < 30).mean() > 0.9
    assert np.allclose(direction, fit_direction(examples, others))


@pytest.mark.parametrize(("rows", "others"), [(1, 1), (2, 2), (1, 0), (9, 0)])
def test_a_direction_of_few_or_equal_rows_is_finite(rows, others):
    same = np.repeat(unit_vectors(3, 1), rows, axis=0)
    direction = fit_direction(same, np.repeat(same[:1], others, axis=0))
    assert np.isfinite(direction).all()
    if not others:
        assert direction @ same[0] == pytest.approx(1)
