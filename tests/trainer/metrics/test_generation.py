from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from siftset.trainer.metrics.generation import (
    bleu,
    bleu_counts,
    chrf,
    exact_match,
    longest_common,
    repetition,
    rouge_l,
    token_f1,
)

words = st.lists(st.sampled_from("abcd"), max_size=12)


@pytest.mark.parametrize(
    ("said", "wanted", "exact", "f1"),
    [
        ("The cat!", "cat", 1, 1),
        ("cat sat", "cat", 0, 2 / 3),
        ("", "", 1, 1),
        ("", "cat", 0, 0),
        ("cat cat", "cat dog", 0, 0.5),
    ],
)
def test_squads_metrics(said, wanted, exact, f1):
    assert exact_match(said, wanted) == exact
    assert token_f1(said, wanted) == pytest.approx(f1)


@given(words, words)
def test_the_longest_common_subsequence_is_the_tables(one, other):
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            best = max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else best
    assert longest_common(one, other) == table[-1, -1]


def test_rouge_l_by_hand():
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)
    assert rouge_l("", "x") == 0


@given(st.lists(st.tuples(words, words), min_size=1, max_size=6))
def test_summed_counts_give_sacrebleus_corpus_bleu(pairs):
    said, wanted = ([" ".join(side) for side in column] for column in zip(*pairs, strict=True))
    expected = sacrebleu.corpus_bleu(said, [wanted]).score / 100
    assert bleu(bleu_counts(said, wanted).sum(0)) == pytest.approx(expected)


def test_chrf_is_from_0_to_1():
    assert chrf("abc def", "abc def") == pytest.approx(1)
    assert chrf("xyz", "abc") == 0


@pytest.mark.parametrize(
    ("text", "share"), [("a b c a b c", 0.25), ("a b c d", 0), ("no no no no", 0.5), ("a", 0)]
)
def test_repetition(text, share):
    assert repetition(text) == share
