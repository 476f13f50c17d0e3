"""Compare both scorers with NLTK's own analyser, bit for bit, on texts made to tell them apart."""

# ruff: noqa: RUF001  letters that look alike are what is tested

from __future__ import annotations

import random
import shutil
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from siftset.signals.kernels.compiled import has_numba
from siftset.signals.sentiment_vader.lexicon import (
    BOOSTERS,
    IDIOMS,
    NEGATIONS,
    PUNCTUATION,
    lexicon_path,
    read_lexicon,
)
from siftset.signals.sentiment_vader.scorer import VaderScorer

Oracle = Callable[[str], float]

RULE_WORDS = (
    "least at very but kind of so this never BUT at#least the#least very#least kind#of never#so "
    "never#this without#doubt sort#of just#enough Kind#Of NEVER#so good bad hate love great it was"
).split()
SPACES = [" "] * 30 + list("\t\n\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2028\u3000\u1680\u202f\u205f")
SPACES += ["  ", "\r\n", "\u200b", "\ufeff", "\u180e", ""]
MARKS = [""] * 12 + sorted(PUNCTUATION) + ["!!!!", "?????", *"()*#@/~_’…—", ".,", "!?", "'.'"]
LETTERS = (
    "É é ß İ ı \u212a ſ ñ Ω ω Σ ς ǅ Ⅷ ⓐ 😀 🔥 ❤️ 👍🏽 🅰 日本 ٣ ﬁ Ünder GRÖẞE don’t Naïve ÇA "
    "\u0301 à 𝐆𝐎𝐎𝐃 𐐀 𐐨 \u212aind goo\u212a ſo thiſ BEST n'tÉ ISN'TÉ ŉ ᾈ K'n't"
).split(" ")


@pytest.fixture(scope="session")
def nltk_compound(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return make_oracle(tmp_path_factory.mktemp("lexicon"))


def make_oracle(folder: Path) -> Oracle:
    """Give NLTK's analyser a private copy of the lexicon: it refuses shared files."""
    import nltk
    from nltk.sentiment.vader import SentimentIntensityAnalyzer

    folder.chmod(0o700)
    shutil.copyfile(lexicon_path(), folder / "vader_lexicon.txt")
    nltk.data.path.insert(0, str(folder))
    analyser = SentimentIntensityAnalyzer(lexicon_file="vader_lexicon.txt")
    return lambda text: analyser.polarity_scores(text)["compound"]


class Texts:
    """Makes texts of the words, marks, spaces and letters on which rules may differ."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.lexicon = list(read_lexicon())
        self.rules = [*NEGATIONS, *BOOSTERS, *[*IDIOMS] * 3, *RULE_WORDS * 4]
        self.rules = [word.replace("#", " ") for word in self.rules]

    def word(self) -> str:
        draw = self.draw
        kind = draw.random()
        if kind < 0.33:
            word = draw.choice(self.lexicon)
        elif kind < 0.8:
            word = draw.choice(self.rules)
        elif kind < 0.87:
            word = draw.choice(LETTERS)
        else:
            letters = string.ascii_lowercase + "ABC'-0129"
            word = "".join(draw.choice(letters) for _ in range(draw.randint(1, 7)))
        if draw.random() < 0.04:
            word += draw.choice(LETTERS)
        change = draw.choices([str.upper, str.title, str.swapcase, str], [12, 8, 3, 77])[0]
        before = draw.choice(MARKS) if draw.random() < 0.3 else ""
        after = draw.choice(MARKS) if draw.random() < 0.35 else ""
        return before + change(word) + after

    def noise(self) -> str:
        draw = self.draw
        if draw.random() < 0.5:
            parts = SPACES + MARKS + LETTERS
            return "".join(draw.choice(parts) for _ in range(draw.randint(0, 12)))
        points = (draw.randint(0, draw.choice((127, 0x2FFF))) for _ in range(draw.randint(0, 40)))
        return "".join(map(chr, points))

    def text(self) -> str:
        draw = self.draw
        if draw.random() < 0.05:
            return self.noise()
        size = draw.randint(1, 3) if draw.random() < 0.2 else draw.randint(3, 28)
        words = [self.word() for _ in range(size)]
        if draw.random() < 0.3:
            words += draw.sample(words, min(3, size))
        return "".join(word + draw.choice(SPACES) for word in words)

    def series(self, rows: int) -> pl.Series:
        texts = [None if self.draw.random() < 0.02 else self.text() for _ in range(rows)]
        return pl.Series("text", texts, pl.String)


def scorers() -> Iterator[tuple[str, Callable[[pl.Series], pl.Series]]]:
    scorer = VaderScorer()
    yield "plain", scorer.score_plain
    if has_numba():
        yield "compiled", scorer.score_compiled


def differences(texts: pl.Series, oracle: Oracle) -> list[tuple[str, str | None, float, float]]:
    """Return the texts that a scorer scores otherwise than NLTK, down to the sign of zero."""
    expected = pl.Series([None if t is None else oracle(t) for t in texts], dtype=pl.Float64)
    wanted = expected.fill_null(9.0).to_numpy().view(np.int64)
    found = []
    for name, score in scorers():
        scores = score(texts)
        bits = scores.fill_null(9.0).to_numpy().view(np.int64)
        for row in np.flatnonzero(bits != wanted).tolist():
            found.append((name, texts[row], expected[row], scores[row]))
    return found


def test_20_000_adversarial_texts(nltk_compound: Oracle) -> None:
    assert differences(Texts(1).series(20_000), nltk_compound) == []


@pytest.mark.slow
def test_adversarial_texts_of_more_seeds(
    nltk_compound: Oracle, few_or_all: Callable[[int, int], int]
) -> None:
    for seed in range(2, 2 + few_or_all(1, 10)):
        assert differences(Texts(seed).series(few_or_all(20_000, 50_000)), nltk_compound) == []


@pytest.mark.slow
def test_real_texts(
    nltk_compound: Oracle, corpora: Path, few_or_all: Callable[[int, int], int]
) -> None:
    for path in sorted(corpora.glob("*.parquet")):
        frame = pl.read_parquet(path).gather_every(few_or_all(10, 1))
        column = "text" if "text" in frame.columns else "answer"
        assert differences(frame[column].str.slice(0, 4000), nltk_compound) == []
