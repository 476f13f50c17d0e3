"""What pages and the terminal show of a real run: shares, seconds, costs, and rows known before."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from siftset.pipeline.cli.summary import curate_summary
from siftset.pipeline.commands.curate import curate
from siftset.pipeline.commands.report import describe_output
from siftset.pipeline.profile.history import METRICS, read_metrics
from siftset.pipeline.reports.charts import draw_sparkline
from siftset.pipeline.reports.index import write_index
from siftset.pipeline.run import score_store
from siftset.schemas.errors import GateFailed
from siftset.schemas.results.metrics import RunMetrics

MINE = """
import time
from siftset import signal

@signal
def slow(text: str) -> bool:
    time.sleep(2e-5)
    return len(text) > 1
"""
TEXTS = [f"text number {n}" for n in range(200)]


def plain(page: str) -> str:
    """Return the words of a page, cells apart."""
    return html.unescape(re.sub(r"<[^>]+>", "|", page))


@pytest.fixture(scope="module")
def made(new_world, tmp_path_factory):
    """A first run over two files of the same texts, and one row of 400 in quarantine."""
    patch = pytest.MonkeyPatch()
    patch.setattr(score_store, "SAVES", 0.0)
    patch.setenv("SIFTSET_WORKERS", "1")
    world = new_world(
        signals={"slow": {"python": "mine.py:slow"}, "any": {"length": {"min": 1}},
                 "short": {"length": {"max": 99}}},
        keep="any & short & slow", dedupe={"exact": False}, analysis="sample", order="pinned",
        integrity={"rows": {"text": {"not_null": True}}},
    )  # fmt: skip
    (world.folder / "mine.py").write_text(MINE)
    world.texts("a", *TEXTS)
    world.texts("b", *TEXTS[:199], None)
    yield world, curate(world.path())
    patch.undo()


def read(report: Path) -> RunMetrics:
    found = read_metrics(report.with_name(METRICS))
    assert found is not None
    return found


def test_a_first_run_knows_answers_from_equal_rows_and_says_so(made) -> None:
    _, result = made
    metrics = {one.name: one for one in read(result.report).funnel.signals}
    assert (metrics["slow"].ran, metrics["slow"].cached) == (200, 199)
    said = curate_summary(result, "next")
    assert "slow: 200 rows scored, 199 known from equal rows or earlier runs" in said
    page = plain(result.report.read_text("utf-8"))
    assert "known from an earlier run or an earlier row of the same content" in page


def test_a_cost_is_of_the_rows_that_were_run_and_one_that_is_shared_is_marked(made) -> None:
    _, result = made
    funnel = read(result.report).funnel
    table = plain(result.report.read_text("utf-8")).partition("What the plan of this run asked")[2]
    for one in funnel.signals:
        row = table[table.index(f"|{one.name}|") :].partition("µs")
        cost = float(row[0].rpartition("|")[2])
        assert cost == pytest.approx(1e6 * one.seconds / one.ran, rel=0.01)
        assert row[2].startswith(" (shared)") is one.fused
    by_name = {one.name: one for one in funnel.signals}
    assert by_name["slow"].seconds / by_name["slow"].ran > 2e-5


def test_a_run_lasts_equally_long_wherever_it_is_told(made) -> None:
    world, result = made
    seconds = f"{result.seconds:.1f}"
    manifest = json.loads(result.report.with_name("manifest.json").read_text("utf-8"))
    metrics = read(result.report)
    assert manifest["seconds"] == metrics.run.seconds == round(result.seconds, 3)
    assert f"UTC, {seconds} s" in plain(result.report.read_text("utf-8"))
    assert f"; {seconds} s" in curate_summary(result, "next")
    index = plain(write_index(world.folder / "out").read_text("utf-8"))
    assert f"|{seconds}|" in index[index.index(result.run_id) :]
    assert curate(world.path()).seconds == pytest.approx(result.seconds, abs=1e-3)


def test_one_row_of_many_is_no_share_of_zero_and_all_but_one_none_of_a_hundred(made) -> None:
    _, result = made
    rows = result.rows
    assert (rows.read, rows.quarantined) == (400, 1)
    lines = [line.split() for line in curate_summary(result, "next").splitlines()]
    shares = {line[0]: line[2] for line in lines if len(line) == 3 and line[2].endswith("%")}
    assert (shares["kept"], shares["quarantined"], shares["duplicate"]) == ("99.75%", "0.25%", "0%")
    grown = replace(rows, read=4_000_000, kept=3_999_999)
    big = curate_summary(replace(result, rows=grown), "next")
    for part in ("kept", "quarantined"):
        (share,) = re.findall(rf"^  {part} +[\d,]+ +(.+%)", big, re.MULTILINE)
        assert share in ("> 99.99%", "< 0.01%")


@pytest.mark.parametrize(("below", "passes"), [(0.3, True), (0.34, False)])
def test_rows_without_a_label_are_no_label_that_is_rare(new_world, below, passes) -> None:
    world = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "label": "label"}}, analysis="sample",
        keep="long", signals={"long": {"length": {"min": 1}}},
        integrity={"thresholds": {"smallest_label_share": {"below": {"critical": below}}}},
    )  # fmt: skip
    labels = ["a"] * 6 + ["b"] * 3 + [None]
    world.write("a", [{"text": f"text {n}", "label": one} for n, one in enumerate(labels)])
    if passes:
        metrics = read(curate(world.path()).report)
        assert metrics.profiles["kept"].label_totals == {"(none)": 1, "a": 6, "b": 3}
        return
    # three of the nine rows that have a label, not one of ten
    with pytest.raises(GateFailed, match=r"smallest_label_share is 33\.33%"):
        curate(world.path())


def test_leaks_of_a_held_out_file_are_no_duplicates_across_the_split(new_world) -> None:
    world = new_world(
        analysis="sample", integrity={"held_out": "held.txt"},
        split={"train": 0.5, "validation": 0.5},
    )  # fmt: skip
    texts = [f"text number {n} of a long list" for n in range(40)]
    held = [*texts[:3], texts[7].upper()]
    (world.folder / "held.txt").write_text("\n".join(held) + "\n", "utf-8")
    world.texts("a", *texts)
    curate(world.path())
    figures = describe_output(world.path()).figures
    assert figures["equal texts in two splits"] == "0"
    assert figures["rows of held.txt in the set"] == "4 of 4"


def test_a_line_of_last_values_has_a_scale() -> None:
    assert plain(str(draw_sparkline([5, 20, 12], "rows"))).strip("|").endswith("5 to 20")
    assert "10.0% to 25.0%" in plain(str(draw_sparkline([0.25, 0.1], "share", as_share=True)))
    assert plain(str(draw_sparkline([7, 7], "rows"))).strip("|").endswith("7")


def test_quantiles_of_long_texts_are_marked_and_others_are_exact(new_world) -> None:
    world = new_world(analysis="sample", dedupe={"exact": False})
    world.texts("a", *(["x" * 16_383] * 30 + ["x" * 40_000] * 70))
    page = plain(curate(world.path()).report.read_text("utf-8"))
    cells = page[page.index("|characters, kept|") :].split("|")
    shown = [cell for cell in cells if cell.strip()][:9]
    assert [one.startswith("≈") for one in shown] == [False] * 4 + [True] * 3 + [False] * 2
    assert len(set(shown[2:4])) == 1
