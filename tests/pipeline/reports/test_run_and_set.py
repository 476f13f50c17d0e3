"""After a refresh that reads what is new, figures of the run and of the set stay apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from siftset.pipeline.commands.report import describe_output
from siftset.pipeline.profile.history import METRICS, find_alerts, like_runs, read_history
from siftset.pipeline.profile.state import ProfileState
from siftset.pipeline.refresh import refresh
from siftset.pipeline.reports.index import write_index
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import RunMetrics
from siftset.schemas.results.summary import CurateResult

RECIPE = """
name: reviews
output: out
source: {files: {paths: ["in/*.csv"], text: text, label: label, id: id}}
signals: {words: {length: {min: 1}}}
keep: words
integrity: {labels: [pos]}
"""


def _write(path: Path, start: int, rows: int, positive: int) -> None:
    labels = ["pos"] * positive + ["neg"] * (rows - positive)
    texts = [f"review number {start + i} of a long list" for i in range(rows)]
    frame = pl.DataFrame({"id": range(start, start + rows), "text": texts, "label": labels})
    path.parent.mkdir(exist_ok=True)
    frame.write_csv(path)


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> tuple[Path, list[CurateResult]]:
    folder = tmp_path_factory.mktemp("days")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    made = []
    for day, (rows, positive) in enumerate([(600, 400), (40, 40), (60, 60)]):
        _write(folder / "in" / f"day{day}.csv", 1_000 * day, rows, positive)
        made.append(refresh(folder / "recipe.yaml"))
    return folder, made


def _metrics(result: CurateResult) -> RunMetrics:
    return RunMetrics.model_validate_json(result.report.with_name(METRICS).read_bytes())


def test_label_precision_is_told_of_the_new_rows_and_of_the_set(days) -> None:
    folder, made = days
    last = _metrics(made[-1])
    assert last.run.incremental
    assert not _metrics(made[0]).run.incremental
    of_run, of_set = last.label_precision, last.set_label_precision
    labels = pl.concat([pl.read_csv(p) for p in sorted((folder / "in").glob("*.csv"))])["label"]
    assert (of_run.right, of_run.labelled) == (60, 60)
    assert (of_set.right, of_set.labelled) == ((labels == "pos").sum(), len(labels)) == (500, 700)


def test_the_index_shows_the_rows_of_each_version(days) -> None:
    folder, _ = days
    page = write_index(folder / "out").read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "", page[page.index('id="versions"') :])
    for rows, share in (("700", "71.4% (500 of 700)"), ("600", "66.7% (400 of 600)")):
        assert f"{rows}train" in shown
        assert share in shown
    assert "(60 of 60)" not in shown
    trends = re.sub(r"<[^>]+>", "|", page[page.index('id="trends"') : page.index('id="runs"')])
    assert "Of the set" in trends
    assert "Of what was new in each run" in trends
    assert "71.4%" in trends


def test_report_says_whose_rows_it_counts(days) -> None:
    folder, _ = days
    figures = describe_output(folder / "recipe.yaml").figures
    assert figures["rows in version 2"] == "700"
    assert figures["labelled pos"] == "71.4% (500 of 700 labelled rows)"
    assert figures["kept by its run"] == "60 of 60 new rows read"


def test_splits_come_in_one_order(days) -> None:
    for result in days[1]:
        assert list(result.splits) == [split for split in SPLITS if split in result.splits]


def test_report_warns_as_its_run_did(days) -> None:
    folder, made = days
    found = describe_output(folder / "recipe.yaml")
    assert made[-1].notes
    assert set(made[-1].notes) == set(found.notes)
    assert [line for line in found.lines() if line.startswith("  note ")] == [
        f"  note      {note}" for note in found.notes
    ]


def test_runs_of_new_rows_are_held_against_each_other_only(days) -> None:
    folder, made = days
    history = read_history(folder / "out")
    last = history[-1]
    assert [one.run.version for one in like_runs(last, history)] == [1, 2]
    assert [one.run.version for one in like_runs(history[0], history)] == [0]
    facts = last.run.model_copy(update={"incremental": False, "command": "curate"})
    rows = last.rows.model_copy(update={"kept": 30})
    whole = [last.model_copy(update={"run": facts, "rows": rows})] * 6
    assert find_alerts(last, whole) == ()
    page = made[-1].report.read_text(encoding="utf-8")
    assert "The last 2 runs that read what was new" in page
    assert "new rows kept by this run" in page


def test_one_run_lasts_as_long_wherever_it_is_told(days) -> None:
    for result in days[1]:
        manifest = json.loads((result.report.parent / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["seconds"] == _metrics(result).run.seconds == result.seconds


def test_the_profile_of_a_set_holds_the_rows_of_the_set_alone(new_world) -> None:
    """Rows that leave, come back as keepers or are replaced count as one full run counts them."""

    def profile(output: Path) -> ProfileState:
        (last,) = sorted(output.glob("runs/*/profile.json"))[-1:]
        return ProfileState.model_validate_json(last.read_bytes())

    world = new_world(
        source={"files": {"paths": ["in/*.jsonl"], "label": "label"}},
        refresh={"removed": "delete"},
        analysis="sample",
    )
    rows = [{"text": f"text of number {n} " + "more " * n, "label": "ab"[n % 2]} for n in range(9)]
    world.write("a", rows[:4])
    world.write("b", [*rows[2:7], {"text": "bad text", "label": "c"}])
    world.refresh()
    for name, now in (("a", rows[:1]), ("c", rows[5:]), ("b", None), ("d", rows[8:])):
        world.remove(name) if now is None else world.write(name, now)
        world.refresh()
        world.full()
        found = profile(world.folder / "out")
        expected = profile(max((world.folder / "full").iterdir(), key=lambda path: path.name))
        assert found.rows == world.set().height
        assert found.label_totals == expected.label_totals
        assert found.columns == expected.columns
        assert (found.chars, found.words) == (expected.chars, expected.words)
        assert found.vocabulary.words() == expected.vocabulary.words()
