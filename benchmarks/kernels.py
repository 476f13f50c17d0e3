"""Measure the kernels of signals against what they replace, in one interleaved run.

python benchmarks/kernels.py [--corpora ../shared/corpora] [--rounds 5] [--only sentiment,near]

Each round times every contender on the same rows, in CPU seconds of the process; reported are the
median rate and the ratio of medians. Answers are compared: a difference ends the run. Without the
corpora folder the rows are template sentences, and the output says so.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
from corpus import SNIPPETS, snippets  # noqa: E402

from siftset.signals.builtin.keyword import normalise_entries, write_alternation  # noqa: E402
from siftset.signals.kernels.compiled import BreakEven, has_numba  # noqa: E402
from siftset.signals.near_duplicates.finder import NearDuplicates  # noqa: E402
from siftset.signals.sentiment_vader.lexicon import lexicon_path  # noqa: E402
from siftset.signals.sentiment_vader.scorer import VaderScorer  # noqa: E402
from siftset.signals.words.wordset import WordSet  # noqa: E402

Work = Callable[[pl.Series], pl.Series]


def rows_of(corpora: Path, least_bytes: int) -> pl.Series:
    """Return distinct sentences of some length, so that the mean is near 89 bytes a row."""
    import numpy as np

    texts = pl.Series("text", snippets(corpora, np.random.default_rng(7))).unique(
        maintain_order=True
    )
    return texts.filter(texts.str.len_bytes() >= least_bytes).sample(
        fraction=1.0, shuffle=True, seed=7
    )


def compare(
    title: str, texts: pl.Series, contenders: dict[str, tuple[Work, int]], rounds: int
) -> None:
    """Time each contender on its first so many rows; the first one is the measure."""
    print(f"\n{title}: {len(texts):,} rows, {texts.str.len_bytes().mean():.0f} bytes a row")
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    answers: dict[str, pl.Series] = {}
    for work, _ in contenders.values():
        work(texts[:50])  # compiled, loaded, compared to nothing yet
    for _ in range(rounds):
        for name, (work, rows) in contenders.items():
            part = texts[:rows]
            began = time.process_time()
            answers[name] = work(part)
            rates[name].append(len(part) / (time.process_time() - began))
    first, *others = contenders
    base = statistics.median(rates[first])
    print(f"  {first:34} {base:12,.0f} rows/CPU s")
    for name in others:
        rate = statistics.median(rates[name])
        size = min(len(answers[first]), len(answers[name]))
        same = answers[first][:size].equals(answers[name][:size])
        print(f"  {name:34} {rate:12,.0f} rows/CPU s  {rate / base:8.1f}x  equal: {same}")
        if not same:
            sys.exit(f"{name} and {first} differ")


def sentiment(texts: pl.Series, rounds: int) -> None:
    import nltk
    from nltk.sentiment.vader import SentimentIntensityAnalyzer

    folder = Path(tempfile.mkdtemp())  # a private copy: NLTK refuses files that others can write
    shutil.copyfile(lexicon_path(), folder / "vader_lexicon.txt")
    nltk.data.path.insert(0, str(folder))
    analyser = SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")
    scorer = VaderScorer()

    def by_nltk(part: pl.Series) -> pl.Series:
        scores = [analyser.polarity_scores(text)["compound"] for text in part]
        return pl.Series("text", scores, pl.Float64)

    contenders: dict[str, tuple[Work, int]] = {"NLTK": (by_nltk, 4000)}
    contenders["plain Python"] = (scorer.score_plain, 40_000)
    if has_numba():
        contenders["kernel"] = (scorer.score_compiled, len(texts))
    compare("sentiment", texts, contenders, rounds)
    shutil.rmtree(folder)


def word_lists(texts: pl.Series) -> dict[str, list[str]]:
    """Make lists of words that occur in the texts, from common to rare, and of phrases."""
    found = texts.str.to_lowercase().str.extract_all(r"[a-z]{3,}").explode()
    counted = found.value_counts(sort=True).sort("count", "text", descending=True)["text"]
    draw = random.Random(5)
    known = counted.to_list()
    pairs = [f"{draw.choice(known)} {draw.choice(known)}" for _ in range(2500)]
    return {
        "5,000 words, any": draw.sample(known, 5000),
        "5,000 words, rare": known[-5000:],
        "5,000 words, half of them phrases": [*draw.sample(known, 2500), *pairs],
        "200 words, rare": known[-200:],
        "60 words, rare": known[-60:],
    }


def words(texts: pl.Series, rounds: int) -> None:
    for title, entries in word_lists(texts).items():
        pattern = write_alternation(
            normalise_entries(tuple(entries), case=False), match="word", case=False
        )
        plain, fast = WordSet(entries), WordSet(entries)
        plain._break_even = BreakEven("find_entries", load=2**62, compile=2**62)
        fast._break_even = BreakEven("find_entries", load=0, compile=0)
        rows = 1000 if "phrases" in title else 20_000
        contenders: dict[str, tuple[Work, int]] = {
            "polars alternation": (lambda part, p=pattern: part.str.contains(p), rows),
            "plain Python": (plain.find_hits, 20_000),
        }
        if has_numba():
            contenders["kernel"] = (fast.find_hits, len(texts))
        compare(title, texts, contenders, rounds)


def near(texts: pl.Series, rounds: int) -> None:
    """Time the search, then count recall and precision on edits against all kept rows."""
    part = texts[:30_000]
    contenders: dict[str, tuple[Work, int]] = {
        "plain, numpy": (lambda p: NearDuplicates(0.8, use_numba=False).add(p), len(part))
    }
    if has_numba():
        contenders["kernel"] = (lambda p: NearDuplicates(0.8).add(p), len(part))
    compare("near duplicates at 0.8", part, contenders, rounds)
    judge = load_test("test_near")
    edits = judge.edited(texts.filter(texts.str.len_bytes() > 80)[:4000].to_list(), 20_000, 4)
    for threshold in judge.THRESHOLDS:
        found = NearDuplicates(threshold).add(pl.Series(edits)).to_list()
        right, wrong, missed = judge.judge(edits, found, threshold)
        print(
            f"  threshold {threshold}: {right + wrong:,} found of {len(edits):,} edited texts, "
            f"precision {right / (right + wrong):.4f}, recall {right / (right + missed):.4f}"
        )


def load_test(name: str):
    """Load a test's module, which has the ground truth."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, HERE.parent / f"tests/signals/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=HERE.parents[1] / "shared" / "corpora")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="sentiment,words,near")
    given = parser.parse_args()
    texts = rows_of(given.corpora, 25)
    print(f"rows: sentences of {', '.join(SNIPPETS)}")
    for name in given.only.split(","):
        {"sentiment": sentiment, "words": words, "near": near}[name](texts, given.rounds)


if __name__ == "__main__":
    main()
