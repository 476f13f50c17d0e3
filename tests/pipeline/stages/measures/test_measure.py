"""What a whole run measures: real text with planted faults, found, counted right and shown."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.curate import curate
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.run.context import CurateOptions
from siftset.schemas.errors import GateFailed, SignalError
from siftset.schemas.results.metrics import RunMetrics

RECIPE = """
name: {name}
output: out
seed: 1
source:
  - files: {{paths: [a.jsonl], text: text, label: label, id: id}}
  - files: {{name: second, paths: [b.jsonl], text: text, label: label, id: id}}
signals:
  words: {{length: {{min: 1}}}}
  never: {{keyword: {{words: [zzzqqq]}}}}
keep: words & ~never
integrity:
  rows: {{text: {{not_null: true, not_blank: true, max_chars: 5000}}}}
  labels: [pro]
  held_out: held.csv
  metrics: {{upper: mine.py:upper}}
  thresholds: {{upper: {{warning: 0.0}}}}
split: {{column: part}}
"""
MINE = """
import polars as pl

def upper(rows):
    text = pl.col("text")
    return rows.select((text == text.str.to_uppercase()).mean()).collect().item()

def text(rows):
    return "many"
"""


def _plant(folder: Path, corpora: Path) -> None:
    """Write two sources of real text in which every fault is counted."""
    rows = pl.read_parquet(corpora / "pros_cons.parquet").unique("text", maintain_order=True)
    folded = pl.col("text").str.to_lowercase().str.replace_all(r"[^\w]+", " ").str.strip_chars()
    # Only plain texts, so that what is planted below is all there is.
    clean = rows.filter(pl.col("text").str.contains(r"^[A-Za-z ,.]{30,}$")).unique(folded)
    texts = clean.sort("id").head(3_000)["text"].to_list()
    train = [{"text": text, "label": "pro", "part": "train"} for text in texts[:2_000]]
    train += [
        {"text": "Stra\u00c3\u0178e " + t, "label": "pro", "part": "train"}
        for t in texts[2_000:2_011]
    ]
    train += [
        {"text": t.replace("e", "\ufffd", 1), "label": "con", "part": "train"}
        for t in texts[2_011:2_018]
    ]
    train += [{"text": text, "label": "pro", "part": "train"} for text in texts[:50]]
    train += [{"text": None, "label": "pro", "part": "train"}] * 13
    train += [{"text": " \t ", "label": "pro", "part": "train"}] * 5
    train += [{"text": "long " * 1_200, "label": "pro", "part": "train"}] * 3
    held = [{"text": text, "label": "con", "part": "validation"} for text in texts[2_018:2_200]]
    held += [{"text": t.upper() + "!", "label": "con", "part": "validation"} for t in texts[:9]]
    _write(folder / "a.jsonl", train, 0)
    _write(folder / "b.jsonl", held, 10_000)
    pl.DataFrame({"text": [*texts[100:104], *texts[2_500:2_540]]}).write_csv(folder / "held.csv")
    (folder / "mine.py").write_text(MINE, encoding="utf-8")


def _write(path: Path, rows: list[dict], start: int) -> None:
    lines = [json.dumps({"id": start + i, **row}) for i, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpora) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    _plant(folder, corpora)
    (folder / "recipe.yaml").write_text(RECIPE.format(name="planted"), encoding="utf-8")
    curate(folder / "recipe.yaml")
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path) -> RunMetrics:
    (path,) = (folder / "out" / "runs").glob("*/metrics.json")
    return RunMetrics.model_validate_json(path.read_bytes())


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    (path,) = (folder / "out" / "runs").glob("*/report.html")
    return path.read_text(encoding="utf-8")


def test_the_balance_holds_every_planted_row(measured: RunMetrics, shown: str) -> None:
    rows = measured.rows
    assert (rows.read, rows.quarantined, rows.duplicate) == (2_280, 21, 50)
    assert rows.kept == 2_209
    assert "2,280 read = kept 2,209 + rejected 0 + duplicate 50 + quarantined 21" in shown


def test_an_idle_signal_is_named(measured: RunMetrics, shown: str) -> None:
    out = {one.signal: (one.removed, one.added) for one in measured.funnel.leave_one_out}
    assert out == {"words": (0, 0), "never": (0, 0)}
    assert "signal removes nothing (leave-one-out: 0 of 2,280 rows)" in shown


def test_row_rules_count_what_they_quarantined(measured: RunMetrics) -> None:
    rules = {one.name: one.failed for one in measured.checks if one.stage == "row rules"}
    assert rules == {"not_null": 13, "not_blank": 5, "max_chars": 3}


def test_row_rules_show_rows_that_fail_them(measured: RunMetrics, folder: Path) -> None:
    shown = {one.name: one.examples for one in measured.checks if one.stage == "row rules"}
    assert {name: len(examples) for name, examples in shown.items()} == {
        "not_null": 5, "not_blank": 5, "max_chars": 3,
    }  # fmt: skip
    assert {one.value for one in shown["not_null"]} == {None}
    place = folder / "out" / "runs" / measured.run.run_id / "quarantine"
    aside = pl.read_parquet(place / "*.parquet").filter(
        pl.col("_reasons").list.contains(shown["max_chars"][0].reason)
    )
    assert {one.row_id for one in shown["max_chars"]} == set(aside["row_id"])
    assert all(one.value and len(one.value) == 160 for one in shown["max_chars"])


def test_missing_values_of_the_input_are_counted(measured: RunMetrics) -> None:
    (text,) = [one for one in measured.profiles["input"].columns if one.name == "text"]
    assert (text.null, text.empty, text.blank) == (13, 0, 5)


def test_encoding_faults_are_counted_exactly(measured: RunMetrics, shown: str) -> None:
    found = measured.profiles["kept"].encoding
    assert (found["mojibake"], found["replacement"]) == (11, 7)
    assert "11 of 2,209 kept texts hold signs of text decoded twice" in shown


def test_labels_are_balanced_by_source(measured: RunMetrics, shown: str) -> None:
    labels = measured.profiles["kept"].labels
    assert {name: dict(found) for name, found in labels.items()} == {
        "a.jsonl": {"pro": 2_011, "con": 7},
        "b.jsonl": {"con": 191},
    }
    assert measured.label_precision.right == 2_011
    assert "198 of 2,209 labelled rows kept are not pro" in shown
    assert len(measured.samples["mislabelled"]) == 12


def test_leaks_are_counted_by_kind(measured: RunMetrics, shown: str) -> None:
    found = {(leak.kind, leak.left): leak.rows for leak in measured.leakage}
    assert found["exact", "validation"] == 0
    assert found["normalised", "validation"] == 9
    assert found["exact", "held.csv"] == 4
    assert found["any", "held.csv"] >= max(
        rows for (kind, left), rows in found.items() if left == "held.csv" and kind != "any"
    )
    assert "9 of 191 rows of validation are also in train (normalised 9" in shown


def test_duplicates_and_scripts_are_measured(measured: RunMetrics) -> None:
    assert (measured.duplicates.exact, measured.duplicates.rows) == (50, 2_259)
    assert all(group.repeats == 1 for group in measured.duplicates.groups)
    assert measured.profiles["kept"].scripts == {"Latin": 2_209}


def test_own_metrics_are_limited_by_thresholds(measured: RunMetrics, folder: Path) -> None:
    (check,) = [one for one in measured.checks if one.name == "upper"]
    assert check.observed == pytest.approx(measured.custom["upper"])
    assert not check.passed
    assert measured.verdict == "warn"
    named = ["integrity.thresholds={}", "integrity.metrics={upper: mine.py:text}"]
    with pytest.raises(SignalError, match=r"integrity\.metrics\.upper: expected a finite number"):
        curate(folder / "recipe.yaml", overrides=named)


def test_a_critical_limit_leaves_the_published_version_untouched(folder: Path) -> None:
    before = sorted(p.name for p in (folder / "out" / "versions").iterdir())
    limits = "integrity.thresholds={mojibake_share: {critical: 0.001}}"
    with pytest.raises(GateFailed, match="mojibake_share"):
        curate(folder / "recipe.yaml", overrides=[limits])
    assert sorted(p.name for p in (folder / "out" / "versions").iterdir()) == before


def test_drift_against_the_last_version_is_shown(folder: Path) -> None:
    result = curate(folder / "recipe.yaml", overrides=["keep=words & never.fill(False) | words"])
    metrics = RunMetrics.model_validate_json((result.report.parent / "metrics.json").read_bytes())
    assert metrics.drift
    assert {one.level for one in metrics.drift} == {"pass"}
    rows = (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    half = [line for i, line in enumerate(rows) if i % 2 or '"con"' in line]
    (folder / "a.jsonl").write_text("\n".join(half) + "\n", encoding="utf-8")
    later = curate(folder / "recipe.yaml")
    moved = RunMetrics.model_validate_json((later.report.parent / "metrics.json").read_bytes())
    labels = [one for one in moved.drift if one.key == "label_js"]
    assert labels[0].value > 0.02
    assert "Jensen-Shannon distance of labels" in later.report.read_text(encoding="utf-8")


def test_the_page_of_hostile_data_runs_nothing(tmp_path: Path, payloads, browser) -> None:
    rows = [
        {"id": f"{i}{p}", "text": f"{p} text", "label": p, "part": "train", p[:40] or "x": p}
        for i, p in enumerate(payloads)
        if "\ud800" not in p
    ]
    _write_plain(tmp_path / "<img src=x onerror=document.title='owned'>.jsonl", rows)
    recipe = RECIPE.format(name="hostile").split("signals:")[0].split("  - files")[0]
    body = (
        recipe + "  files: {paths: ['*.jsonl'], text: text, label: label, id: id}\n"
        "signals: {a: {keyword: {words: ['<script>', 'text']}}}\nkeep: a\n"
    )
    (tmp_path / "recipe.yaml").write_text(body, encoding="utf-8")
    result = curate(tmp_path / "recipe.yaml")
    for page in (result.report, write_index(tmp_path / "out")):
        browser.requests()
        browser.complaints()
        browser.open(page)
        assert browser.requests() == [page.resolve().as_uri()]
        assert browser.complaints() == []
        assert browser.driver.title != "owned"


def _write_plain(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_preview_of_some_rows_is_not_held_against_the_number_of_all(new_world) -> None:
    world = new_world(analysis="sample")
    world.texts("a", *(f"the text number {number}" for number in range(20)))
    curate(world.path())
    for options, expected in (
        (CurateOptions(limit=2), set()),
        (CurateOptions(sample=2), set()),
        (CurateOptions(dry_run=True), {"rows"}),
    ):
        done = curate(world.path(), options=options)
        found = read_metrics(done.output / "preview" / METRICS)
        assert found is not None
        assert {one.key for one in found.drift} == expected
