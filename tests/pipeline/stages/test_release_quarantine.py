"""Quarantined rows that were fixed go back into the set, once, and stay in force."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.gate.quarantine import read_quarantine
from siftset.pipeline.run.context import CurateOptions
from siftset.pipeline.storage.table import Store
from siftset.schemas.errors import GateFailed, SiftsetError, SourceError
from siftset.schemas.results.summary import CurateResult

RECIPE = """
name: shoes
output: out
source: {files: {paths: [a.csv], text: review, label: stars}}
signals: {shoes: {keyword: {words: [shoes]}}}
keep: shoes
integrity: {rows: {text: {not_null: true, max_chars: 40}}}
"""
ROWS = """review,stars
I love these shoes,5
,3
bad shoes,1
"these shoes are so long that the rule sets the text aside",2
,4
I love  these shoes,5
"""
RELEASE = CurateOptions(release_quarantine=True)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path / "recipe.yaml"


def fix_rows(result: CurateResult, changes: dict[str | None, str]) -> Path:
    """Write other texts into the quarantine of a run, as its user would."""
    (path,) = (result.report.parent / "quarantine").glob("*.parquet")
    frame = pl.read_parquet(path)
    texts = [changes.get(text, text) for text in frame["text"]]
    frame.with_columns(text=pl.Series(texts, dtype=pl.String)).write_parquet(path)
    return path


def kept(recipe: Path) -> list[str]:
    return Store(recipe.parent / "out").scan().collect()["text"].sort().to_list()


LONG = "these shoes are so long that the rule sets the text aside"


def test_a_mended_row_is_kept_and_the_balance_holds(recipe: Path) -> None:
    before = curate(recipe)
    assert (before.rows.kept, before.rows.quarantined) == (2, 3)
    fix_rows(before, {LONG: "long shoes"})
    after = curate(recipe, options=RELEASE)
    after.rows.check()
    assert (after.version, after.rows.kept, after.rows.quarantined) == (1, 3, 2)
    assert kept(recipe) == ["I love these shoes", "bad shoes", "long shoes"]
    row = Store(after.output).scan().filter(text="long shoes").collect()
    assert row["source"].to_list() == [{"file": "a.csv", "record": 3}]
    assert "fixed rows" in after.report.read_text(encoding="utf-8")


def test_no_row_is_released_twice(recipe: Path) -> None:
    path = fix_rows(curate(recipe), {LONG: "long shoes"})
    first = curate(recipe, options=RELEASE)
    again = curate(recipe, options=CurateOptions(release_quarantine=True, fixed=path))
    assert (first.new, again.new, again.version) == (True, False, 1)
    assert not curate(recipe, options=RELEASE).new


def test_a_mended_row_outlives_later_runs_until_its_record_changes(recipe: Path) -> None:
    fix_rows(curate(recipe), {LONG: "long shoes"})
    curate(recipe, options=RELEASE)
    assert not curate(recipe).new
    source = recipe.parent / "a.csv"
    source.write_text(ROWS + "more shoes,5\n", encoding="utf-8")
    assert curate(recipe).rows.quarantined == 2
    assert "long shoes" in kept(recipe)
    source.write_text(ROWS.replace(LONG, "these other shoes"), encoding="utf-8")
    curate(recipe)
    assert "long shoes" not in kept(recipe)


def test_a_record_with_an_id_counts_as_changed_too(recipe: Path) -> None:
    source = recipe.parent / "a.csv"
    source.write_text(f"review,stars\n,1\n{LONG},2\n", encoding="utf-8")
    text = RECIPE.replace("label: stars", "id: stars")
    recipe.write_text(text, encoding="utf-8")
    first = curate(recipe, overrides=["allow_empty=true"])
    fix_rows(first, {LONG: "long shoes", None: "shoes"})
    curate(recipe, options=RELEASE)
    assert kept(recipe) == ["long shoes", "shoes"]
    source.write_text("review,stars\n,1\ntheir own shoes,2\n", encoding="utf-8")
    curate(recipe)
    assert kept(recipe) == ["shoes", "their own shoes"]


def test_rows_that_still_break_a_rule_stay_in_quarantine(recipe: Path) -> None:
    said: list[str] = []
    fix_rows(curate(recipe), {LONG: LONG + "!"})
    result = curate(recipe, options=RELEASE, progress=_Heard(said))
    assert (result.new, result.rows.quarantined) == (False, 3)
    assert said == [
        "0 of 3 quarantined rows released: 2 are unchanged, 1 still break a rule, "
        "0 are not records of the source"
    ]


def test_a_refused_release_leaves_no_mended_row(recipe: Path) -> None:
    fix_rows(curate(recipe), {LONG: "long shoes"})
    limit = ["integrity.thresholds={quarantined_share: {critical: 0.0}}"]
    with pytest.raises(GateFailed, match="quarantined_share"):
        curate(recipe, options=RELEASE, overrides=limit)
    assert kept(recipe) == ["I love these shoes", "bad shoes"]
    assert not (recipe.parent / "out" / "mended.parquet").exists()
    assert not curate(recipe).new


def test_a_preview_of_a_release_publishes_nothing(recipe: Path) -> None:
    fix_rows(curate(recipe), {LONG: "long shoes"})
    options = CurateOptions(release_quarantine=True, dry_run=True)
    assert curate(recipe, options=options).rows.kept == 3
    assert not curate(recipe).new


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CurateOptions(release_quarantine=True), "holds no run"),
        (CurateOptions(release_quarantine=True, fixed=Path("none")), "none holds no Parquet"),
        (CurateOptions(release_quarantine=True, limit=2), "needs the whole source"),
    ],
)
def test_what_cannot_be_released_says_so(recipe: Path, options, message: str) -> None:
    with pytest.raises(SiftsetError, match=message):
        curate(recipe, options=options)


def test_rows_of_another_source_and_two_ways_to_mend_one_are_named(recipe: Path) -> None:
    path = fix_rows(curate(recipe), {LONG: "long shoes"})
    rows = pl.read_parquet(path)
    options = CurateOptions(release_quarantine=True, fixed=path)
    rows.with_columns(row_id=pl.lit("0" * 32)).unique("row_id").write_parquet(path)
    with pytest.raises(SourceError, match="no quarantined row of 1 is in the source"):
        curate(recipe, options=options)
    pl.concat([rows, rows.with_columns(text=pl.lit("x"))]).write_parquet(path)
    with pytest.raises(SourceError, match="is fixed in two ways"):
        curate(recipe, options=options)
    rows.with_columns(label=pl.lit("five")).write_parquet(path)
    with pytest.raises(SourceError, match="'label' holds String, but the source has Int64"):
        curate(recipe, options=options)


def test_columns_come_back_from_the_types_that_a_set_holds(tmp_path: Path) -> None:
    path = tmp_path / "q.parquet"
    stored = pl.DataFrame({"n": ["7"], "kind": ["a"]}, schema={"n": pl.Decimal(20, 0),
                                                              "kind": pl.String})  # fmt: skip
    stored.write_parquet(path)
    wanted = pl.Schema({"n": pl.UInt64(), "kind": pl.Categorical()})
    assert read_quarantine([path], wanted).collect().schema == wanted


class _Heard:
    def __init__(self, said: list[str]) -> None:
        self._said = said

    def say(self, line: str) -> None:
        self._said.append(line)

    def stage(self, label, total=None):
        from siftset.schemas.progress import Silent

        return Silent().stage(label, total)
