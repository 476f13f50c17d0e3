"""Every duplicate points at a row that is kept, whatever the chain, and is told by its kind."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.refresh import refresh
from siftset.pipeline.stages.dedupe import point_at_kept

RECIPE = """
name: chain
output: out
source: {{files: {{paths: [{paths}], text: text, id: id}}}}
signals: {{words: {{length: {{min: 1}}}}}}
keep: words
dedupe: {{exact: true, near: 0.7}}
refresh: {{merge: {merge}}}
"""
LONG = "the quick brown fox jumps over the lazy dog near the old river bank at noon today"


def _write(folder: Path, name: str, rows: list[tuple[str, str]]) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=["id", "text"], orient="row").write_csv(folder / name)


def _recipe(folder: Path, paths: str, merge: str) -> Path:
    (folder / "recipe.yaml").write_text(RECIPE.format(paths=paths, merge=merge), encoding="utf-8")
    return folder / "recipe.yaml"


def test_keepers_are_followed_to_the_end() -> None:
    found = pl.DataFrame(
        {"place": [4, 3, 2, 9], "keeper": [3, 2, 0, 8], "kind": ["exact", "near", "id", "near"]}
    )
    assert sorted(point_at_kept(found).select("place", "keeper").rows()) == [
        (2, 0), (3, 0), (4, 0), (9, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("merge", ["append", "upsert"])
def test_duplicates_of_duplicates_point_at_what_is_kept(tmp_path: Path, merge: str) -> None:
    near = LONG.replace("noon", "dawn")
    rows = [("a", LONG), ("b", near), ("c", near), ("d", "another text altogether"), ("e", LONG)]
    if merge == "upsert":  # its last record repeats another row
        rows = [("d", "an early text"), ("x", "one more"), *rows, ("x", LONG)]
    _write(tmp_path, "in.csv", rows)
    result = curate(_recipe(tmp_path, "in.csv", merge))
    kept = set(pl.read_parquet(tmp_path / "out/versions/0/*.parquet")["row_id"])
    folder = result.report.parent
    aside = pl.read_parquet(folder / "duplicates" / "*.parquet")
    assert set(aside["duplicate_of"]) <= kept
    metrics = read_metrics(folder / METRICS).duplicates
    counted = dict(aside["kind"].value_counts().iter_rows())
    assert (metrics.exact, metrics.near) == (counted["exact"], counted["near"])
    assert metrics.ids == counted.get("id", 0)
    groups = {(one.row_id, one.kind): one.repeats for one in metrics.groups}
    expected = aside.group_by("duplicate_of", "kind").len()
    assert groups == {(row[0], row[1]): row[2] for row in expected.iter_rows()}
    texts = dict(pl.read_parquet(tmp_path / "out/versions/0/*.parquet")["row_id", "text"].rows())
    assert all(one.text == texts[one.row_id] for one in metrics.groups)


def test_files_under_another_parent_do_not_repeat_themselves(tmp_path: Path) -> None:
    rows = [(str(i), f"text number {i % 190} of a long list of texts") for i in range(200)]
    _write(tmp_path, "in/a/x.csv", rows)
    refresh(_recipe(tmp_path, "in/a/x.csv", "append"))
    _write(tmp_path, "in/b/y.csv", [(str(1_000 + i), f"a later text {i}") for i in range(20)])
    result = refresh(_recipe(tmp_path, "in/a/x.csv, in/b/y.csv", "append"))
    aside = pl.read_parquet(result.report.parent / "duplicates" / "*.parquet")
    assert not aside.filter(pl.col("row_id") == pl.col("duplicate_of")).height
    found = read_metrics(result.report.with_name(METRICS)).duplicates
    assert (found.exact, found.ids, result.set_rows) == (10, 0, 210)
