"""A finding is told once, says what is new, and tables leave out what is not there."""

from __future__ import annotations

import re

from siftset.pipeline.reports.run import find_statements, run_report
from siftset.pipeline.storage.atomic_files import atomic_write
from siftset.pipeline.storage.catalog import read_catalog
from siftset.schemas.results.metrics import Drift, Leak, RunMetrics, Sample


def _drift(key: str, name: str, level: str = "warn") -> Drift:
    limits = "0.1 warning"
    return Drift(key=key, name=name, against="version 3", value=0.3, limits=limits, level=level)


DRIFT = (
    _drift("length_psi", "PSI of the length in characters, 10 bins (medians)"),
    _drift("length_emd", "Earth mover's distance of the length in words, in medians"),
    _drift("label_js", "Jensen-Shannon distance of labels (11.9% of rows differ)"),
    _drift("topic", "Words that came up (film, movie)"),
    _drift("popularity", "Popularity: Gini index of word counts, change", "pass"),
)


def _with(metrics: RunMetrics, **update) -> RunMetrics:
    return metrics.model_copy(update=update)


def test_drift_from_one_population_is_one_finding(metrics: RunMetrics) -> None:
    said = [one for one in find_statements(_with(metrics, drift=DRIFT)) if one.part == "drift"]
    claims = [one.claim for one in said if one.about]
    assert claims == [
        "4 of 5 measures of drift against version 3 are above their limits: lengths, "
        "labels (11.9% of rows differ), topics (film, movie)."
    ]
    (alone,) = find_statements(_with(metrics, drift=DRIFT[3:], alerts=()))[-1:]
    assert alone.claim == "Words that came up (film, movie): 0.3 against version 3."


def test_a_report_marks_what_the_version_before_had_not(metrics: RunMetrics) -> None:
    run = metrics.run.model_copy(update={"version": 3})
    rows = metrics.rows.model_copy(update={"unknown": 3})
    before = _with(metrics, run=run, rows=rows, drift=DRIFT, alerts=(), leakage=())
    page = run_report(_with(metrics, drift=()), [before])
    top = page[: page.index('id="balance"')]
    new = re.findall(r'<li class="brief">(?:(?!</li>).)*pill new', top)
    assert len(new) == 2  # leakage and the alert; figures that moved are no news
    assert "2 new since version 3" in top
    gone = top[top.index("Gone since version 3: 1 finding<") :]
    assert "4 of 5 measures of drift" in gone
    assert "new since" not in run_report(metrics)


def test_each_pair_of_splits_is_one_line(metrics: RunMetrics) -> None:
    leaks = [
        Leak(kind=kind, left=left, right="train", rows=rows, of=90)
        for left, found in (("validation", (0, 4)), ("test", (0, 0)))
        for kind, rows in zip(("exact", "near"), found, strict=True)
    ]
    page = run_report(_with(metrics, leakage=tuple(leaks)))
    part = page[page.index('id="leakage"') : page.index('id="drift"')]
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>(.*?)</tr>", part)]
    assert rows == [
        ["Rows", "of", "Exact", "Near"],
        ["leaks", "validation", "in", "train", "0", "4.4%", "(4", "of", "90)"],
        ["clean", "test", "in", "train", "0", "0"],
    ]


def test_what_no_text_holds_and_no_column_lacks_is_a_line(metrics: RunMetrics) -> None:
    page = run_report(metrics)
    part = page[page.index('id="columns"') : page.index('id="duplicates"')]
    assert len(re.findall("<tr>", part)) == 3  # the heading, the text as it came in and as kept
    assert "Without null, empty or blank values: <code>label</code>." in part
    part = page[page.index('id="encoding"') : page.index('id="languages"')]
    assert "control characters; " in part[part.index("Found in no text: ") :]


def test_samples_without_a_text_stand_together(metrics: RunMetrics) -> None:
    blank = [
        Sample(row_id=f"{i:032x}", text=" ", why="text: blank", where=f"a:{i}") for i in range(9)
    ]
    again = Sample(row_id="f" * 32, text="a text", why=f"repeats {'0a' * 16}", where="a:1")
    page = run_report(_with(metrics, samples={"quarantined": tuple(blank), "duplicate": (again,)}))
    part = page[page.index('id="samples"') : page.index('id="links"')]
    assert part.count('class="sample"') == 2
    assert "a:8" in part
    assert "repeats 0a0a0a0a0a0a ·" in part


def test_the_index_knows_all_that_the_latest_run_found(metrics: RunMetrics, tmp_path) -> None:
    for version in (1, 2):
        run = metrics.run.model_copy(update={"run_id": f"run-{version}", "version": version})
        path = tmp_path / "runs" / run.run_id / "metrics.json"
        path.parent.mkdir(parents=True)
        with atomic_write(path) as draft:
            draft.write_text(_with(metrics, run=run).model_dump_json(), encoding="utf-8")
    first, last = read_catalog(tmp_path).runs
    assert find_statements(last.metrics) == find_statements(_with(metrics, run=run))
    assert first.metrics.checks == ()  # an overview costs little, however many runs there are
