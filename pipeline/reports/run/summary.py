"""Part 1, the verdict, and part 13, the links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from siftset.pipeline.profile.history import like_runs
from siftset.pipeline.profile.shares import format_percent
from siftset.pipeline.reports.charts import draw_sparkline
from siftset.pipeline.reports.markup import Child, Markup, h, link_file
from siftset.pipeline.reports.page import (
    Header,
    PagePart,
    TableColumn,
    call_out,
    draw_table,
    label_status,
    list_facts,
    list_statement,
    note_absence,
    set_prose,
    show_figures,
)
from siftset.pipeline.reports.run.findings import find_statements
from siftset.pipeline.reports.run.statement import ReportFinding, rank_statements
from siftset.schemas.plurals import format_count
from siftset.schemas.results.columns import SPLITS
from siftset.schemas.results.metrics import Input, RunMetrics

_MOST_FINDINGS, _MOST_LISTED = 12, 100
_MOST_INPUTS = 50

VERDICTS = {
    "pass": "Passed",
    "warn": "Passed with warnings",
    "fail": "Failed: nothing was published",
}


def order_splits(splits: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the rows of each split: training, validation and test first, then others."""
    known = [name for name in SPLITS if name in splits]
    return [(name, splits[name]) for name in dict.fromkeys([*known, *splits])]


def run_header(metrics: RunMetrics, found: tuple[ReportFinding, ...]) -> Header:
    """Return what stands above the parts."""
    run = metrics.run
    crumb = ["siftset · ", run.command, " · run ", h("span", run.run_id, class_="mono")]
    words = VERDICTS[metrics.verdict]
    said = [label_status(metrics.verdict, words)]
    points = sum(one.level != "note" for one in found)
    if points and metrics.verdict == "pass":
        said.append(label_status("warn", f"{points} to look at"))
    if run.version is not None:
        said.append(h("span", f"version {run.version} of the set"))
    elif metrics.verdict != "fail":  # a failure says so itself
        said.append(h("span", "not published"))
    if run.started:
        said.append(h("span", f"{format_moment(run.started)}, {run.seconds:,.1f} s"))
    kept = "rows kept" if metrics.verdict != "fail" else "rows would have been kept"
    kept = f"new {kept}" if run.incremental else kept
    return Header(f"{run.recipe}: {metrics.rows.kept:,} {kept}", crumb, said)


def format_moment(written: str) -> str:
    """Return an ISO 8601 moment of UTC as people read it."""
    return written.replace("T", " ").replace("+00:00", " UTC")[:40]


def summary_part(
    metrics: RunMetrics, found: tuple[ReportFinding, ...], history: Sequence[RunMetrics]
) -> PagePart:
    """Return part 1: the figures that matter, what stands out, and what went in."""
    run = metrics.run
    facts = {
        "Recipe": [run.recipe, " ", h("code", run.recipe_hash[:16])],
        "Formula": h("code", run.formula),
        "Suite": run.suite or "none",
        "Based on version": run.base_version,
        "Seed": run.seed,
        "Software": ", ".join(f"{name} {number}" for name, number in run.versions.items()),
    }
    body = [
        _main_figures(metrics),
        _list_findings(found, metrics, history),
        _draw_trend(metrics, history),
        list_facts(facts),
        h("div", h("h3", "Inputs"), _list_inputs(metrics.inputs)),
    ]
    return PagePart("summary", "Verdict", body, metrics.verdict)


def _list_findings(
    found: Sequence[ReportFinding], metrics: RunMetrics, history: Sequence[RunMetrics]
) -> Child:
    """List every statement once, the most severe first, the rest of many folded.

    Those are marked that the version before had not, and those that it alone had are told.
    """
    like = like_runs(metrics, history)
    earlier = find_statements(like[-1]) if like else found
    known, here = {one.topic for one in earlier}, {one.topic for one in found}
    gone = [one for one in earlier if one.topic not in here]
    since = f"version {like[-1].run.version}" if like else ""
    ended: Child = None
    if gone:
        items = [h("li", set_prose(one.claim)) for one in gone[:_MOST_FINDINGS]]
        title = h("summary", f"Gone since {since}: {format_count(len(gone), 'finding')}")
        ended = h("details", title, h("ul", items, class_="small soft"))
    if not found:
        return [call_out("pass", "Nothing stands out: every check passed."), ended]
    items = [
        list_statement(
            one.level,
            one.claim,
            one.todo,
            to="" if one.part == "summary" else one.part,
            note=one.note,
            command=one.command,
            is_new=one.topic not in known,
        )
        for one in rank_statements(found)[:_MOST_LISTED]
    ]
    first, rest = items[:_MOST_FINDINGS], items[_MOST_FINDINGS:]
    count = f"{format_count(len(found), 'finding')}, most severe first"
    if like:
        new = sum(one.topic not in known for one in found)
        count += f"; {f'{new:,}' if new else 'none'} new since {since}"
    title = h("h3", count)
    more = h("summary", format_count(len(found) - len(first), "more finding"))
    left = len(found) - len(items)
    cut = h("p", f"{left:,} of them are in metrics.json alone.", class_="soft") if left else None
    folded = h("details", more, h("ul", rest, class_="briefs"), cut) if rest else None
    return [title, h("ul", first, class_="briefs"), folded, ended]


def _list_inputs(inputs: Sequence[Input]) -> Child:
    if not inputs:
        return note_absence("None.")
    columns = [
        TableColumn("Input", "name"),
        TableColumn("Rows", "num"),
        TableColumn("Bytes", "num"),
        TableColumn("Fingerprint", "name"),
    ]
    rows: list[list[Child]] = []
    for one in inputs[:_MOST_INPUTS]:
        place = h("div", one.location, class_="small soft") if one.location else None
        rows.append(
            [
                [one.name, " ", h("span", one.kind, class_="faint"), place],
                "" if one.rows is None else f"{one.rows:,}",
                "" if one.bytes is None else f"{one.bytes:,}",
                h("code", one.fingerprint[:32]),
            ]
        )
    more = len(inputs) - len(rows)
    note = h("p", f"and {more:,} more, in the manifest", class_="soft") if more else None
    return [draw_table(columns, rows), note]


def _main_figures(metrics: RunMetrics) -> Markup:
    rows = metrics.rows
    sound = rows.read - rows.quarantined - rows.unreadable
    new = "new " if metrics.run.incremental else ""
    items = [
        (
            f"{rows.kept:,}",
            f"{new}rows kept by this run",
            f"{format_percent(rows.kept, rows.read)} of {rows.read:,} read",
        ),
        (
            format_percent(sound, rows.read),
            "integrity share of this run",
            f"{sound:,} of {rows.read:,} could be read and broke no row rule",
        ),
    ]
    of_run, of_set = metrics.label_precision, metrics.set_label_precision
    told = [(f"label precision of the {new}rows kept", of_run)]
    if metrics.run.incremental:
        told.append(("label precision of the set", of_set))
    for name, found in told:
        if found is not None and found.labelled:
            of = f"{found.right:,} of {found.labelled:,} labelled"
            items.append((format_percent(found.right, found.labelled), name, of))
    if rows.set is not None:
        name = "rows in the set" if metrics.verdict != "fail" else "rows the set would hold"
        splits = ", ".join(f"{split} {number:,}" for split, number in order_splits(rows.splits))
        items.append((f"{rows.set:,}", name, splits))
    return show_figures(items)


def _draw_trend(metrics: RunMetrics, history: Sequence[RunMetrics]) -> Child:
    like = like_runs(metrics, history)[-19:]
    if not like:
        return None
    runs = [*like, metrics]
    moved = metrics.rows.kept - like[-1].rows.kept
    said = f"{moved:+,} against the run before" if moved else "unchanged"
    shares = {
        name: [getattr(one.rows, name) / max(1, one.rows.read) for one in runs]
        for name in ("kept", "quarantined")
    }
    kept = [float(one.rows.kept) for one in runs]
    items = [
        h("li", draw_sparkline(kept, "rows kept"), f"rows kept, {said}"),
        *(
            h(
                "li",
                draw_sparkline(values, f"{name} share", colour=colour, as_share=True),
                f"{name} share",
            )
            for (name, values), colour in zip(shares.items(), (3, 1), strict=True)
        ),
    ]
    what = "that read what was new" if metrics.run.incremental else "that read everything"
    title = h("figcaption", f"The last {format_count(len(runs), 'run')} {what}")
    return h("figure", title, h("ul", items, class_="legend trend"))


def links_part(metrics: RunMetrics) -> PagePart:
    """Return part 13: where everything lies."""
    items = [h("li", link_file(path, title)) for title, path in metrics.links.items()]
    body = h("ul", items) if items else note_absence("This run left nothing beside this page.")
    lede = "Paths are relative to this page. Folders of rows hold Parquet."
    return PagePart("links", "Links", body, "none", lede)
