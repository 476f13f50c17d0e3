"""Part 1, the verdict, and part 13, the links."""

from __future__ import annotations

from collections.abc import Sequence

from siftset.pipeline.reports.charts import sparkline
from siftset.pipeline.reports.markup import Child, Markup, h, link
from siftset.pipeline.reports.page import (
    Column,
    Header,
    Part,
    absent,
    brief,
    count,
    facts,
    figures,
    finding,
    percent,
    pill,
    table,
)
from siftset.pipeline.reports.run.findings import WORST_FIRST, Finding
from siftset.schemas.results.metrics import Input, RunMetrics

VERDICTS = {
    "pass": "Passed",
    "warn": "Passed with warnings",
    "fail": "Failed: nothing was published",
}


def header(metrics: RunMetrics, found: tuple[Finding, ...]) -> Header:
    """Return what stands above the parts."""
    run = metrics.run
    crumb = ["siftset · ", run.command, " · run ", h("span", run.run_id, class_="mono")]
    words = VERDICTS[metrics.verdict]
    published = "not published" if run.version is None else f"version {run.version} of the set"
    said = [pill(metrics.verdict, words)]
    points = sum(one.level != "note" for one in found)
    if points and metrics.verdict == "pass":
        said.append(pill("warn", f"{points} to look at"))
    said.append(h("span", published))
    if run.started:
        said.append(h("span", f"{moment(run.started)}, {run.seconds:,.1f} s"))
    kept = "rows kept" if metrics.verdict != "fail" else "rows would have been kept"
    return Header(f"{run.recipe}: {count(metrics.rows.kept)} {kept}", crumb, said)


def moment(written: str) -> str:
    """Return an ISO 8601 moment of UTC as people read it."""
    return written.replace("T", " ").replace("+00:00", " UTC")[:40]


def summary(metrics: RunMetrics, found: tuple[Finding, ...], history: Sequence[RunMetrics]) -> Part:
    """Return part 1: the figures that matter, what stands out, and what went in."""
    shown = sorted(found, key=lambda one: WORST_FIRST[one.level])
    said = h("ul", [_brief(one) for one in shown[:12]], class_="briefs")
    if len(shown) > 12:
        said = h("div", said, h("p", f"{len(shown) - 12} more stand below.", class_="soft"))
    if not shown:
        said = finding("pass", "Nothing stands out: every check passed.")
    body = [_figures(metrics), said, _trend(metrics, history), _facts(metrics), _inputs(metrics)]
    status = metrics.verdict
    return Part("summary", "Verdict", body, status)


def _brief(one: Finding) -> Markup:
    return brief(one.level, one.claim, one.todo, to="" if one.part == "summary" else one.part)


def _figures(metrics: RunMetrics) -> Markup:
    rows = metrics.rows
    sound = rows.read - rows.quarantined - rows.unreadable
    items = [
        (count(rows.kept), "rows kept", f"of {count(rows.read)} read"),
        (percent(rows.kept, rows.read), "kept share", f"{count(rows.kept)} of {count(rows.read)}"),
        (percent(sound, rows.read), "integrity share", f"{count(sound)} of {count(rows.read)}"),
    ]
    precision = metrics.label_precision
    if precision and precision.labelled:
        of = f"{count(precision.right)} of {count(precision.labelled)} labelled"
        items.append((percent(precision.right, precision.labelled), "label precision", of))
    if rows.set is not None:
        name = "rows in the set" if metrics.verdict != "fail" else "rows the set would hold"
        items.append((count(rows.set), name, _splits(metrics)))
    return figures(items)


def _splits(metrics: RunMetrics) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in metrics.rows.splits.items())


def _trend(metrics: RunMetrics, history: Sequence[RunMetrics]) -> Child:
    if not history:
        return None
    runs = [*history[-19:], metrics]
    kept = [float(one.rows.kept) for one in runs]
    share = [one.rows.kept / max(1, one.rows.read) for one in runs]
    aside = [one.rows.quarantined / max(1, one.rows.read) for one in runs]
    last = history[-1].rows
    items = [
        h("li", sparkline(kept, "rows kept"), "rows kept, ", _change(metrics.rows.kept, last.kept)),
        h("li", sparkline(share, "kept share", colour=3), "kept share"),
        h("li", sparkline(aside, "quarantined share", colour=1), "quarantined share"),
    ]
    return h(
        "figure",
        h("figcaption", f"The last {len(runs)} runs"),
        h("ul", items, class_="legend trend"),
    )


def _change(now: int, before: int) -> str:
    if now == before:
        return "unchanged"
    return f"{now - before:+,} against the last run"


def _facts(metrics: RunMetrics) -> Markup:
    run = metrics.run
    return facts(
        {
            "Recipe": [run.recipe, " ", h("code", run.recipe_hash[:16])],
            "Formula": h("code", run.formula),
            "Suite": run.suite or "none",
            "Based on version": run.base_version,
            "Seed": run.seed,
            "Software": ", ".join(f"{name} {number}" for name, number in run.versions.items()),
        }
    )


def _inputs(metrics: RunMetrics) -> Markup:
    columns = [
        Column("Input", "name"),
        Column("Rows", "num"),
        Column("Bytes", "num"),
        Column("Fingerprint", "name"),
    ]
    rows = [_input(one) for one in metrics.inputs[:50]]
    more = len(metrics.inputs) - len(rows)
    note = h("p", f"and {more:,} more, in the manifest", class_="soft") if more else None
    return h("div", h("h3", "Inputs"), table(columns, rows) if rows else absent("None."), note)


def _input(one: Input) -> list[Child]:
    where = h("div", one.location, class_="small soft") if one.location else None
    return [
        [one.name, " ", h("span", one.kind, class_="faint"), where],
        "" if one.rows is None else count(one.rows),
        "" if one.bytes is None else count(one.bytes),
        h("code", one.fingerprint[:32]),
    ]


def links(metrics: RunMetrics) -> Part:
    """Return part 13: where everything lies."""
    items = [h("li", link(path, title)) for title, path in metrics.links.items()]
    body = h("ul", items) if items else absent("This run left nothing beside this page.")
    lede = "Paths are relative to this page. Folders of rows hold Parquet."
    return Part("links", "Links", body, "none", lede)
