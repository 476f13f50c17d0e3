from __future__ import annotations

import os
import random
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

os.environ["GX_ANALYTICS_ENABLED"] = "false"
ROWS = 20_000


@pytest.fixture(scope="session")
def frame() -> pl.DataFrame:
    """Rows with every fault that an expectation looks for, in known and seeded places."""
    rng = random.Random(7)
    words = ["shoe", "sole", "lace", "run", "fit", "soft", "stiff", "été", "naïve", "日本"]

    def text() -> str | None:
        if rng.random() < 0.05:
            return None
        found = " ".join(rng.choices(words, k=rng.randint(0, 12)))
        return found + rng.choice(["", "", "", "\n", "!", "\x07", "$5", "[x]"])

    start = datetime(2024, 1, 1)
    amounts = [rng.gauss(10, 3) if rng.random() > 0.1 else None for _ in range(ROWS)]
    return pl.DataFrame(
        {
            "row_id": [f"{i:08x}" for i in range(ROWS)],
            "text": [text() for _ in range(ROWS)],
            "label": [rng.choice(["positive", "negative", "neutral", None]) for _ in range(ROWS)],
            "stars": [rng.randint(1, 5) for _ in range(ROWS)],
            "other": [rng.randint(1, 5) for _ in range(ROWS)],
            "third": [rng.randint(1, 5) for _ in range(ROWS)],
            "amount": [a if a is None or rng.random() > 0.01 else float("nan") for a in amounts],
            "rising": [i // 3 + (5 if i % 1000 == 0 else 0) for i in range(ROWS)],
            "wanted": [rng.random() < 0.5 for _ in range(ROWS)],
            "when": [start + timedelta(minutes=rng.randint(0, 500_000)) for _ in range(ROWS)],
            "day": [rng.choice(["2024-01-05", "05/01/2024", "not a day"]) for _ in range(ROWS)],
            "json": [rng.choice(['{"a": 1}', '{"a": "x"}', "[1]"]) for _ in range(ROWS)],
            "broken": [rng.choice(['{"a": 1}', "{", ""]) for _ in range(ROWS)],
        }
    )


@pytest.fixture(scope="session")
def parquet(frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same rows as two Parquet files."""
    folder = tmp_path_factory.mktemp("parts")
    paths = [folder / f"part-{i}.parquet" for i in range(2)]
    frame.head(ROWS // 2).write_parquet(paths[0])
    frame.tail(ROWS - ROWS // 2).write_parquet(paths[1])
    return paths
