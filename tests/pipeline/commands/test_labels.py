"""Labels that are written differently are one class: in rules, signals, measures and reports."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate

WRITTEN = [
    ([1, 0, 1, None], [1], "1"),
    ([1.0, 0.0, 1.0, None], ["1"], "1"),
    (["1.0", "0", "1", None], [1.0], "1"),
    ([True, False, True, None], ["TRUE"], "true"),
    (["True", "FALSE", "true", None], [True], "true"),
]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(("labels", "wanted", "text"), WRITTEN)
def test_one_rule_of_equality(labels, wanted, text, form, tmp_path: Path):
    frame = pl.DataFrame({"text": [f"text number {n}" for n in range(4)], "label": labels})
    getattr(frame, f"write_{form}")(tmp_path / f"in.{form}")
    recipe = {
        "name": "labels",
        "output": "out",
        "source": {"files": {"paths": [f"in.{form}"], "label": "label"}},
        "signals": {"chosen": {"label": {"one_of": wanted}}},
        "keep": "chosen",
        "integrity": {"rows": {"label": {"one_of": wanted}}, "labels": wanted},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    result = curate(tmp_path / "recipe.json")
    assert result.rows.kept == 2
    assert result.rows.quarantined == 1
    metrics = json.loads((result.report.parent / "metrics.json").read_text())
    assert metrics["label_precision"] == {"wanted": [text], "right": 2, "labelled": 2}


def test_every_label_of_a_row_counts_and_drift_of_writing_splits_no_class(tmp_path: Path):
    pl.DataFrame({"text": ["one", "two", "three"], "label": [["a", "b"], ["b"], []]}).write_parquet(
        tmp_path / "in.parquet"
    )
    recipe = {
        "name": "labels",
        "output": "out",
        "source": {"files": {"paths": ["in.parquet"], "label": "label"}},
        "signals": {"long": {"length": {"min": 1}}},
        "keep": "long",
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    result = curate(tmp_path / "recipe.json")
    metrics = json.loads((result.report.parent / "metrics.json").read_text())
    [counts] = metrics["profiles"]["kept"]["labels"].values()
    assert counts == {"(none)": 1, "a": 1, "b": 2}
