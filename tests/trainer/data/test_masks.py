from __future__ import annotations

import numpy as np
import pytest

from siftset.trainer.data.masks import EVALUATION, Masking, keyed_uniform

MASKING = Masking(mask_id=4, vocabulary=1000, probability=0.15, seed=7)


def some(rows: int, width: int = 40):
    ids = np.random.default_rng(1).integers(10, 1000, (rows, width))
    maskable = np.ones((rows, width), dtype=bool)
    maskable[:, 0] = False
    return ids, maskable, np.arange(rows)


def test_masks_do_not_depend_on_the_batch():
    ids, maskable, rows = some(50)
    whole, chosen = MASKING.mask_rows(ids, maskable, rows, 3)
    order = np.random.default_rng(0).permutation(50)
    for some_rows in np.array_split(order, 7):
        part, picked = MASKING.mask_rows(ids[some_rows], maskable[some_rows], rows[some_rows], 3)
        assert np.array_equal(part, whole[some_rows])
        assert np.array_equal(picked, chosen[some_rows])


def test_masks_do_not_depend_on_padding():
    ids, maskable, rows = some(5, 20)
    wide = np.pad(ids, ((0, 0), (0, 9)))
    masked, chosen = MASKING.mask_rows(wide, np.pad(maskable, ((0, 0), (0, 9))), rows, 0)
    assert np.array_equal(masked[:, :20], MASKING.mask_rows(ids, maskable, rows, 0)[0])
    assert not chosen[:, 20:].any()


@pytest.mark.parametrize("change", [{"epoch": 4}, {"seed": 8}, {"rows": 1000}])
def test_epoch_seed_and_row_change_the_masks(change):
    ids, maskable, rows = some(50)
    _, one = MASKING.mask_rows(ids, maskable, rows, 3)
    other = Masking(4, 1000, 0.15, change.get("seed", 7))
    _, two = other.mask_rows(ids, maskable, rows + change.get("rows", 0), change.get("epoch", 3))
    assert (one != two).mean() > 0.1


def test_shares_are_those_of_bert():
    ids, maskable, rows = some(4000)
    masked, chosen = MASKING.mask_rows(ids, maskable, rows, EVALUATION)
    assert chosen[maskable].mean() == pytest.approx(0.15, abs=0.005)
    assert (masked[chosen] == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert (masked[chosen] == ids[chosen]).mean() == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(masked[~chosen], ids[~chosen])


def test_a_short_row_has_a_masked_token_and_an_empty_one_none():
    ids, rows = np.full((200, 4), 20), np.arange(200)
    maskable = np.zeros((200, 4), dtype=bool)
    maskable[:, 1] = True
    maskable[100:] = False
    _, chosen = MASKING.mask_rows(ids, maskable, rows, 0)
    assert chosen[:100].sum(1).tolist() == [1] * 100
    assert not chosen[100:].any()


def test_whole_words_are_masked_together():
    ids, maskable, rows = some(200)
    words = np.broadcast_to(np.arange(40) // 3, ids.shape)
    maskable[:, :3] = False
    _, chosen = MASKING.mask_rows(ids, maskable, rows, 0, words)
    for word in range(1, 13):
        part = chosen[:, word * 3 : word * 3 + 3]
        assert (part.all(1) | ~part.any(1)).all()
    assert chosen.any()


def test_uniform_numbers_are_uniform():
    values = keyed_uniform((5, 6), np.arange(1000)[:, None], np.arange(100)[None]).ravel()
    histogram = np.histogram(values, bins=10, range=(0, 1))[0]
    assert abs(histogram - 10_000).max() < 500
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.01
