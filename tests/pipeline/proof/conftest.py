"""A source with planted errors, whose recipe drops exactly those rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

RECIPE = """
name: planted
output: out
seed: 3
source: {files: {paths: [rows.parquet], label: label, id: id}}
signals: {fine: {number: {column: fine, min: 1}}}
keep: fine
"""
GOOD = "great superb delightful charming wonderful moving brilliant enjoyable".split()
BAD = "dreadful boring awful clumsy tedious dull weak pointless".split()
PLAIN = "film story plot acting camera music scene script cast end start middle voice set".split()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pl.DataFrame]:
    """Write rows with a share of wrong labels and a recipe that keeps the others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("siftset.trainer.models.embedded.is_fetched", lambda: False)

    def write(rows: int = 2000, wrong: float = 0.4, *, recipe: str = RECIPE) -> pl.DataFrame:
        draw = np.random.default_rng(7)
        good = draw.random(rows) < 0.5
        texts = [
            " ".join([*draw.choice(PLAIN, 6), *draw.choice(GOOD if one else BAD, 1), f"number {i}"])
            for i, one in enumerate(good)
        ]
        flipped = draw.random(rows) < wrong
        label = np.where(good ^ flipped, "pos", "neg")
        frame = pl.DataFrame(
            {"id": range(rows), "text": texts, "label": label, "fine": (~flipped).astype(int)}
        )
        frame.write_parquet("rows.parquet")
        Path("r.yaml").write_text(recipe)
        return frame

    return write
