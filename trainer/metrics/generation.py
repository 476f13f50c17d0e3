"""Metrics of generated answers, row by row; corpus BLEU from summable counts."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from siftset.trainer.metrics.bootstrap import Array

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORDS = re.compile(r"\w+")


def normalize_words(text: str) -> list[str]:
    """Return words as SQuAD compares them: lower case, no punctuation, no English articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(answer: str, reference: str) -> float:
    """Return 1 if the answers have the same normalized words, else 0."""
    return float(normalize_words(answer) == normalize_words(reference))


def token_f1(answer: str, reference: str) -> float:
    """Return SQuAD's F1 over normalized words; two empty answers agree.

    Rajpurkar et al. (2016).
    """
    said, wanted = normalize_words(answer), normalize_words(reference)
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted))


def rouge_l(answer: str, reference: str) -> float:
    """Return ROUGE-L's F1 over lower-case words without stemming; Lin (2004)."""
    said, wanted = _WORDS.findall(answer.lower()), _WORDS.findall(reference.lower())
    if not said or not wanted:
        return 0.0
    return 2 * longest_common(said, wanted) / (len(said) + len(wanted))


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    Bit-parallel, one integer operation per word: Hyyrö (2004).
    """
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    every = (1 << len(one)) - 1
    row = every
    for word in other:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & every
    return len(one) - row.bit_count()


def repetition(answer: str, n: int = 3) -> float:
    """Return the share of n-grams of words that occurred before in the answer."""
    words = answer.lower().split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def chrf(answer: str, reference: str) -> float:
    """Return sacreBLEU's sentence chrF, from 0 to 1."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(answer, [reference]).score) / 100


def bleu_counts(answers: Sequence[str], references: Sequence[str]) -> Array:
    """Return what corpus BLEU sums (rows, 10): 4 matches, 4 totals, both lengths."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a")
    rows = []
    for answer, reference in zip(answers, references, strict=True):
        one = metric.corpus_score([answer], [[reference]])
        rows.append([*one.counts, *one.totals, one.sys_len, one.ref_len])
    return np.asarray(rows, dtype=np.float64).reshape(-1, 10)


def bleu(sums: Array) -> float:
    """Return sacreBLEU's corpus BLEU, from 0 to 1, of summed counts (10)."""
    from sacrebleu.metrics.bleu import BLEU

    numbers = [int(value) for value in sums]
    score = BLEU.compute_bleu(
        numbers[:4], numbers[4:8], numbers[8], numbers[9], smooth_method="exp"
    )
    return float(score.score) / 100


ROW_METRICS = {
    "exact_match": exact_match,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "chrf": chrf,
}
"""Metrics of one answer against its reference; higher is better."""
