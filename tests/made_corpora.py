"""Made-up text with the columns of the corpora that the examples read."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl

WORDS = {
    "positive": ("lovely", "superb", "delightful", "brilliant", "warm", "charming"),
    "neutral": ("green", "square", "early", "wooden", "local", "second"),
    "negative": ("awful", "dreadful", "boring", "clumsy", "cold", "painful"),
}
RATING = {"positive": 2.5, "neutral": 0.1, "negative": -2.4}
THINGS = ("garden", "train", "story", "kitchen", "market", "concert", "letter", "morning")
PEOPLE = ("My sister", "The neighbour", "A critic", "Our teacher", "The driver", "An old friend")
DID = ("saw", "described", "remembered", "missed", "recorded", "mentioned")
ILLS = ("gout", "asthma", "measles", "anaemia", "eczema", "migraine", "scurvy", "rickets")
ASKED = (
    "What is {} ?", "What causes {} ?", "Is {} inherited ?", "Who is at risk for {} ?",
    "How to prevent {} ?", "What are the symptoms of {} ?", "What are the treatments for {} ?",
)  # fmt: skip


def write(folder: Path) -> None:
    """Write tweets, medquad, movie_reviews and gutenberg as Parquet files, the same every time."""
    tweets(240).write_parquet(folder / "tweets.parquet")
    questions().write_parquet(folder / "medquad.parquet")
    reviews(200).write_parquet(folder / "movie_reviews.parquet")
    paragraphs(80).write_parquet(folder / "gutenberg.parquet")


def sentence(mood: str, dice: random.Random) -> str:
    first, second = dice.sample(WORDS[mood], 2)
    who, did, thing = dice.choice(PEOPLE), dice.choice(DID), dice.choice(THINGS)
    return f"{who} {did} the {first} {thing} at {dice.randrange(1_000)}, {second} as ever."


def tweets(n: int) -> pl.DataFrame:
    dice, moods = random.Random(1), list(WORDS)
    rows = [moods[i % 3] for i in range(n)]
    return pl.DataFrame(
        {
            "id": [str(i) for i in range(n)],
            "rating": [RATING[mood] for mood in rows],
            "text": [sentence(mood, dice) for mood in rows],
        }
    )


def questions() -> pl.DataFrame:
    """A question of every kind about every illness in two stages; words parted by two spaces."""
    dice, rows = random.Random(2), []
    for ill in (f"{stage} {ill}" for stage in ("early", "late") for ill in ILLS):
        for i, asked in enumerate(ASKED):
            told = " ".join(sentence("neutral", dice) for _ in range(2))
            rows.append((f"{i}_QA", asked.format(ill), f"About  {ill}: {told}"))
    frame = pl.DataFrame(rows, ["source", "question", "answer"], orient="row")
    return frame.with_row_index("id").with_columns(pl.col("id").cast(pl.Int64))


def reviews(n: int) -> pl.DataFrame:
    dice = random.Random(3)
    rows = [("pos", "positive") if i % 2 else ("neg", "negative") for i in range(n)]
    texts = ["\n".join(sentence(mood, dice) for _ in range(4)) for _, mood in rows]
    ids = [f"cv{i:03}" for i in range(n)]
    return pl.DataFrame({"id": ids, "text": texts, "label": [label for label, _ in rows]})


def paragraphs(n: int) -> pl.DataFrame:
    dice = random.Random(4)
    texts = [" ".join(sentence("neutral", dice) for _ in range(3)) for _ in range(n)]
    return pl.DataFrame({"id": range(n), "book": ["made-up"] * n, "text": texts})
