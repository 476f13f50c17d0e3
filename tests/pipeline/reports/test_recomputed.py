"""Every figure of metrics.json against plain Python, polars, numpy and scipy on a real corpus."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "recompute_metrics.py"


@pytest.mark.parametrize("corpus", ["sentence_polarity", "pros_cons"])
def test_every_figure_is_what_counting_again_gives(tmp_path: Path, corpora, corpus: str) -> None:
    pytest.importorskip("scipy")
    if not SCRIPT.is_file():
        pytest.skip("the benchmarks are not beside these tests")
    spec = importlib.util.spec_from_file_location("recompute_metrics", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = pl.read_parquet(corpora / f"{corpus}.parquet").sample(3_000, seed=2)
    assert list(module.recompute(tmp_path, rows)) == []
